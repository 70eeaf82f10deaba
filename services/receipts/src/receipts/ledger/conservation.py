"""Conservation: every accepted message is settled or in flight, by the ids in the stores.

Counted by country and lane, attempts by channel, and every leak named by its id. Three kinds:
what is open though nothing more can come of it, what settled without being accepted, and facts of
messages that nobody accepted. Ids sort by time, so a range of them is a range of time.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from receipts.ledger.consequences import Story
from receipts.ledger.decisions import last_deadline
from yizhan_contracts import ids
from yizhan_contracts.events import Status
from yizhan_runtime import Clock

_PAGE: Final = 5000
_LOOKED_AT: Final = 1000
_NAMED: Final = 100
MIN_AGE_S: Final = 600.0
"""Younger messages, and deadlines, are the sweeps' business and no leaks yet."""

Look = Callable[[Collection[str]], Awaitable[Mapping[str, Story]]]


class Leak(StrEnum):
    """What should not be."""

    UNSETTLED = "unsettled"
    """Accepted, past its last deadline, and open."""
    NEVER_ACCEPTED = "never-accepted"
    """Settled, and not accepted."""
    WITHOUT_MESSAGE = "without-message"
    """Attempts, receipts or calls are known of it, its acceptance is not."""


class MessageRow(NamedTuple):
    """An accepted message, as far as it is counted."""

    message_id: str
    country: str
    lane: str
    check_at: datetime


class SettledRow(NamedTuple):
    """A settled message, as far as it is counted."""

    message_id: str
    country: str
    lane: str
    status: str


class ConservationStore(Protocol):
    """Pages through the collections, by ids, both ends excluded."""

    async def settled_rows(self, after: str, below: str, limit: int) -> list[SettledRow]: ...
    async def message_rows(self, after: str, below: str, limit: int) -> list[MessageRow]: ...

    async def owners_of_facts(self, after: str, below: str, limit: int) -> list[str]:
        """Give the messages of which anything is known: their ids, in order."""
        ...

    async def count_attempts(self, after: str, below: str) -> dict[str, dict[str, int]]:
        """Count what became of attempts, by channel and kind of fact."""
        ...


class Conservation:
    """Merges ``settled`` and ``messages``, in this order: the other shows leaks that are none."""

    def __init__(self, store: ConservationStore, look: Look, clock: Clock) -> None:
        self._store = store
        self._look = look
        self._clock = clock

    async def count(self, since: datetime | None, until: datetime | None) -> dict[str, Any]:
        """Count the messages whose ids were drawn from ``since`` until ``until`` (all, now)."""
        now = self._clock.now()
        first, below = id_at(since or datetime(1970, 1, 1, tzinfo=UTC)), id_at(until or now)
        tally, after = _Tally(), first
        while page := await self._store.settled_rows(after, below, _PAGE):
            last = page[-1].message_id
            tally.add(page, await self._messages(after, last + "\0"))
            after = last
        tally.add([], await self._messages(after, below))
        open_by_channel = await self._look_at_open(tally, now)
        await self._look_for_strangers(tally, first, below, now)
        attempts = await self._store.count_attempts(first, below)
        return tally.report(since, until or now) | {
            "channels": [
                {
                    "channel": channel,
                    "finished": attempts.get(channel, {}),
                    "awaiting_receipt": open_by_channel[channel],
                }
                for channel in sorted(attempts.keys() | open_by_channel.keys())
            ]
        }

    async def _messages(self, after: str, below: str) -> list[MessageRow]:
        found: list[MessageRow] = []
        while page := await self._store.message_rows(after, below, _PAGE):
            found += page
            after = page[-1].message_id
        return found

    async def _look_at_open(self, tally: "_Tally", now: datetime) -> Counter[str]:
        """Count the attempts whose receipts are waited for; name what waits for nothing."""
        awaiting: Counter[str] = Counter()
        open_ids = [row.message_id for row in tally.open]
        for begin in range(0, len(open_ids), _LOOKED_AT):
            stories = await self._look(open_ids[begin : begin + _LOOKED_AT])
            for message_id, story in stories.items():
                awaiting.update(
                    attempt.channel
                    for attempt in story.state.attempts.values()
                    if attempt.is_submitted
                    and not attempt.has_failed_receipt
                    and attempt.delivered_at is None
                )
                if is_leak(story, now):
                    tally.leaks[Leak.UNSETTLED].append(message_id)
        return awaiting

    async def _look_for_strangers(
        self, tally: "_Tally", after: str, below: str, now: datetime
    ) -> None:
        """Name the messages that facts are known of and that nobody accepted."""
        below = min(below, id_at(now - timedelta(seconds=MIN_AGE_S)))
        while owners := await self._store.owners_of_facts(after, below, _PAGE):
            rows = await self._messages(after, owners[-1] + "\0")
            known = {row.message_id for row in rows}
            tally.leaks[Leak.WITHOUT_MESSAGE] += [one for one in owners if one not in known]
            after = owners[-1]


def is_leak(story: Story, now: datetime) -> bool:
    """Tell whether an accepted message is open although its last deadline is long past."""
    accepted = story.state.accepted
    if accepted is None or story.settled is not None:
        return False
    return last_deadline(story.state, accepted) + timedelta(seconds=MIN_AGE_S) < now


class _Tally:
    """Counts by country and lane, what is open, and the leaks."""

    def __init__(self) -> None:
        self.open: list[MessageRow] = []
        self.leaks: dict[Leak, list[str]] = {leak: [] for leak in Leak}
        self._accepted: Counter[tuple[str, str]] = Counter()
        self._settled: Counter[tuple[str, str, str]] = Counter()

    def add(self, settled: list[SettledRow], messages: list[MessageRow]) -> None:
        settled_ids = {row.message_id for row in settled}
        message_ids = {row.message_id for row in messages}
        self._settled.update((row.country, row.lane, row.status) for row in settled)
        self._accepted.update((row.country, row.lane) for row in messages)
        self.open += [row for row in messages if row.message_id not in settled_ids]
        self.leaks[Leak.NEVER_ACCEPTED] += sorted(settled_ids - message_ids)

    def report(self, since: datetime | None, until: datetime) -> dict[str, Any]:
        settled = dict.fromkeys(map(str, Status), 0)
        for (_, _, status), count in self._settled.items():
            settled[status] += count
        accepted = self._accepted.total()
        leaks = {leak.value: found for leak, found in self.leaks.items()}
        return {
            "since": since.isoformat() if since else None,
            "until": until.isoformat(),
            "accepted": accepted,
            "settled": settled,
            "in_flight": len(self.open),
            "in_flight_ids": [row.message_id for row in self.open[:_NAMED]],
            "lanes": self._lanes(),
            "leaks": leaks,
            "holds": accepted == sum(settled.values()) + len(self.open) and not any(leaks.values()),
        }

    def _lanes(self) -> list[dict[str, Any]]:
        in_flight = Counter((row.country, row.lane) for row in self.open)
        by_lane: dict[tuple[str, str], dict[str, int]] = {}
        for (country, lane, status), count in self._settled.items():
            by_lane.setdefault((country, lane), {})[status] = count
        return [
            {
                "country": country,
                "lane": lane,
                "accepted": self._accepted[country, lane],
                "settled": by_lane.get((country, lane), {}),
                "in_flight": in_flight[country, lane],
            }
            for country, lane in sorted(self._accepted.keys() | by_lane.keys())
        ]


def id_at(at: datetime) -> str:
    """Give the smallest id that can be drawn at a time."""
    return ids.first_message_id(int(at.timestamp() * 1000))
