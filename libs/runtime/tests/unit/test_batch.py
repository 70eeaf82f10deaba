"""The batch consumer on fakes: what is called again, set aside, committed, given up."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError
from libs.runtime.tests.support import FakeConsumer, Surroundings, fetched, until

from yizhan_runtime import (
    BatchRoute,
    Fatal,
    Parked,
    Permanent,
    Poison,
    RawRecord,
    Record,
    Retryable,
)
from yizhan_runtime.batch import BatchConsumer
from yizhan_runtime.loading import by_partition

P0, P1 = TopicPartition("t.in", 0), TopicPartition("t.in", 1)
Handle = Callable[[Sequence[Record[str]]], Awaitable[Iterable[Parked]]]


def parse(raw: RawRecord) -> str:
    if raw.value is None:
        raise Poison("tombstone")
    if raw.value.startswith(b"bad"):
        raise Poison("invalid", "not good")
    return raw.value.decode()


class Bench:
    """A batch consumer, and who calls it."""

    def __init__(self, handle: Handle, *, foreign: bool = False, **settings: Any) -> None:
        self.around = Surroundings(**settings)
        self.kafka = FakeConsumer(P0, P1)
        route = BatchRoute(("in",), parse, handle, foreign)
        self.consumer = BatchConsumer(self.around.context, [route], self.around.fail)

    async def take(self, *records: Any) -> None:
        await self.consumer.on_batch(self.kafka, records)

    def outcomes(self) -> dict[str, float]:
        [metric] = self.around.metrics.processed.collect()
        return {
            one.labels["outcome"]: one.value
            for one in metric.samples
            if one.name.endswith("_total") and one.value
        }


class Sink:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    async def handle(self, records: Sequence[Record[str]]) -> Iterable[Parked]:
        self.calls.append([record.event for record in records])
        return ()


def test_a_poll_is_parted_by_its_partitions() -> None:
    batch = fetched([b"a", b"b"], first=3) + fetched([b"c"], partition=1)
    assert [(tp, [r.value for r in records]) for tp, records in by_partition(batch)] == [
        (P0, [b"a", b"b"]),
        (P1, [b"c"]),
    ]
    assert list(by_partition(())) == []


async def test_a_batch_is_one_call_and_one_commit() -> None:
    sink = Sink()
    bench = Bench(sink.handle)
    await bench.take(*fetched([b"a", b"b"], first=3), *fetched([b"c"], partition=1))
    assert sink.calls == [["a", "b", "c"]]
    assert bench.kafka.commits == [{P0: 5, P1: 1}]
    assert bench.outcomes() == {"handled": 3}


async def test_what_is_not_ours_any_more_is_neither_handled_nor_committed() -> None:
    sink = Sink()
    bench = Bench(sink.handle)
    bench.kafka.tps = frozenset({P1})
    await bench.take(*fetched([b"a"]), *fetched([b"c"], partition=1))
    assert (sink.calls, bench.kafka.commits) == ([["c"]], [{P1: 1}])
    bench.kafka.tps = frozenset()
    await bench.take(*fetched([b"a"]))
    assert (len(sink.calls), len(bench.kafka.commits)) == (1, 1)


async def test_a_retry_in_place_counts_poison_once_and_parses_once() -> None:
    tries, parsed = 0, 0

    def parse_counted(raw: RawRecord) -> str:
        nonlocal parsed
        parsed += 1
        return parse(raw)

    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        nonlocal tries
        tries += 1
        if tries < 20:
            raise Retryable("away")
        return ()

    bench = Bench(handle)
    bench.consumer._routes = {"in": BatchRoute(("in",), parse_counted, handle)}
    await bench.take(*fetched([b"bad"] * 20 + [b"good"] * 10))
    assert bench.around.failures == []
    assert (tries, parsed) == (20, 30)
    assert len(bench.around.publisher.on("voice-fallback.dlq")) == 20
    assert bench.outcomes() == {"handled": 10, "dead-lettered": 20}


async def test_what_is_done_is_not_repeated_when_the_rest_is_tried_again() -> None:
    sink = Sink()
    bench = Bench(sink.handle)
    bench.around.publisher.away = 3
    await bench.take(*fetched([b"a", b"bad"]))
    assert sink.calls == [["a"]]
    assert bench.kafka.committed == {P0: 2}


async def test_an_outage_however_long_ends_no_process_but_says_so() -> None:
    bench = Bench(Sink().handle, stuck_after_s=10)
    troubles: set[str] = set()

    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        troubles.add(bench.consumer.trouble)
        if bench.around.clock.passed < 1000:
            raise Retryable("MongoDB is away")
        return ()

    bench.consumer._routes = {"in": BatchRoute(("in",), parse, handle)}
    await bench.take(*fetched([b"a"]))
    assert bench.around.failures == []
    assert troubles == {"", "a batch waits: MongoDB is away"}
    assert (bench.consumer.trouble, bench.consumer.busy_since) == ("", None)
    assert bench.kafka.committed == {P0: 1}


async def test_a_handler_that_fails_is_given_halves_and_its_poison_alone_is_parked() -> None:
    calls: list[int] = []

    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        calls.append(len(records))
        if any(record.event == "137" for record in records):
            raise ZeroDivisionError
        return ()

    bench = Bench(handle)
    await bench.take(*fetched([b"%d" % n for n in range(500)]))
    [parked] = bench.around.publisher.on("voice-fallback.retry.5s")
    assert parked.value == b"137"
    assert dict(parked.headers)["retry-group"] == b"voice-fallback"
    assert len(calls) < 20
    assert bench.outcomes() == {"handled": 499, "parked": 1}


async def test_an_unknown_error_is_dead_lettered_without_its_words() -> None:
    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        raise ValueError("to +8613812345678: secret")

    bench = Bench(handle)
    records = [record.record for record in [Parked(Record(raw_with(8), ""), "r")]]
    asides = await bench.consumer._call(bench.consumer._routes["in"], records)
    assert [(one.delay, one.error) for one in asides] == [(None, "ValueError")]


def raw_with(attempt: int) -> RawRecord:
    return RawRecord("in", 0, 0, b"k", b"v", (), 0, attempt=attempt)


async def test_what_can_never_be_done_is_dead_lettered_at_once() -> None:
    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        if any(record.event == "never" for record in records):
            raise Permanent("cannot be")
        return ()

    bench = Bench(handle)
    await bench.take(*fetched([b"a", b"never", b"b"]))
    [dead] = bench.around.publisher.on("voice-fallback.dlq")
    assert dict(dead.headers)["dlq-reason"] == b"permanent"
    assert dict(dead.headers)["dlq-error"] == b"Permanent: cannot be"


async def test_a_parser_that_fails_makes_poison_and_stops_nothing() -> None:
    sink = Sink()

    def explode(raw: RawRecord) -> str:
        if raw.value == b"x":
            raise RecursionError
        return parse(raw)

    bench = Bench(sink.handle)
    bench.consumer._routes = {"in": BatchRoute(("in",), explode, sink.handle)}
    await bench.take(*fetched([b"a", b"x", b"b"]))
    [dead] = bench.around.publisher.on("voice-fallback.dlq")
    assert dict(dead.headers)["dlq-reason"] == b"unreadable"
    assert (sink.calls, bench.around.failures) == ([["a", "b"]], [])


async def test_mostly_poison_is_not_set_aside_but_ends_the_process() -> None:
    bench = Bench(Sink().handle)
    await bench.take(*fetched([b"bad"] * 60))
    assert isinstance(bench.around.failures[0], Fatal)
    assert (bench.around.publisher.records, bench.kafka.commits) == ([], [])


async def test_mostly_poison_of_others_is_set_aside() -> None:
    bench = Bench(Sink().handle, foreign=True)
    await bench.take(*fetched([b"bad"] * 60))
    assert (bench.around.failures, len(bench.around.publisher.records)) == ([], 60)


async def test_a_drain_waits_for_the_batch_in_hand_and_its_commit() -> None:
    release = asyncio.Event()

    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        await release.wait()
        return ()

    bench = Bench(handle)
    batch = asyncio.create_task(bench.take(*fetched([b"a"])))
    await asyncio.sleep(0)
    revoke = asyncio.create_task(bench.consumer.on_revoked([P0]))
    await asyncio.sleep(0.05)
    assert not revoke.done()
    release.set()
    await revoke
    assert bench.kafka.commits == [{P0: 1}]
    await batch


async def test_a_batch_that_waits_to_be_tried_again_is_given_up_in_a_drain() -> None:
    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        raise Retryable("away")

    bench = Bench(handle)
    batch = asyncio.create_task(bench.take(*fetched([b"a"])))
    await until(lambda: bench.consumer.busy_since is not None)
    await asyncio.wait_for(bench.consumer.on_revoked([P0]), 1.0)
    await batch
    assert bench.kafka.commits == []


async def test_what_arrives_while_it_drains_is_left_to_the_next_owner() -> None:
    sink = Sink()
    bench = Bench(sink.handle)
    await bench.consumer.on_revoked([P0])
    await bench.take(*fetched([b"a"]))
    assert (sink.calls, bench.kafka.commits) == ([], [])
    await bench.consumer.on_assigned([P0])
    await bench.take(*fetched([b"a"]))
    assert (sink.calls, bench.kafka.commits) == ([["a"]], [{P0: 1}])


async def test_a_stopped_consumer_stays_stopped_through_a_rebalance() -> None:
    sink = Sink()
    bench = Bench(sink.handle)
    await bench.consumer.stop()
    await bench.consumer.on_assigned([P0])
    await bench.take(*fetched([b"a"]))
    assert sink.calls == []


async def test_a_batch_that_outlived_its_drain_commits_nothing() -> None:
    release = asyncio.Event()

    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        await release.wait()
        return ()

    bench = Bench(handle, drain_timeout_s=0.05)
    batch = asyncio.create_task(bench.take(*fetched([b"a"])))
    await asyncio.sleep(0)
    await bench.consumer.on_revoked([P0])
    await bench.consumer.on_assigned([P0])  # another member may have committed more meanwhile
    release.set()
    await batch
    assert bench.kafka.commits == []


async def test_a_commit_that_is_not_answered_is_tried_until_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("yizhan_runtime.consuming.COMMIT_TIMEOUT_S", 0.01)
    bench = Bench(Sink().handle)
    tries = 0

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            await asyncio.sleep(60)
        bench.kafka.commits.append(offsets)

    bench.kafka.commit = commit  # type: ignore[method-assign]
    await bench.take(*fetched([b"a"]))
    assert (tries, bench.kafka.commits) == (4, [{P0: 1}])


async def test_a_commit_that_is_refused_is_not() -> None:
    bench = Bench(Sink().handle)
    tries = 0

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        nonlocal tries
        tries += 1
        raise CommitFailedError

    bench.kafka.commit = commit  # type: ignore[method-assign]
    await bench.take(*fetched([b"a"]))
    assert (tries, bench.around.failures) == (1, [])


async def test_an_error_of_ours_ends_the_process_and_never_reaches_faststream() -> None:
    bench = Bench(Sink().handle)

    async def put(asides: Any) -> None:
        raise KeyError("bug")

    bench.around.context.aside.put = put  # type: ignore[method-assign]
    await bench.take(*fetched([b"a"]))
    assert isinstance(bench.around.failures[0], KeyError)
    assert bench.kafka.commits == []


async def test_a_record_without_a_timestamp_is_no_record_of_1970() -> None:
    bench = Bench(Sink().handle)
    [record] = fetched([b"a"])
    record.timestamp = -1
    await bench.take(record)
    [metric] = bench.around.metrics.waited_seconds.collect()
    assert not [one for one in metric.samples if one.value > 1e6]


async def test_a_patient_route_takes_its_time_and_is_seen_to_be_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("yizhan_runtime.batch._BEAT_S", 0.01)
    bench = Bench(Sink().handle)
    beats: set[float | None] = set()

    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        for _ in range(10):
            bench.around.clock.passed += 60
            await asyncio.sleep(0.03)
            beats.add(bench.consumer.busy_since)
        return ()

    bench.consumer._routes = {"in": BatchRoute(("in",), parse, handle, is_patient=True)}
    await bench.take(*fetched([b"a"]))
    assert len(beats) == 10
    assert bench.kafka.committed == {P0: 1}


async def test_errors_of_a_patient_route_are_errors_too() -> None:
    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        raise Permanent("never")

    bench = Bench(handle)
    bench.consumer._routes = {"in": BatchRoute(("in",), parse, handle, is_patient=True)}
    await bench.take(*fetched([b"a"]))
    assert bench.outcomes() == {"dead-lettered": 1}


async def test_a_failing_batch_is_not_taken_apart_while_its_partitions_go() -> None:
    calls = 0

    async def handle(_records: Sequence[Record[str]]) -> Iterable[Parked]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        raise KeyError

    bench = Bench(handle)
    batch = asyncio.create_task(bench.take(*fetched([b"a"] * 100)))
    await asyncio.sleep(0)
    await asyncio.wait_for(bench.consumer.on_revoked([P0]), 1.0)
    await batch
    assert (calls, bench.kafka.commits) == (1, [])


async def test_a_flood_of_poison_does_not_flood_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(Sink().handle, foreign=True)
    await bench.take(*fetched([b"bad"] * 400))
    told = [record for record in caplog.records if "poison" in record.message]
    assert len(told) == 6
    assert told[-1].__dict__["records"] == 395
