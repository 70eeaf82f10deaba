"""A world for voice-fallback: its store, Kafka, ledger and provider outlive its processes."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from prometheus_client import CollectorRegistry

from voice_fallback.calling.call import Tools
from voice_fallback.calling.desk import Desk
from voice_fallback.calling.lines import Line, Lines
from voice_fallback.calling.results import Results
from voice_fallback.domain.story import Chain, Outcome, Ring, RingResult, Story, parse_ref
from voice_fallback.metrics import VoiceMetrics
from voice_fallback.ports import MessageState
from voice_fallback.providers.base import Answer, MayDial, NotTaken, Order, Taken
from voice_fallback.providers_file import ProviderConfig, VoiceConfig
from yizhan_contracts import ids
from yizhan_contracts.events import CallOutcome, Event, VoiceFinished, VoiceRequested
from yizhan_contracts.reasons import Reason
from yizhan_runtime.errors import Retryable
from yizhan_runtime.publisher import to_json
from yizhan_runtime.records import RawRecord, Record
from yizhan_runtime.window import OpenRecord
from yizhan_telecom.holds import Holds

EPOCH = datetime(2026, 11, 23, 10, tzinfo=UTC)
SILENCE_S = 100.0
_numbers = itertools.count(1)


async def settle(rounds: int = 60) -> None:
    """Let every task go as far as it can without the clock."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class FakeClock:
    """Stands still until it is turned."""

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


class Steps:
    """Stops a process dead at a chosen step; every operation is two: undone, or only unanswered."""

    def __init__(self, die_at: int | None = None) -> None:
        self._die_at = die_at
        self.taken = 0
        self.is_dead = False

    async def step(self) -> None:
        if self.is_dead or self.taken == self._die_at:
            self.is_dead = True
            await asyncio.get_running_loop().create_future()
        self.taken += 1


class FakeStore:
    """The documents of calls, by ``_id``."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.unknown = 0
        """So many inserts are done, and fail."""
        self.away = 0

    def insert(self, name: str, document: Any) -> bool:
        if self.away:
            self.away -= 1
            raise Retryable("away")
        is_new = name not in self.documents
        self.documents.setdefault(name, document)
        if self.unknown:
            self.unknown -= 1
            raise Retryable("timed out")
        return is_new

    def story(self, message_id: str) -> Story:
        of = [document for name, document in self.documents.items() if name.startswith(message_id)]
        results = {parse_ref(one.ref)[1]: one for one in of if isinstance(one, RingResult)}
        return Story(
            next((one for one in of if isinstance(one, Chain)), None),
            {one.k: one for one in of if isinstance(one, Ring)},
            results,
            next((one for one in of if isinstance(one, Outcome)), None),
        )


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

    async def insert_chain(self, chain: Chain) -> bool:
        return bool(await self._do(lambda: self._store.insert(chain.message_id, chain)))

    async def insert_ring(self, ring: Ring) -> bool:
        return bool(await self._do(lambda: self._store.insert(ring.ref, ring)))

    async def insert_result(self, result: RingResult) -> bool:
        return bool(await self._do(lambda: self._store.insert(result.ref + ".result", result)))

    async def insert_outcome(self, outcome: Outcome) -> bool:
        name = outcome.message_id + ".outcome"
        return bool(await self._do(lambda: self._store.insert(name, outcome)))

    async def load_story(self, message_id: str) -> Story:
        story = await self._do(lambda: self._store.story(message_id))
        assert isinstance(story, Story)
        return story

    async def load_results(self, refs: Iterable[str]) -> dict[str, RingResult]:
        # No step: how often it is polled is no part of a story.
        found = (self._store.documents.get(ref + ".result") for ref in refs)
        return {one.ref: one for one in found if one is not None}

    async def drop_before(self, message_id: str, most: int) -> int:
        return 0


class FakeKafka:
    """What was published."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.away = 0

    def finished(self) -> list[VoiceFinished]:
        return [event for event in self.events if isinstance(event, VoiceFinished)]

    def outcomes(self) -> list[str]:
        return [event.outcome.value for event in self.finished()]


class KafkaOfProcess:
    """Kafka as one process sees it."""

    def __init__(self, kafka: FakeKafka, steps: Steps) -> None:
        self._kafka = kafka
        self._steps = steps

    async def publish(self, events: Sequence[Event]) -> None:
        await self._steps.step()
        if self._kafka.away:
            self._kafka.away -= 1
            raise Retryable("away")
        self._kafka.events.extend(events)
        await self._steps.step()


class FakeLedger:
    """Says of every message what it is told to."""

    def __init__(self) -> None:
        self.state = MessageState.OPEN
        self.asked = 0

    async def ask(self, message_id: str) -> MessageState:
        self.asked += 1
        return self.state


class FakeProvider:
    """Rings, and reports through whichever process is alive."""

    def __init__(self, world: "World", name: str) -> None:
        self._world = world
        self._name = name
        self.rung: list[Order] = []
        self.answers: list[Answer] = []
        """What it answers instead, in turn; it rings when it says Taken or Lost."""
        self.outcomes: list[str] = []
        """What becomes of the rings, in turn; then all are answered. Empty text: no report."""
        self.freezes_for_s = 0.0
        self.most_open = 0

    async def dial(self, order: Order, may_dial: MayDial) -> Answer:
        await self._world.process_now.steps.step()
        self._world.clock.jump(self.freezes_for_s)
        if not may_dial():
            return NotTaken(Reason.CARRIER_UNAVAILABLE, "too late")
        answer = self.answers.pop(0) if self.answers else Taken(f"call-{len(self.rung) + 1}")
        if isinstance(answer, NotTaken):
            return answer
        self.rung.append(order)
        if self.outcomes:
            self._world.owed.append((order.ref, self._name, self.outcomes.pop(0)))
        else:
            self._world.owed.append((order.ref, self._name, "answered"))
        self.most_open = max(self.most_open, len(self._world.owed))
        await self._world.process_now.steps.step()
        return answer

    async def close(self) -> None:
        return None


def request(*, wait_s: float = 600.0, **values: Any) -> VoiceRequested:
    number = next(_numbers)
    recipient = f"+8613800{number:06d}"
    return VoiceRequested.model_validate(
        {
            "message_id": ids.new_message_id(recipient, number, lambda _bits: number),
            "account_id": "demo",
            "recipient": recipient,
            "country": "CN",
            "language": "zh",
            "script": "您的包裹已送达。",
            "reason": Reason.NUMBER_SUSPENDED,
            "sms_failed": True,
            "wait_until": EPOCH + timedelta(seconds=wait_s),
            "requested_at": EPOCH,
            **values,
        }
    )


class Opened:
    """An open record, and how it ended."""

    def __init__(self, asked: VoiceRequested, offset: int) -> None:
        raw = RawRecord(asked.topic(), 0, offset, b"", to_json(asked), (), 0)
        self.ending = "open"
        self.record: OpenRecord[VoiceRequested] = OpenRecord(Record(raw, asked), self._end)

    def _end(self, _opened: Any, aside: Any, abandoned: bool) -> None:  # noqa: FBT001
        self.ending = "parked" if aside is not None else "abandoned" if abandoned else "finished"


class World:
    """What outlives a process."""

    def __init__(self, **config: Any) -> None:
        self.holds = Holds()
        self.clock = FakeClock()
        self.store = FakeStore()
        self.kafka = FakeKafka()
        self.ledger = FakeLedger()
        self.owed: list[tuple[str, str, str]] = []
        names = config.pop("names", ("vox",))
        self.providers = {name: FakeProvider(self, name) for name in names}
        self.config = VoiceConfig.model_validate(
            {
                "providers": [
                    {
                        "name": name,
                        "url": "http://provider",
                        "secret_ref": "S",
                        "webhook_token_ref": "T",
                        "ring_timeout_s": 40,
                        "report_timeout_s": SILENCE_S - 40,
                        "priority": priority,
                        **config.pop(name, {}),
                    }
                    for priority, name in enumerate(names)
                ],
                **config,
            }
        )
        self._incarnations = itertools.count(1)
        self._offsets = itertools.count()
        self.process_now: Process

    @property
    def vox(self) -> FakeProvider:
        return self.providers["vox"]

    def process(self, *, die_at: int | None = None) -> "Process":
        self.process_now = Process(self, f"incarnation-{next(self._incarnations)}", Steps(die_at))
        return self.process_now

    def opened(self, asked: VoiceRequested) -> Opened:
        return Opened(asked, next(self._offsets))

    async def report(self, process: "Process | None" = None) -> None:
        """Let the provider report what it owes."""
        owed, self.owed = self.owed, []
        for ref, name, outcome in owed:
            if outcome:
                at = self.clock.now()
                result = RingResult(ref, name, CallOutcome(outcome), "", "call", at)
                await (process or self.process_now).desk.report(result)
        await settle()


class Process:
    """One voice-fallback, without HTTP and without a consumer."""

    def __init__(self, world: World, incarnation: str, steps: Steps) -> None:
        self.world = world
        self.steps = steps
        self.incarnation = incarnation
        store = StoreOfProcess(world.store, steps)
        self.results = Results(store, world.clock)
        lines = Lines([Line(one, world.providers[one.name]) for one in world.config.providers])
        tools = Tools(
            world.config,
            lines,
            self.results,
            store,
            world.ledger,
            world.clock,
            VoiceMetrics(CollectorRegistry()),
            incarnation,
            world.holds,
        )
        self.desk = Desk(tools, KafkaOfProcess(world.kafka, steps))
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        works = (self.desk.run, self.results.poll)
        self._tasks = [asyncio.ensure_future(work()) for work in works]
        await settle()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.steps.is_dead = True
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def read(self, *requests: VoiceRequested) -> list[Opened]:
        opened = [self.world.opened(asked) for asked in requests]
        self.desk.take([one.record for one in opened])
        return opened

    def revoke(self, records: Iterable[Opened]) -> None:
        for one in records:
            one.record.revoke()
        self.desk.forget([one.record for one in records])

    async def turn(self, seconds: float = 0.0) -> None:
        await self.world.clock.turn(seconds)
        for task in self._tasks:
            if task.done():
                task.result()


def provider_config(**values: Any) -> ProviderConfig:
    return ProviderConfig.model_validate(
        {
            "name": "vox",
            "url": "http://provider",
            "secret_ref": "S",
            "webhook_token_ref": "T",
            **values,
        }
    )
