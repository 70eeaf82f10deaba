"""The publisher on a fake producer: what each of aiokafka's errors comes to."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from libs.runtime.tests.support import FakeClock
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from yizhan_runtime import Fatal, Misconfigured, Outgoing, Permanent, Publisher, Retryable
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.publisher import to_json
from yizhan_runtime.settings import RuntimeSettings

A, B = Outgoing("a", b"k", b"v"), Outgoing("b", b"k", b"v")
Answer = Callable[[], Any]


class FakeProducer:
    """Answers each send with what the test says: a result, an error, or nothing."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.futures: list[asyncio.Future[Any]] = []
        self.on_send: dict[str, BaseException] = {}
        self.on_ack: dict[str, BaseException | None] = {}

    async def send(self, topic: str, *_args: Any, **_options: Any) -> asyncio.Future[Any]:
        if topic in self.on_send:
            raise self.on_send[topic]
        self.sent.append(topic)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        if topic in self.on_ack:
            error = self.on_ack[topic]
            future.set_result(None) if error is None else future.set_exception(error)
        return future


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.metrics = RuntimeMetrics(CollectorRegistry())
        self.fatal: list[BaseException] = []
        settings = RuntimeSettings(namespace="t.", publish_timeout_s=0.05)
        self.publisher = Publisher(settings, self.metrics, self.clock, self.fatal.append)
        self.producer = FakeProducer()
        self.publisher._producer = self.producer
        self.producer.on_ack = {"t.a": None, "t.b": None}

    def failures(self, error: str) -> float:
        return float(self.metrics.publish_failures.labels(error)._value.get())


async def test_it_returns_when_all_are_acknowledged() -> None:
    bench = Bench()
    await bench.publisher.publish_records([A, B])
    assert bench.producer.sent == ["t.a", "t.b"]
    assert bench.metrics.published.labels("a")._value.get() == 1


async def test_no_acknowledgement_in_time_is_unknown_and_names_the_topic() -> None:
    bench = Bench()
    del bench.producer.on_ack["t.b"]
    with pytest.raises(Retryable, match="in time: a, b"):
        await bench.publisher.publish_records([A, B])
    assert bench.fatal == []
    assert bench.failures("TimeoutError") == 1


@pytest.mark.parametrize("error", [OutOfOrderSequenceNumber(), MessageSizeTooLargeError()])
async def test_a_refusal_by_the_broker_ends_the_process_whoever_published(
    error: Exception,
) -> None:
    bench = Bench()
    bench.producer.on_ack["t.a"] = error
    with pytest.raises(Fatal, match=f"poisoned: {type(error).__name__}"):
        await bench.publisher.publish_records([A])
    assert [type(one) for one in bench.fatal] == [Fatal]


async def test_a_refusal_is_told_at_once_though_another_partition_hangs() -> None:
    bench = Bench()
    del bench.producer.on_ack["t.b"]
    bench.producer.on_ack["t.a"] = OutOfOrderSequenceNumber()
    with pytest.raises(Fatal):
        await bench.publisher.publish_records([B, A])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KafkaTimeoutError(), Retryable),
        (UnknownTopicOrPartitionError(), Retryable),
        (ProducerClosed(), Retryable),
        (MessageSizeTooLargeError(), Permanent),
        (AssertionError("Unrecognized partition"), Misconfigured),
        (OutOfOrderSequenceNumber(), Fatal),
    ],
)
async def test_what_was_not_even_sent(error: Exception, kind: type[Exception]) -> None:
    bench = Bench()
    bench.producer.on_send["t.b"] = error
    with pytest.raises(kind):
        await bench.publisher.publish_records([A, B])
    assert bool(bench.fatal) == (kind in (Fatal, Misconfigured))


async def test_an_error_half_way_leaves_no_future_that_nobody_looks_at() -> None:
    bench = Bench()
    del bench.producer.on_ack["t.a"]
    bench.producer.on_send["t.b"] = KafkaTimeoutError()
    with pytest.raises(Retryable):
        await bench.publisher.publish_records([A, B])
    assert all(future.cancelled() for future in bench.producer.futures)


@pytest.mark.parametrize(
    "record",
    [
        Outgoing("a", b"k", b"v" * 1_000_000),
        Outgoing("a", b"k" * 1_000_000, b"v"),
        Outgoing("a", b"k", b"v", headers=(("h", b"x" * 1_000_000),)),
        Outgoing("a", None, b"v" * 1_000_000),
        Outgoing("x.dlq", b"k", b"v" * 4_300_000),
    ],
)
async def test_what_is_too_large_is_refused_before_anything_is_sent(record: Outgoing) -> None:
    bench = Bench()
    with pytest.raises(Permanent, match="larger than"):
        await bench.publisher.publish_records([A, record])
    assert bench.producer.sent == []


async def test_what_a_dlq_takes_a_topic_need_not() -> None:
    bench = Bench()
    bench.producer.on_ack["t.x.dlq"] = None
    await bench.publisher.publish_records([Outgoing("x.dlq", b"k", b"v" * 4_000_000)])


async def test_it_knows_since_when_nothing_comes_through() -> None:
    bench = Bench()
    bench.producer.on_send["t.a"] = KafkaTimeoutError()
    assert bench.publisher.failing_for_s() == 0
    for _ in range(3):
        bench.clock.passed += 0.05
        with pytest.raises(Retryable):
            await bench.publisher.publish_records([A])
    assert bench.publisher.failing_for_s() == pytest.approx(0.1)
    bench.clock.passed += 60  # nobody tries any more
    assert bench.publisher.failing_for_s() == 0
    await bench.publisher.publish_records([B])
    assert bench.publisher.failing_for_s() == 0


async def test_nothing_to_publish_is_nothing() -> None:
    bench = Bench()
    await bench.publisher.publish_records([])
    assert bench.producer.sent == []


def test_what_json_cannot_hold_can_never_be_published() -> None:
    class Text(BaseModel):
        text: str

    with pytest.raises(Permanent, match="a Text cannot be written"):
        to_json(Text.model_construct(text="\ud800"))  # type: ignore[arg-type]
