"""Doing what was decided: settle, correct, ask for a call or another attempt, and publish it.

Everything here is keyed by ids, so that two who do it at once, or one who does it
twice, do no harm.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from receipts.ledger import documents as docs
from receipts.ledger.decisions import Action, Call, HoldBack, Repeat, Reroute, Settle, Verdict
from receipts.ledger.documents import Document
from receipts.ledger.facts import Accepted
from receipts.ledger.ports import LedgerStore, Publisher
from receipts.ledger.story import State
from receipts.metrics import Metrics
from yizhan_contracts.events import (
    Event,
    MessageAccepted,
    RerouteRequested,
    Status,
    VoiceRequested,
)
from yizhan_runtime import Clock


class SettledBy(StrEnum):
    """Who settled a message, and hence who says it again should he have died before saying it."""

    RECORD = "record"
    """The record is read again, and finds it settled."""
    SWEEP = "sweep"
    """The cursor has not passed, and the next sweep finds it settled."""
    FULL_SWEEP = "full-sweep"
    """It has no cursor: it looks for what it settled since it last ended."""


class Story(NamedTuple):
    """What is known of a message."""

    state: State
    settled: Document | None


class Decided(NamedTuple):
    """A message that is known to be accepted, and what follows for it."""

    accepted: Accepted
    story: Story
    action: Action


class Consequences:
    """What follows from decisions. When ``act`` returns, all of it is stored and published."""

    def __init__(
        self,
        store: LedgerStore,
        publisher: Publisher,
        clock: Clock,
        metrics: Metrics,
        call_margin_s: float,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics
        self._call_margin = timedelta(seconds=call_margin_s)

    async def act(self, decided: Sequence[Decided], settled_by: SettledBy) -> None:
        """Do what was decided. Each message is in it once at most."""
        if not decided:
            return
        now = self._clock.now()
        settling = [(d, d.action.verdict) for d in decided if isinstance(d.action, Settle)]
        calling = [(d, d.action) for d in decided if isinstance(d.action, Call)]
        rerouting = [(d, d.action) for d in decided if isinstance(d.action, Reroute)]
        told, asked, _ = await asyncio.gather(
            self._settle(settling, settled_by, now),
            self._ask(calling, rerouting, now),
            self._hold_back(decided, now),
        )
        told += [
            d.story.settled
            for d in decided
            if isinstance(d.action, Repeat) and d.story.settled is not None
        ]
        await self._publisher.publish([*map(docs.settled_event, told), *asked])

    async def _settle(
        self, settling: Sequence[tuple[Decided, Verdict]], settled_by: SettledBy, now: datetime
    ) -> list[Document]:
        """Settle each message once; give the documents to be published, those found settled too."""
        if not settling:
            return []
        new = {
            d.accepted.message_id: docs.settled_document(d.accepted, verdict, now, settled_by)
            for d, verdict in settling
            if d.story.settled is None
        }
        existing = await self._store.insert_settled(list(new.values()))
        first = [document for message_id, document in new.items() if message_id not in existing]
        self._count(first)
        found = {d.accepted.message_id: d.story.settled for d, _ in settling if d.story.settled}
        found |= await self._settled_of(existing)
        return first + await self._correct(settling, found, now)

    async def _settled_of(self, message_ids: set[str]) -> dict[str, Document]:
        return await self._store.settled_of(message_ids) if message_ids else {}

    async def _correct(
        self,
        settling: Sequence[tuple[Decided, Verdict]],
        found: dict[str, Document],
        now: datetime,
    ) -> list[Document]:
        """Make delivered what was settled otherwise: the only change there is.

        Gives all of ``found``, as it is now.
        """
        changed = set()
        for decided, verdict in settling:
            message_id = decided.accepted.message_id
            document = found.get(message_id)
            if document is None or verdict.status is not Status.DELIVERED:
                continue
            if document["status"] != Status.DELIVERED:
                fields = docs.verdict_fields(decided.accepted, verdict)
                fields |= {"revision": 2, "corrected_at": docs.in_ms(now)}
                await self._store.correct(message_id, fields)
                self._metrics.record_corrected()
                changed.add(message_id)
            elif _is_late_sms(document, verdict):
                await self._store.correct_sms(message_id, docs.sms_fields(verdict))
                changed.add(message_id)
        found |= await self._settled_of(changed)
        return list(found.values())

    def _count(self, first: Sequence[Document]) -> None:
        for document in first:
            self._metrics.record_settled(
                document["status"], document["via"], document["settled_ms"] / 1000
            )

    async def _hold_back(self, decided: Sequence[Decided], now: datetime) -> None:
        """Write down until when it is waited for on: that is looked at like any deadline."""
        held = [
            (docs.held_back_fact(d.accepted.message_id, one, now), one.channel)
            for d in decided
            if isinstance(d.action, HoldBack)
            for one in d.action.attempts
        ]
        if not held:
            return
        existing = await self._store.insert_facts([fact for fact, _ in held])
        self._metrics.record_held_back(
            channel for fact, channel in held if fact["_id"] not in existing
        )

    async def _ask(
        self,
        calling: Sequence[tuple[Decided, Call]],
        rerouting: Sequence[tuple[Decided, Reroute]],
        now: datetime,
    ) -> list[Event]:
        """Write down that we ask, then give the events that ask."""
        if not calling and not rerouting:
            return []
        facts: list[Document] = [
            docs.rerouted_fact(d.accepted.message_id, reroute, now) for d, reroute in rerouting
        ]
        waits = [_wait_until(d, now) for d, _ in calling]
        facts += [
            docs.call_requested_fact(
                d.accepted.message_id, call, now, wait_until, wait_until + self._call_margin
            )
            for (d, call), wait_until in zip(calling, waits, strict=True)
        ]
        ids = {d.accepted.message_id for d, _ in (*calling, *rerouting)}
        _, events = await asyncio.gather(
            self._store.insert_facts(facts), self._store.events_of(ids)
        )
        # A message whose content has been erased is not sent again: it waits for its last deadline.
        asked: list[Event] = [
            _reroute_requested(d, asks, events, now)
            for d, asks in rerouting
            if d.accepted.message_id in events
        ]
        asked += [
            _voice_requested(d, call, events, wait_until, now)
            for (d, call), wait_until in zip(calling, waits, strict=True)
            if d.accepted.message_id in events
        ]
        return asked


def _is_late_sms(document: Document, verdict: Verdict) -> bool:
    return verdict.sms.status is Status.DELIVERED and document["sms"]["status"] != Status.DELIVERED


def _wait_until(decided: Decided, now: datetime) -> datetime:
    """Give the first request's time where a call is asked for again: it is waited for once."""
    wait = timedelta(seconds=decided.accepted.policy.voice_wait_s)
    return decided.story.state.call_wait_until or docs.in_ms(now + wait)


def _reroute_requested(
    decided: Decided, reroute: Reroute, events: Mapping[str, MessageAccepted], now: datetime
) -> RerouteRequested:
    message_id = decided.accepted.message_id
    return RerouteRequested(
        message_id=message_id,
        n=reroute.n,
        reason=reroute.reason,
        tried=reroute.tried,
        message=events[message_id],
        requested_at=now,
    )


def _voice_requested(
    decided: Decided,
    call: Call,
    events: Mapping[str, MessageAccepted],
    wait_until: datetime,
    now: datetime,
) -> VoiceRequested:
    message = events[decided.accepted.message_id]
    return VoiceRequested(
        message_id=message.message_id,
        account_id=message.account_id,
        recipient=message.recipient,
        country=message.country,
        language=message.template.language if message.template else "",
        script=message.voice_script,
        reason=call.reason,
        sms_failed=call.sms_failed,
        wait_until=wait_until,
        time_zone=message.time_zone,
        test=message.test,
        template_id=message.template.template_id if message.template else "",
        origin=message.origin,
        requested_at=now,
    )
