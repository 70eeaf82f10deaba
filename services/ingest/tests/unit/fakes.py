"""Ports in memory, with the ways in which the real ones fail."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ingest.content.checking import ContentRules
from ingest.ports import Input, Mark
from ingest.requests.many import Answer
from yizhan_contracts.events import Event, MessageAccepted, ShipmentAnswered
from yizhan_runtime.errors import Retryable

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeClock:
    """Stands still until it is turned."""

    def __init__(self, now: datetime = NOON) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOON).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)
        await asyncio.sleep(0)

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class FakeInputs:
    """Keeps inputs; ``rival`` stores one between somebody's look and write."""

    def __init__(self) -> None:
        self.stored: dict[str, Input] = {}
        self.done: set[str] = set()
        self.away = False
        self.rivals: list[Input] = []
        self.adds: list[int] = []

    def _check(self) -> None:
        if self.away:
            raise Retryable("the store is away")

    async def find(self, input_ids: Collection[str]) -> Mapping[str, Input]:
        self._check()
        await asyncio.sleep(0)
        return {name: self.stored[name] for name in input_ids if name in self.stored}

    async def add(self, inputs: Sequence[Input]) -> Collection[str]:
        self._check()
        await asyncio.sleep(0)
        self.stored.update({rival.input_id: rival for rival in self.rivals})
        self.rivals.clear()
        existing = {item.input_id for item in inputs if item.input_id in self.stored}
        self.stored.update({i.input_id: i for i in inputs if i.input_id not in existing})
        self.adds.append(len(inputs))
        return existing

    async def add_done(self, input_ids: Sequence[str]) -> None:
        self._check()
        self.done.update(input_ids)

    async def find_done(self, input_ids: Collection[str]) -> Collection[str]:
        return self.done & set(input_ids)

    async def find_message(self, message_id: str) -> Input | None:
        self._check()
        return next((i for i in self.stored.values() if i.message.message_id == message_id), None)

    async def drop_before(self, message_id: str, limit: int) -> int:
        old = [n for n, i in self.stored.items() if i.message.message_id < message_id][:limit]
        for name in old:
            del self.stored[name]
            self.done.discard(name)
        return len(old)


class FakeAnswers:
    """Keeps answers."""

    def __init__(self) -> None:
        self.stored: dict[str, Answer] = {}
        self.away = False

    async def find(self, answer_id: str) -> Answer | None:
        await asyncio.sleep(0)
        if self.away:
            raise Retryable("the store is away")
        return self.stored.get(answer_id)

    async def add(self, answer: Answer) -> bool:
        await asyncio.sleep(0)
        if self.away:
            raise Retryable("the store is away")
        return self.stored.setdefault(answer.answer_id, answer) is answer


class FakeMarks:
    def __init__(self) -> None:
        self.stored: dict[str, Mark] = {}
        self.rivals: list[Mark] = []

    async def find(self, mark_ids: Collection[str]) -> Mapping[str, Mark]:
        return {name: self.stored[name] for name in mark_ids if name in self.stored}

    async def add(self, marks: Sequence[Mark]) -> Collection[str]:
        self.stored.update({rival.mark_id: rival for rival in self.rivals})
        self.rivals.clear()
        existing = {mark.mark_id for mark in marks if mark.mark_id in self.stored}
        self.stored.update({m.mark_id: m for m in marks if m.mark_id not in existing})
        return existing


class FakeContent:
    """The word lists that a test puts in force."""

    def __init__(self) -> None:
        self.current = ContentRules()


class FakePublisher:
    """Keeps what was published; is away for the next ``failures`` publishes."""

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.publishes = 0
        self.failures = 0
        self.gate: asyncio.Event | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise Retryable("Kafka did not acknowledge in time")
        self.publishes += bool(events)
        self.published.extend(events)

    def messages(self) -> list[MessageAccepted]:
        return [event for event in self.published if isinstance(event, MessageAccepted)]

    def answers(self) -> list[ShipmentAnswered]:
        return [event for event in self.published if isinstance(event, ShipmentAnswered)]


def counting_bits() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number
