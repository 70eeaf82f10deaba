"""The way back of parked records on fakes: when, to whom, and what a drain does."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from aiokafka import TopicPartition
from libs.runtime.tests.support import FakeConsumer, Surroundings, fetched, refetched, until

from yizhan_runtime import BatchRoute, OpenRecord, Parked, RawRecord, Record, WindowRoute
from yizhan_runtime.aside import Aside
from yizhan_runtime.records import raw_of
from yizhan_runtime.retrying import RetryConsumer, WindowReturns
from yizhan_runtime.window import WindowConsumer

TOPIC = "t.voice-fallback.retry.5s"
TP = TopicPartition(TOPIC, 0)


def parse(raw: RawRecord) -> str:
    return (raw.value or b"").decode()


async def parked(around: Surroundings, *values: bytes, group: str = "g", topic: str = "in") -> Any:
    asides = [
        Aside(raw_of(one, topic), "later", delay="5s", group=group) for one in fetched(values)
    ]
    before = len(around.publisher.records)
    await around.context.aside.put(asides)
    return around.publisher.records[before:]


class Sink:
    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    async def handle(self, records: Sequence[Record[str]]) -> Iterable[Parked]:
        self.seen.extend((record.event, record.raw.attempt) for record in records)
        return ()


class Bench:
    def __init__(self, routes: dict[tuple[str, str], BatchRoute[Any]]) -> None:
        self.around = Surroundings("voice-fallback-retry-5s")
        self.kafka = FakeConsumer(TP)
        self.consumer = RetryConsumer(self.around.context, routes, self.around.fail)

    async def take(self, records: Any) -> None:
        await self.consumer.on_batch(self.kafka, records)


async def test_each_group_gets_its_own_records_back_though_all_read_the_same_topic() -> None:
    one, two = Sink(), Sink()
    bench = Bench(
        {
            ("one", "in"): BatchRoute(("in",), parse, one.handle),
            ("two", "in"): BatchRoute(("in",), parse, two.handle),
            ("two", "other"): BatchRoute(("other",), parse, two.handle),
        }
    )
    around = bench.around
    records = [
        *await parked(around, b"a", group="one"),
        *await parked(around, b"b", group="two"),
        *await parked(around, b"c", group="two", topic="other"),
    ]
    await bench.take(refetched(records, TOPIC))
    assert (one.seen, sorted(two.seen)) == ([("a", 1)], [("b", 1), ("c", 1)])
    assert bench.kafka.committed == {TP: 3}
    assert around.publisher.on("voice-fallback.dlq") == []


async def test_what_no_group_reads_any_more_is_dead_lettered() -> None:
    sink = Sink()
    bench = Bench({("one", "in"): BatchRoute(("in",), parse, sink.handle)})
    records = await parked(bench.around, b"a", group="gone")
    await bench.take(refetched(records, TOPIC))
    assert sink.seen == []
    [dead] = bench.around.publisher.on("voice-fallback.dlq")
    assert dict(dead.headers)["dlq-origin"] == b"in/0/0"


async def test_what_the_service_parked_itself_finds_its_topic() -> None:
    sink = Sink()
    bench = Bench({("one", "in"): BatchRoute(("in",), parse, sink.handle)})
    await bench.take(refetched(await parked(bench.around, b"a", group=""), TOPIC))
    assert sink.seen == [("a", 1)]


async def test_a_stray_record_on_a_retry_topic_is_poison_and_stops_nothing() -> None:
    sink = Sink()
    bench = Bench({("g", "in"): BatchRoute(("in",), parse, sink.handle)})
    good = await parked(bench.around, b"a")
    stray = fetched([b"stray"], topic=TOPIC, headers=(("retry-origin", b"nonsense"),))
    await bench.take((*stray, *refetched(good, TOPIC, first=1)))
    assert (sink.seen, bench.around.failures) == ([("a", 1)], [])
    [dead] = bench.around.publisher.on("voice-fallback.dlq")
    assert dict(dead.headers)["dlq-origin"] == b"voice-fallback.retry.5s/0/0"
    assert bench.kafka.committed == {TP: 2}


async def test_each_waits_until_it_is_due_and_no_longer() -> None:
    handled: dict[str, float] = {}
    bench: Bench

    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        handled.update((record.event, bench.around.clock.passed) for record in records)
        return ()

    bench = Bench({("g", "in"): BatchRoute(("in",), parse, handle)})
    first = await parked(bench.around, b"a")
    await bench.around.clock.sleep(4)
    second = await parked(bench.around, b"b", b"c")
    await bench.take(refetched([*first, *second], TOPIC))
    assert 5.0 <= handled["a"] <= 5.5
    assert 9.0 <= handled["b"] == handled["c"] <= 9.5
    assert bench.kafka.commits == [{TP: 1}, {TP: 3}]


async def test_hurried_it_looks_at_once_and_again_at_what_others_parked_before_they_heard() -> None:
    handled: dict[str, float] = {}
    bench: Bench

    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        handled.update((record.event, bench.around.clock.passed) for record in records)
        return ()

    bench = Bench({("g", "in"): BatchRoute(("in",), parse, handle)})
    records = refetched(await parked(bench.around, b"before", b"meanwhile", b"after"), TOPIC)
    since_ms = (0, 1_500, 2_500)
    bench.consumer.hurry()
    await bench.take(
        [
            replace(one, timestamp=one.timestamp + ms)
            for one, ms in zip(records, since_ms, strict=True)
        ]
    )
    assert handled["before"] == 0.0
    assert 2.0 <= handled["meanwhile"] <= 2.5
    assert 5.0 <= handled["after"] <= 5.5


async def test_a_drain_ends_the_waiting_and_keeps_what_is_done() -> None:
    sink = Sink()
    bench = Bench({("g", "in"): BatchRoute(("in",), parse, sink.handle)})
    first = await parked(bench.around, b"a")
    await bench.around.clock.sleep(5)
    second = await parked(bench.around, b"b")

    async def slow(seconds: float) -> None:
        await asyncio.sleep(0.01)

    bench.around.clock.sleep = slow  # type: ignore[method-assign]
    batch = asyncio.create_task(bench.take(refetched([*first, *second], TOPIC)))
    await until(lambda: bench.kafka.committed == {TP: 1})
    await asyncio.wait_for(bench.consumer.on_revoked([TP]), 1.0)
    await batch
    assert sink.seen == [("a", 1)]
    assert bench.kafka.committed == {TP: 1}


class WindowBench:
    """A window whose parked records come back."""

    def __init__(self) -> None:
        self.around = Surroundings("g")
        self.open: list[OpenRecord[str]] = []
        self.window = WindowConsumer(
            self.around.context,
            [WindowRoute(("in",), parse)],
            self.open.extend,
            self.around.fail,
            on_revoked=self.forget,
        )
        self.returns = WindowReturns(self.window)
        route = BatchRoute(("in",), parse, self.returns.handle, on_drain=self.returns.revoke)
        self.bench = Bench({("g", "in"): route})

    def forget(self, _records: Any) -> None:
        for one in [one for one in self.open if one.is_revoked]:
            self.open.remove(one)
            one.abandon()


async def test_a_windows_parked_records_come_back_through_its_intake() -> None:
    world = WindowBench()
    records = await parked(world.bench.around, b"a", b"b")
    await world.bench.around.clock.sleep(5)
    batch = asyncio.create_task(world.bench.take(refetched(records, TOPIC)))
    await until(lambda: len(world.open) == 2)
    first, second = world.open
    first.finish()
    await asyncio.sleep(0.02)
    assert world.bench.kafka.commits == []
    second.park("again")
    await batch
    assert world.bench.kafka.committed == {TP: 2}
    again = world.bench.around.publisher.records[-1]
    assert (again.value, dict(again.headers)["retry-attempt"]) == (b"b", b"2")
    assert dict(again.headers)["retry-group"] == b"g"


async def test_a_drain_lets_a_window_forget_what_came_back_and_is_not_begun() -> None:
    world = WindowBench()
    records = await parked(world.bench.around, b"a", b"b")
    await world.bench.around.clock.sleep(5)
    batch = asyncio.create_task(world.bench.take(refetched(records, TOPIC)))
    await until(lambda: len(world.open) == 2)
    begun = world.open.pop(0)
    revoke = asyncio.create_task(world.bench.consumer.on_revoked([TP]))
    await asyncio.sleep(0.05)
    assert (world.open, begun.is_revoked, revoke.done()) == ([], True, False)
    begun.finish()
    await asyncio.wait_for(revoke, 1.0)
    await batch
    assert world.bench.kafka.commits == []
