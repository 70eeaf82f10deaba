"""Events: kept, made to wait in their account's lane, and read again when they are said.

At-least-once and idempotent on the event's id. An event is kept before it waits, and what brought
it is committed after both.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from receipts.ledger.facts import Accepted
from receipts.metrics import Metrics, Push
from receipts.push.endpoints import About
from receipts.push.events import (
    HEADERS,
    Announced,
    EventType,
    Occurrence,
    envelope,
    event_id_of,
    of_call,
    of_notice,
    reply_data,
)
from receipts.push.lanes import Lanes
from receipts.push.ports import Heard, Place, Waiting, WaitingStore
from yizhan_contracts.events import AccountNotified, VoiceFinished
from yizhan_runtime import Clock

_TAKEN = range(200, 300)


class EventStore(Protocol):
    """Events that were announced, and which of them were acknowledged."""

    async def insert_announced(self, announced: Sequence[Announced], at: datetime) -> None:
        """Keep them, each once."""
        ...

    async def announced_of(self, event_ids: Collection[str]) -> dict[str, Announced]: ...
    async def said_of(self, event_ids: Collection[str]) -> set[str]: ...
    async def save_said(self, event_ids: Sequence[str], at: datetime) -> None: ...
    async def page(self, account_id: str, after: str, below: str, limit: int) -> list[Place]: ...


class ReplySource(Protocol):
    """Where replies are."""

    async def replies_of(self, reply_ids: Collection[str]) -> dict[str, Mapping[str, Any]]: ...


class AcceptedSource(Protocol):
    """Where accepted messages are."""

    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]: ...


class Events:
    """The matter of events; implements Matter. One event a POST, any 2xx acknowledges."""

    about = About.EVENTS
    most = 1
    headers: Mapping[str, str] = HEADERS

    def __init__(self, store: EventStore, replies: ReplySource) -> None:
        self._store = store
        self._replies = replies

    async def load(
        self, subject_ids: Sequence[str]
    ) -> tuple[dict[str, Occurrence], dict[str, Collection[str]]]:
        announced, said = await asyncio.gather(
            self._store.announced_of(subject_ids), self._store.said_of(subject_ids)
        )
        reply_ids = [one.source_id for one in announced.values() if one.source_id]
        replies = await self._replies.replies_of(reply_ids) if reply_ids else {}
        occurrences = {
            event_id: _occurrence(one, replies.get(one.source_id))
            for event_id, one in announced.items()
            # A reply that was erased is not told any more.
            if not one.source_id or one.source_id in replies
        }
        return occurrences, dict.fromkeys(said, ("",))

    def is_said(self, item: Occurrence, said: Collection[str]) -> bool:
        return item.status in said

    async def save_said(self, said: Sequence[Occurrence], at: datetime) -> None:
        await self._store.save_said([one.event_id for one in said], at)

    def render(self, items: Sequence[Occurrence]) -> tuple[str, bytes]:
        (occurrence,) = items
        return occurrence.event_id, envelope(occurrence)

    def is_acknowledged(self, heard: Heard) -> bool:
        return heard.status in _TAKEN

    def sample(self, now: datetime) -> Occurrence:
        event_id = event_id_of(EventType.SAMPLE, str(now.timestamp()))
        return Occurrence(event_id, EventType.SAMPLE, now, {"note": "nothing happened"})

    async def page(self, account_id: str, after: str, below: str, limit: int) -> list[Place]:
        return await self._store.page(account_id, after, below, limit)


def _occurrence(one: Announced, reply: Mapping[str, Any] | None) -> Occurrence:
    data = reply_data(reply) if reply is not None else one.data
    return Occurrence(one.event_id, one.type, one.at, data)


class Announcing:
    """Takes in what happened to accounts that want to hear of it."""

    def __init__(
        self,
        lanes: Lanes,
        store: EventStore,
        waiting: WaitingStore,
        wake: Callable[[], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._lanes = lanes
        self._store = store
        self._waiting = waiting
        self._wake = wake
        self._clock = clock
        self._metrics = metrics

    async def announce(self, announced: Sequence[Announced]) -> None:
        """Keep events, and have them pushed. Raises Retryable: announce the same again."""
        wanted = [one for one in announced if self._lanes.of(About.EVENTS, one.account_id)]
        if nobody := len(announced) - len(wanted):
            self._metrics.record_pushed(About.EVENTS, Push.NOBODY, nobody)
        if not wanted:
            return
        now = self._clock.now()
        await self._store.insert_announced(wanted, now)
        await self._waiting.save_waiting(
            [Waiting(one.event_id, "", About.EVENTS, one.account_id, now, now) for one in wanted]
        )
        self._wake()


class Hearing:
    """Hears of what accounts are told beside replies."""

    def __init__(self, announcing: Announcing, accepted: AcceptedSource) -> None:
        self._announcing = announcing
        self._accepted = accepted

    async def hear_calls(self, calls: Sequence[VoiceFinished]) -> None:
        """Announce how calls ended, by the customer's own names for their messages."""
        accepted = await self._accepted.accepted_of({call.message_id for call in calls})
        await self._announcing.announce(
            [
                of_call(call, known.reference if known else "")
                for call in calls
                for known in (accepted.get(call.message_id),)
            ]
        )

    async def hear_notices(self, notices: Sequence[AccountNotified]) -> None:
        """Announce that something has become low."""
        await self._announcing.announce([of_notice(notice) for notice in notices])
