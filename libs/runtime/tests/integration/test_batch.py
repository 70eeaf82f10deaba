"""The batch consumer on real Kafka."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import pytest
from libs.runtime.tests.support import until, with_raw_header_name

from yizhan_contracts.topics import SHIPMENT_UPDATED, VOICE_REQUESTED
from yizhan_runtime import (
    BatchRoute,
    Parked,
    Permanent,
    Poison,
    RawRecord,
    Record,
    Retryable,
    Service,
)

pytestmark = pytest.mark.integration

TOPIC = VOICE_REQUESTED.name
Handle = Callable[[Sequence[Record[str]]], Awaitable[Iterable[Parked]]]


def parse(raw: RawRecord) -> str:
    if raw.value is None:
        raise Poison("tombstone")
    if raw.value.startswith(b"bad"):
        raise Poison("invalid", "not good")
    return raw.value.decode()


class Sink:
    """Remembers what it handled, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.batches: list[int] = []

    async def handle(self, records: Sequence[Record[str]]) -> Iterable[Parked]:
        self.batches.append(len(records))
        self.seen.extend(record.event for record in records)
        return ()

    async def until(self, count: int, within_s: float = 15.0) -> None:
        await until(lambda: len(self.seen) >= count, within_s)


def service_of(
    corner: Any, handle: Handle, topic: str = TOPIC, *, foreign: bool = False, **settings: Any
) -> Service:
    service = Service("voice-fallback", corner.settings(**settings))
    service.consume_batches("voice-fallback", [BatchRoute((topic,), parse, handle, foreign)])
    return service


async def test_everything_is_handled_and_committed_once_per_batch(corner: Any) -> None:
    await corner.send(TOPIC, [b"%d" % i for i in range(2000)])
    sink = Sink()
    service = await corner.start(service_of(corner, sink.handle))
    await sink.until(2000)
    await until(
        lambda: (
            service.metrics.commits.labels("voice-fallback", "done")._value.get()
            == len(sink.batches)
        )
    )
    assert len(sink.seen) == len(set(sink.seen)) == 2000
    assert len(sink.batches) < 40
    assert await corner.committed("voice-fallback", TOPIC) == 2000


async def test_poison_null_headers_and_tombstones_go_to_the_dlq_and_block_nothing(
    corner: Any,
) -> None:
    await corner.send(TOPIC, [b"a", b"bad one", None, b"b"], key=b"k", partition=0)
    await corner.send(TOPIC, [b"c"], partition=0, headers=[("null", None), ("raw", b"\xff\xfe")])
    await corner.send(TOPIC, [b"bad headers"], partition=0, key=b"\xff", headers=[("null", None)])
    sink = Sink()
    service = await corner.start(service_of(corner, sink.handle))
    await sink.until(3)
    await until(lambda: service.metrics.commits.labels("voice-fallback", "done")._value.get() >= 1)
    assert sorted(sink.seen) == ["a", "b", "c"]
    dead = sorted(
        await corner.read("voice-fallback.dlq"), key=lambda r: dict(r.headers)["dlq-origin"]
    )
    assert [record.value for record in dead] == [b"bad one", None, b"bad headers"]
    assert [dict(record.headers)["dlq-reason"] for record in dead] == [
        b"invalid",
        b"tombstone",
        b"invalid",
    ]
    assert [dict(record.headers)["dlq-origin"] for record in dead] == [
        f"{TOPIC}/0/{offset}".encode() for offset in (1, 2, 5)
    ]
    assert (dead[2].key, ("null", None) in dead[2].headers) == (b"\xff", True)


async def test_a_header_name_that_is_not_utf8_blocks_nothing(corner: Any) -> None:
    await corner.send(TOPIC, [b"before"], partition=0)
    await corner.send_batch(TOPIC, with_raw_header_name())
    await corner.send(TOPIC, [b"after"], partition=0)
    await corner.send(TOPIC, [b"%d" % n for n in range(50)])
    sink = Sink()
    await corner.start(service_of(corner, sink.handle))
    await sink.until(54)
    in_order = [event for event in sink.seen if not event.isdigit()]
    assert in_order == ["before", "v0", "v1", "after"]
    assert len(sink.seen) == 54
    [dead] = await corner.read("voice-fallback.dlq")
    assert (dead.value, dict(dead.headers)["dlq-reason"]) == (None, b"tombstone")


async def test_the_largest_record_there_is_fits_into_the_dlq(corner: Any) -> None:
    await corner.send(TOPIC, [b"bad" + b"x" * 1_048_000])
    sink = Sink()
    service = await corner.start(service_of(corner, sink.handle))
    await until(lambda: service.metrics.commits.labels("voice-fallback", "done")._value.get() >= 1)
    [dead] = await corner.read("voice-fallback.dlq")
    assert len(dead.value) == 1_048_003


async def test_a_failing_record_is_tried_alone_parked_and_comes_back(corner: Any) -> None:
    tries: list[tuple[str, int]] = []

    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        for record in records:
            tries.append((record.event, record.raw.attempt))
            if record.event == "odd" and record.raw.attempt == 0:
                raise ZeroDivisionError
        return ()

    await corner.send(TOPIC, [b"1", b"odd", b"2"], partition=0)
    await corner.start(service_of(corner, handle))
    await until(lambda: ("odd", 1) in tries, 20.0)
    assert {("1", 0), ("2", 0)} <= set(tries)
    [parked] = await corner.read("voice-fallback.retry.5s")
    assert dict(parked.headers)["retry-origin"] == f"{TOPIC}/0/1".encode()
    assert parked.value == b"odd"


async def test_what_can_never_be_done_goes_to_the_dlq_at_once(corner: Any) -> None:
    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        if any(record.event == "never" for record in records):
            raise Permanent("cannot be")
        return ()

    await corner.send(TOPIC, [b"1", b"never"], partition=0)
    service = await corner.start(service_of(corner, handle))
    await until(lambda: service.metrics.commits.labels("voice-fallback", "done")._value.get() >= 1)
    [dead] = await corner.read("voice-fallback.dlq")
    assert (dead.value, dict(dead.headers)["dlq-reason"]) == (b"never", b"permanent")


async def test_nothing_is_committed_while_what_it_needs_is_away(corner: Any) -> None:
    away = True
    seen: list[str] = []

    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        if away:
            raise Retryable("away")
        seen.extend(record.event for record in records)
        return ()

    await corner.send(TOPIC, [b"%d" % i for i in range(50)])
    service = await corner.start(service_of(corner, handle))
    await until(lambda: service.metrics.retries_in_place.labels("voice-fallback")._value.get() >= 3)
    assert await corner.committed("voice-fallback", TOPIC) == 0
    away = False
    await until(lambda: len(seen) == 50)


async def test_mostly_poison_stops_the_consumer_of_an_internal_topic(corner: Any) -> None:
    await corner.send(TOPIC, [b"bad %d" % i for i in range(200)])
    sink = Sink()
    service = await corner.start(service_of(corner, sink.handle))
    await until(lambda: service.failure is not None)
    assert await corner.read("voice-fallback.dlq") == []
    assert await corner.committed("voice-fallback", TOPIC) == 0


async def test_mostly_poison_on_a_foreign_topic_is_set_aside(corner: Any) -> None:
    await corner.send(SHIPMENT_UPDATED.name, [b"bad %d" % i for i in range(200)])
    sink = Sink()
    service = await corner.start(
        service_of(corner, sink.handle, SHIPMENT_UPDATED.name, foreign=True)
    )
    await until(lambda: service.metrics.commits.labels("voice-fallback", "done")._value.get() >= 1)
    await asyncio.sleep(0.5)
    assert len(await corner.read("voice-fallback.dlq")) == 200
    assert service.failure is None


async def test_a_rebalance_under_load_loses_nothing_and_repeats_nothing(corner: Any) -> None:
    seen: list[str] = []

    async def slow(records: Sequence[Record[str]]) -> Iterable[Parked]:
        await asyncio.sleep(0.4)
        seen.extend(record.event for record in records)
        return ()

    first = Service("voice-fallback", corner.settings())
    first.consume_batches("voice-fallback", [BatchRoute((TOPIC,), parse, slow)], max_records=100)
    await corner.start(first)
    await corner.send(TOPIC, [b"%d" % i for i in range(2000)])
    await until(lambda: len(seen) > 100)
    second = Service("voice-fallback", corner.settings())
    second.consume_batches("voice-fallback", [BatchRoute((TOPIC,), parse, slow)], max_records=100)
    await corner.start(second)
    await until(lambda: len(set(seen)) == 2000, 30.0)
    assert len(seen) == 2000
    assert second.metrics.consumed.labels("voice-fallback", TOPIC)._value.get() > 0


async def test_a_stop_lets_the_batch_in_hand_end(corner: Any) -> None:
    seen: list[str] = []

    async def slow(records: Sequence[Record[str]]) -> Iterable[Parked]:
        await asyncio.sleep(0.5)
        seen.extend(record.event for record in records)
        return ()

    await corner.send(TOPIC, [b"%d" % i for i in range(10)], partition=0)
    service = service_of(corner, slow)
    await service.start()
    await asyncio.sleep(0.2)
    await service.stop()
    assert len(seen) == await corner.committed("voice-fallback", TOPIC)


@pytest.mark.slow
async def test_a_batch_that_waits_longer_than_kafka_allows_is_given_up_and_read_again(
    corner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yizhan_runtime.subscription.MAX_POLL_INTERVAL_MS", 3_000)
    away = True
    seen: list[str] = []

    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        if away:
            raise Retryable("away")
        seen.extend(record.event for record in records)
        return ()

    await corner.send(TOPIC, [b"%d" % i for i in range(50)])
    service = await corner.start(service_of(corner, handle))
    rebalances = service.metrics.rebalances.labels("voice-fallback")._value
    await until(lambda: rebalances.get() >= 2, 30.0)
    away = False
    await until(lambda: len(set(seen)) == 50, 20.0)
    assert service.failure is None
    await asyncio.sleep(0.5)
    assert await corner.committed("voice-fallback", TOPIC) == 50
