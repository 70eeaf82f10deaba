"""The sliding window on fakes: watermark, back-pressure, drains, doubles."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError
from libs.runtime.tests.support import FakeConsumer, Surroundings, fetched, until

from yizhan_runtime import Fatal, OpenRecord, Poison, RawRecord, WindowRoute
from yizhan_runtime.window import WindowConsumer

P0, P1 = TopicPartition("t.in", 0), TopicPartition("t.in", 1)


def parse(raw: RawRecord) -> str:
    if raw.value is None or raw.value.startswith(b"bad"):
        raise Poison("invalid")
    return raw.value.decode()


class Bench:
    """A window, its service, and who calls it."""

    def __init__(self, *, foreign: bool = False, **options: Any) -> None:
        self.around = Surroundings(drain_timeout_s=2.0)
        self.kafka = FakeConsumer(P0, P1)
        self.open: dict[str, OpenRecord[str]] = {}
        self.seen: list[str] = []
        self.forgotten: list[str] = []
        self.window = WindowConsumer(
            self.around.context,
            [WindowRoute(("in",), parse, foreign)],
            self.intake,
            self.around.fail,
            on_revoked=lambda records: self.forgotten.extend(r.record.event for r in records),
            **options,
        )

    def intake(self, records: Sequence[OpenRecord[str]]) -> None:
        for one in records:
            self.open[one.record.event] = one
            self.seen.append(one.record.event)

    async def take(self, *records: Any) -> None:
        await self.window.on_batch(self.kafka, records)

    def finish(self, *events: str) -> None:
        for event in events:
            self.open.pop(event).finish()

    async def commit(self) -> dict[TopicPartition, int]:
        await self.window._commit(list(self.window._partitions.values()))
        return self.kafka.committed


async def test_the_watermark_stands_at_the_first_open_record() -> None:
    bench = Bench()
    await bench.take(*fetched([b"%d" % n for n in range(5)], first=10))
    bench.finish("0", "1", "3", "4")
    assert await bench.commit() == {P0: 12}
    bench.finish("2")
    assert await bench.commit() == {P0: 15}


async def test_nothing_is_committed_that_has_not_moved() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a", b"b"]))
    await bench.commit()
    assert bench.kafka.commits == []
    bench.finish("a")
    await bench.commit()
    await bench.commit()
    assert len(bench.kafka.commits) == 1


async def test_a_record_ends_once() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a", b"b"]))
    first = bench.open["a"]
    first.finish()
    first.finish()
    first.park("late")
    first.abandon()
    assert await bench.commit() == {P0: 1}
    assert bench.around.publisher.records == []


async def test_a_parked_record_is_open_until_it_is_durable() -> None:
    bench = Bench()
    bench.around.publisher.away = 2
    await bench.take(*fetched([b"a", b"b"]))
    bench.open["a"].park("later")
    bench.finish("b")
    assert await bench.commit() == {}
    await until(lambda: bench.window.open_count == 0)
    assert await bench.commit() == {P0: 2}
    [parked] = bench.around.publisher.on("voice-fallback.retry.5s")
    assert dict(parked.headers)["retry-group"] == b"voice-fallback"


async def test_many_parked_at_once_are_few_publishes() -> None:
    bench = Bench()
    calls = 0
    put = bench.around.context.aside.put

    async def counted(asides: Any) -> None:
        nonlocal calls
        calls += 1
        await put(asides)

    bench.around.context.aside.put = counted  # type: ignore[method-assign]
    await bench.take(*fetched([b"%d" % n for n in range(300)]))
    for one in list(bench.open.values()):
        one.park("hold", counts=False)
    await until(lambda: bench.window.open_count == 0)
    assert calls < 5
    assert len(bench.around.publisher.records) == 300


async def test_a_record_that_has_had_its_tries_goes_to_the_dlq() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a", b"b"]))
    for name in ("a", "b"):
        bench.open[name].record.raw.attempt = 99
    bench.open["a"].park("failing again")
    bench.open["b"].park("waiting", counts=False)
    await until(lambda: bench.window.open_count == 0)
    assert [one.value for one in bench.around.publisher.on("voice-fallback.dlq")] == [b"a"]
    assert [one.value for one in bench.around.publisher.on("voice-fallback.retry.5s")] == [b"b"]


async def test_poison_ends_by_itself_and_holds_up_the_watermark_until_it_is_durable() -> None:
    bench = Bench()
    bench.around.publisher.away = 1
    await bench.take(*fetched([b"bad", None, b"a"]))
    bench.finish("a")
    assert await bench.commit() == {}
    await until(lambda: bench.window.open_count == 0)
    assert await bench.commit() == {P0: 3}


async def test_mostly_poison_is_not_set_aside_and_nothing_of_it_is_committed() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a"] * 20 + [b"bad"] * 60))
    assert isinstance(bench.around.failures[0], Fatal)
    assert bench.seen == []
    await asyncio.wait_for(bench.window.stop(), 1.0)
    assert (bench.kafka.commits, bench.around.publisher.records) == ([], [])


async def test_poison_on_a_foreign_topic_stops_nothing() -> None:
    bench = Bench(foreign=True)
    await bench.take(*fetched([b"bad"] * 60))
    await until(lambda: bench.window.open_count == 0)
    assert (bench.around.failures, len(bench.around.publisher.records)) == ([], 60)


async def test_a_full_partition_is_paused_until_half_of_it_has_ended() -> None:
    bench = Bench(look_ahead=10)
    await bench.take(*fetched([b"p%d" % n for n in range(10)]))
    await bench.take(*fetched([b"q"], partition=1))
    assert bench.kafka.paused_tps == {P0}
    bench.finish(*(f"p{n}" for n in range(4)))
    assert bench.kafka.paused_tps == {P0}
    bench.finish("p4")
    assert bench.kafka.paused_tps == set()


async def test_one_slow_record_lets_the_rest_go_on_only_so_far() -> None:
    bench = Bench(look_ahead=1000, max_span=20)
    await bench.take(*fetched([b"slow", *(b"%d" % n for n in range(19))]))
    bench.finish(*(str(n) for n in range(19)))
    assert bench.kafka.paused_tps == {P0}
    bench.finish("slow")
    assert bench.kafka.paused_tps == set()


async def test_a_revoke_waits_for_what_is_begun_and_commits_it() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a", b"b"]), *fetched([b"other"], partition=1))
    revoke = asyncio.create_task(bench.window.on_revoked({P0}))
    await asyncio.sleep(0)
    assert bench.forgotten == ["a", "b"]
    assert [bench.open[name].is_revoked for name in ("a", "b", "other")] == [True, True, False]
    bench.open["b"].abandon()
    bench.finish("a")
    await revoke
    assert bench.kafka.committed == {P0: 1}
    assert set(bench.window._partitions) == {P1}


async def test_a_drain_is_bounded() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a"]))
    await bench.window.on_revoked({P0})
    assert bench.around.clock.passed >= 2.0
    bench.finish("a")
    assert await bench.commit() == {}


async def test_what_arrives_in_a_drain_is_not_begun() -> None:
    bench = Bench()
    await bench.window.on_revoked({P0})
    await bench.take(*fetched([b"a"]))
    assert bench.seen == []
    await bench.window.on_assigned({P0})
    await bench.take(*fetched([b"a"]))
    assert bench.seen == ["a"]


async def test_a_double_of_a_record_from_before_a_rebalance_does_not_end_it() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a"]))
    old = bench.open["a"]
    await bench.window.on_revoked({P0})  # outlived the drain
    await bench.window.on_assigned({P0})
    await bench.take(*fetched([b"a"]))
    old.finish()
    assert await bench.commit() == {}
    bench.finish("a")
    assert await bench.commit() == {P0: 1}


async def test_abandoned_without_being_revoked_a_record_is_parked_not_lost() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a", b"b"]))
    bench.open["a"].abandon()
    bench.finish("b")
    await until(lambda: bench.window.open_count == 0)
    assert await bench.commit() == {P0: 2}
    assert [one.value for one in bench.around.publisher.on("voice-fallback.retry.5s")] == [b"a"]


async def test_a_commit_under_way_does_not_outlast_a_revoke() -> None:
    bench = Bench()
    release = asyncio.Event()
    plain = bench.kafka.commit

    async def slow(offsets: dict[TopicPartition, int]) -> None:
        await release.wait()
        await plain(offsets)

    bench.kafka.commit = slow  # type: ignore[method-assign]
    await bench.take(*fetched([b"a", b"b"]))
    bench.finish("a")
    committing = asyncio.create_task(bench.window.commit_forever())
    await asyncio.sleep(0.01)
    bench.finish("b")
    revoke = asyncio.create_task(bench.window.on_revoked({P0}))
    await asyncio.sleep(0.05)
    assert not revoke.done()
    release.set()
    await revoke
    assert bench.kafka.commits == [{P0: 1}, {P0: 2}]
    assert not committing.done()
    committing.cancel()


async def test_a_commit_that_is_not_answered_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("yizhan_runtime.consuming.COMMIT_TIMEOUT_S", 0.01)
    bench = Bench()
    plain, tries = bench.kafka.commit, 0

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            await asyncio.sleep(60)
        await plain(offsets)

    bench.kafka.commit = commit  # type: ignore[method-assign]
    await bench.take(*fetched([b"a"]))
    committing = asyncio.create_task(bench.window.commit_forever())
    bench.finish("a")
    await until(lambda: bench.kafka.committed == {P0: 1})
    assert bench.window.trouble == ""
    committing.cancel()


async def test_a_commit_that_is_refused_waits_for_the_next_move() -> None:
    bench = Bench()
    tries = 0

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        nonlocal tries
        tries += 1
        raise CommitFailedError

    bench.kafka.commit = commit  # type: ignore[method-assign]
    await bench.take(*fetched([b"a", b"b"]))
    committing = asyncio.create_task(bench.window.commit_forever())
    bench.finish("a")
    await asyncio.sleep(0.05)
    assert tries == 1
    bench.finish("b")
    await until(lambda: tries == 2)
    committing.cancel()


async def test_the_oldest_open_record_has_an_age() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a", b"b"]))
    await bench.around.clock.sleep(10)
    await bench.take(*fetched([b"c"], first=2))
    assert bench.window.oldest_open_s() == 10
    bench.finish("a", "b")
    assert bench.window.oldest_open_s() == 0
    bench.finish("c")
    assert bench.window.oldest_open_s() == 0


async def test_an_intake_that_fails_ends_the_process() -> None:
    bench = Bench()

    def broken(_records: Any) -> None:
        raise KeyError("bug")

    bench.window.intake = broken
    await bench.take(*fetched([b"a"]))
    assert isinstance(bench.around.failures[0], KeyError)


async def test_what_is_held_is_what_stands_still_on_purpose() -> None:
    bench = Bench()
    await bench.take(*fetched([b"a"]), *fetched([b"b"], partition=1))
    bench.finish("b")
    assert set(bench.window.held()) == {P0}


async def test_what_it_remembers_of_batches_is_bounded_by_what_is_open() -> None:
    bench = Bench()
    for n in range(200):
        await bench.take(*fetched([b"%d" % n], first=n))
        bench.finish(str(n))
    assert len(bench.window._partitions[P0]._begun) <= 2
