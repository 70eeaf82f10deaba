"""Take shipment events: at-least-once in, one message per event, rule and recipient out."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ingest.events import answering
from ingest.events.judging import Case, Judge, Known, Verdict, open_case
from ingest.events.parsing import ShipmentEvent, Unreadable
from ingest.metrics import IngestMetrics
from ingest.optouts.domain import Stop, Stops, Who
from ingest.ports import Catalogue, Content, Input, Inputs, Mark, Marks, Publisher
from ingest.quota.purse import Purse
from ingest.quota.till import Till
from yizhan_contracts import ids
from yizhan_contracts.events import MessageAccepted, OriginKind, ShipmentAnswered
from yizhan_contracts.ids import RandomBits
from yizhan_runtime.clock import Clock
from yizhan_telecom.holds import Holds

Verdicts = tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record of ``shipment.updated`` and when Kafka appended it."""

    origin: str
    arrived_at: datetime
    read: ShipmentEvent | Unreadable


@dataclass(frozen=True, slots=True)
class _Stored:
    """A batch after judgement and storing. ``inputs`` holds all it asks for, old and new."""

    verdicts: tuple[Verdicts, ...]
    inputs: Mapping[str, Input]

    def messages(self) -> Iterator[tuple[MessageAccepted, bool]]:
        """Give each message once, and whether it had been stored before."""
        seen: set[str] = set()
        for verdict in (verdict for verdicts in self.verdicts for verdict in verdicts):
            if verdict.input_id and verdict.input_id not in seen:
                seen.add(verdict.input_id)
                yield self.inputs[verdict.input_id].message, verdict.is_repeat


class TakeShipmentEvents:
    """Judges, stores, then publishes. Once ``take`` returns, all is durable and answered.

    It may be called again with the same events: ids are drawn once and stored before they are
    published, so a repeat publishes the same messages again. Publishing before storing would send
    twice after a crash.
    """

    def __init__(  # noqa: PLR0913 - one port each
        self,
        catalogue: Catalogue,
        inputs: Inputs,
        marks: Marks,
        publisher: Publisher,
        content: Content,
        *,
        purse: Purse,
        stops: Stops,
        holds: Holds | None = None,
        clock: Clock,
        random_bits: RandomBits,
        metrics: IngestMetrics,
    ) -> None:
        self._catalogue = catalogue
        self._inputs = inputs
        self._marks = marks
        self._publisher = publisher
        self._content = content
        self._purse = purse
        self._holds = Holds() if holds is None else holds
        self._stops = stops
        self._clock = clock
        self._random_bits = random_bits
        self._metrics = metrics

    async def take(self, arrivals: Sequence[Arrival]) -> None:
        """Take a batch. Raises Retryable: nothing is known of it then, take it again whole."""
        now = self._clock.now()
        cases = [
            open_case(arrival.read, arrival.arrived_at)
            for arrival in arrivals
            if isinstance(arrival.read, ShipmentEvent)
        ]
        stored = await self._judge_and_store(cases, now)
        messages = list(stored.messages())
        answers = list(_answers(arrivals, cases, stored, now))
        await self._publisher.publish([*(message for message, _ in messages), *answers])
        modes = (arrival.read.mode for arrival in arrivals)
        self._metrics.record_events(zip(modes, answers, strict=True))
        lanes = ((message.lane, is_repeat) for message, is_repeat in messages)
        self._metrics.record_messages(OriginKind.SHIPMENT_EVENT, lanes)

    async def _judge_and_store(self, cases: Sequence[Case], now: datetime) -> _Stored:
        known, marks, stops = await self._look_up(cases)
        with self._purse.open_till() as till:
            judge, verdicts = await self._judge(cases, now, Known(known, marks, stops), till)
            # Marks first: with a message stored and its mark not, a second event would speak again.
            theirs = await self._marks.add(list(judge.new_marks.values()))
            if theirs:
                marks = {**marks, **await self._marks.find(theirs)}
                judge, verdicts = await self._judge(cases, now, Known(known, marks, stops), till)
            till.storing()
            taken = await self._inputs.add(list(judge.new_inputs.values()))
            await till.settle(taken)
        if not taken:
            return _Stored(verdicts, {**known, **judge.new_inputs})
        # Somebody else stored them between our look and our write: theirs are the ids that count.
        inputs = {**known, **judge.new_inputs, **await self._inputs.find(taken)}
        return _Stored(tuple(_repeats(v, frozenset(taken)) for v in verdicts), inputs)

    async def _look_up(
        self, cases: Sequence[Case]
    ) -> tuple[Mapping[str, Input], Mapping[str, Mark], Mapping[Who, tuple[Stop, ...]]]:
        input_ids = {input_id for case in cases for input_id in case.input_ids()}
        mark_ids = {mark_id for case in cases for mark_id in case.mark_ids(self._catalogue)}
        return await asyncio.gather(
            self._inputs.find(input_ids),
            self._marks.find(mark_ids),
            self._stops.find({who for case in cases for who in case.recipients()}),
        )

    async def _judge(
        self,
        cases: Sequence[Case],
        now: datetime,
        known: Known,
        till: Till,
    ) -> tuple[Judge, tuple[Verdicts, ...]]:
        """Judge a batch, again where a package had first to be leased from."""
        now_ms = int(now.timestamp() * 1000)

        def draw_id(recipient: str) -> str:
            return ids.new_message_id(recipient, now_ms, self._random_bits)

        till.cancel()
        while True:
            judge = Judge(
                self._catalogue,
                now,
                draw_id,
                known,
                self._content.current,
                till,
                self._holds,
            )
            verdicts = tuple(judge.judge(case) for case in cases)
            if not await till.refill():
                return judge, verdicts


def _repeats(verdicts: Verdicts, taken: frozenset[str]) -> Verdicts:
    return tuple(
        replace(verdict, is_repeat=verdict.is_repeat or verdict.input_id in taken)
        for verdict in verdicts
    )


def _answers(
    arrivals: Sequence[Arrival], cases: Sequence[Case], stored: _Stored, now: datetime
) -> Iterator[ShipmentAnswered]:
    judged = iter(zip(cases, stored.verdicts, strict=True))
    for arrival in arrivals:
        if isinstance(arrival.read, Unreadable):
            yield answering.answer_unreadable(arrival.origin, arrival.read, now)
            continue
        case, verdicts = next(judged)
        yield answering.answer_case(arrival.origin, case, verdicts, stored.inputs, now)
