"""Fakes of everything outside the adapter: a clock that is turned, a store, Kafka, carriers."""

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answer,
    Answered,
    BoundChanged,
    MayWrite,
    Submission,
)
from carrier_adapter.domain.claims import Claim, ClaimKind, Outcome
from carrier_adapter.receiving.replies import ReplyPart, part_id
from yizhan_contracts.events import AttemptFinished, Event
from yizhan_runtime.errors import Retryable
from yizhan_runtime.publisher import Outgoing, to_json

EPOCH = datetime(2026, 11, 23, 10, tzinfo=UTC)


async def settle(rounds: int = 60) -> None:
    """Let every task go as far as it can without the clock."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class FakeClock:
    """Stands still until it is turned; sleepers of one moment wake in the order of their sleep."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._now)

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._number), woken))
        await woken

    @property
    def sleepers(self) -> int:
        return sum(not woken.done() for _, _, woken in self._sleepers)

    def jump(self, seconds: float) -> None:
        """Let time pass without anybody noticing: a frozen process."""
        self._now += seconds

    async def turn(self, seconds: float) -> None:
        """Let time pass, waking sleepers as their moment comes."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self._now = max(self._now, at)
            woken.set_result(None)
            await settle()
        self._now = max(self._now, end)
        await settle()


class Crash(BaseException):
    """The process is no more."""


@dataclass
class Steps:
    """Counts what a process does to the outside, and stops it dead at a chosen step.

    Every operation is two steps: it may be that it never happened, or that only its answer is lost.
    """

    die_at: int | None = None
    taken: int = 0
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def step(self) -> None:
        if self.dead.is_set() or self.taken == self.die_at:
            self.dead.set()
            await asyncio.get_running_loop().create_future()
        self.taken += 1


class FakeStore:
    """Claims and outcomes; outlives the processes that write them."""

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.calls: list[tuple[str, int]] = []
        self.away = 0
        """So many operations fail, and nothing of them is done."""
        self.unknown = 0
        """So many operations are done, and fail."""
        self.only: str | None = None
        """Only operations of this name fail."""

    def seen_by(self, steps: Steps) -> "StoreOfProcess":
        return StoreOfProcess(self, steps)

    def _operate(self, name: str, count: int, work: Callable[[], Any]) -> Any:
        self.calls.append((name, count))
        may_fail = self.only in (None, name)
        if self.away and may_fail:
            self.away -= 1
            raise Retryable("away")
        result = work()
        if self.unknown and may_fail:
            self.unknown -= 1
            raise Retryable("timed out")
        return result

    def insert(self, name: str, into: dict[str, Any], new: Sequence[Any]) -> set[str]:
        def work() -> set[str]:
            there = {one.attempt_id for one in new if one.attempt_id in into}
            for one in new:
                into.setdefault(one.attempt_id, one)
            return there

        return set(self._operate(name, len(new), work))

    def load(self, name: str, of: dict[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
        names = list(wanted)
        found: dict[str, Any] = self._operate(
            name, len(names), lambda: {one: of[one] for one in names if one in of}
        )
        return found


class StoreOfProcess:
    """The store as one process sees it."""

    def __init__(self, store: FakeStore, steps: Steps) -> None:
        self._store = store
        self._steps = steps

    async def _do(self, work: Callable[[], Any]) -> Any:
        await self._steps.step()
        result = work()
        await self._steps.step()
        return result

    async def insert_claims(self, claims: Sequence[Claim]) -> Collection[str]:
        return set(await self._do(lambda: self._store.insert("claim", self._store.claims, claims)))

    async def load_claims(self, attempt_ids: Iterable[str]) -> dict[str, Claim]:
        wanted = list(attempt_ids)
        found = await self._do(lambda: self._store.load("look", self._store.claims, wanted))
        return dict(found)

    async def insert_outcomes(self, outcomes: Sequence[Outcome]) -> Collection[str]:
        store = self._store
        return set(await self._do(lambda: store.insert("outcome", store.outcomes, outcomes)))

    async def load_outcomes(self, attempt_ids: Iterable[str]) -> dict[str, Outcome]:
        wanted = list(attempt_ids)
        found = await self._do(lambda: self._store.load("look", self._store.outcomes, wanted))
        return dict(found)

    async def drop_before(self, message_id: str, most: int) -> int:
        old = [one for one in self._store.claims if one < message_id][:most]
        for one in old:
            self._store.claims.pop(one, None)
            self._store.outcomes.pop(one, None)
        return len(old)


class FakeClaimReader:
    """Reads a store's claims by ranges of ids, as MongoDB does."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.pages = 0

    async def claims_page(self, after: str, below: str, limit: int) -> list[Claim]:
        self.pages += 1
        found = sorted(one for one in self._store.claims if after < one < below)
        return [self._store.claims[one] for one in found[:limit]]

    async def with_outcome(self, attempt_ids: Collection[str]) -> set[str]:
        return {one for one in attempt_ids if one in self._store.outcomes}

    async def count_claims(self, after: str, below: str) -> dict[str, int]:
        its = (claim for one, claim in self._store.claims.items() if after < one < below)
        return Counter(claim.channel for claim in its if claim.kind is ClaimKind.SENT)

    async def count_outcomes(self, after: str, below: str) -> int:
        return sum(after < one < below for one in self._store.outcomes)


class FakeReplyParts:
    """Parts of long replies, in memory."""

    def __init__(self) -> None:
        self.parts: dict[str, ReplyPart] = {}

    async def put_parts(self, parts: Sequence[ReplyPart]) -> None:
        for part in parts:
            there = self.parts.setdefault(part.part_id, part)
            if there.text != part.text:
                numbers = range(1, part.place.total + 1)
                await self.drop_parts([part_id(part.key, number) for number in numbers])
                self.parts[part.part_id] = part

    async def load_parts(self, part_ids: Iterable[str]) -> list[ReplyPart]:
        return [self.parts[name] for name in part_ids if name in self.parts]

    async def load_parts_before(self, at: datetime, most: int) -> list[ReplyPart]:
        return [part for part in self.parts.values() if part.at < at][:most]

    async def drop_parts(self, part_ids: Collection[str]) -> None:
        for name in part_ids:
            self.parts.pop(name, None)


class FakeKafka:
    """What was published; outlives the processes that publish."""

    def __init__(self) -> None:
        self.values: list[tuple[str, bytes]] = []
        self.calls = 0
        self.away = 0
        self.unknown = 0
        self.error: Exception | None = None

    def facts(self) -> list[AttemptFinished]:
        topic = AttemptFinished.TOPIC
        return [
            AttemptFinished.model_validate_json(value)
            for name, value in self.values
            if name == topic
        ]

    def of(self, model: type[Any]) -> list[Any]:
        return [model.model_validate_json(v) for name, v in self.values if name == model.TOPIC]

    def seen_by(self, steps: Steps) -> "KafkaOfProcess":
        return KafkaOfProcess(self, steps)

    def write(self, records: Sequence[tuple[str, bytes]]) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error
        if self.away:
            self.away -= 1
            raise Retryable("away")
        self.values.extend(records)
        if self.unknown:
            self.unknown -= 1
            raise Retryable("not acknowledged in time")


class KafkaOfProcess:
    """Kafka as one process sees it."""

    def __init__(self, kafka: FakeKafka, steps: Steps) -> None:
        self._kafka = kafka
        self._steps = steps

    async def publish(self, events: Sequence[Event]) -> None:
        # Reports are no step of an attempt.
        self._kafka.write([(event.topic(), to_json(event)) for event in events])

    async def publish_records(self, records: Sequence[Outgoing]) -> None:
        await self._steps.step()
        self._kafka.write([(record.topic, record.value or b"") for record in records])
        await self._steps.step()


Behaviour = Callable[[Sequence[Submission], MayWrite, Answered], Awaitable[None]]


def _ignore(*, is_bound: bool) -> None:
    del is_bound


class FakeCarrier:
    """A carrier that behaves as it is told, and keeps its own record of what it was handed."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour: Behaviour = behaviour or self.accept
        self.handed: list[Submission] = []
        self.batches: list[list[Submission]] = []
        self.is_reachable = True
        self.probes = 0
        self.is_closed = False
        self.bound_changed: BoundChanged = _ignore
        self._number = itertools.count(1)

    def times_handed(self, attempt_id: str) -> int:
        return sum(one.attempt_id == attempt_id for one in self.handed)

    def take(self, batch: Sequence[Submission]) -> None:
        self.handed.extend(batch)
        self.batches.append(list(batch))

    def new_id(self) -> str:
        return f"c{next(self._number)}"

    async def accept(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        if not may_write():
            for one in batch:
                answered(one.attempt_id, TOO_LATE)
            return
        self.take(batch)
        for one in batch:
            answered(one.attempt_id, Accepted((self.new_id(),)))

    def answers(self, *answers: Answer) -> Behaviour:
        """Take nothing and answer so, in turn; afterwards accept."""
        left = list(answers)

        async def behave(
            batch: Sequence[Submission], may_write: MayWrite, answered: Answered
        ) -> None:
            if left:
                answer = left.pop(0)
                for one in batch:
                    answered(one.attempt_id, answer)
            else:
                await self.accept(batch, may_write, answered)

        return behave

    async def submit(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        await self.behaviour(batch, may_write, answered)

    def follow(self, bound_changed: BoundChanged) -> None:
        self.bound_changed = bound_changed

    async def is_up(self) -> bool:
        self.probes += 1
        return self.is_reachable

    async def close(self) -> None:
        self.is_closed = True
