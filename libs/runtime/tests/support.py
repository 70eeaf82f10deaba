"""What the suites of the runtime share: polling, a clock that is turned, Kafka's side in memory."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition, codec
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from prometheus_client import CollectorRegistry

from yizhan_runtime import RuntimeSettings
from yizhan_runtime.aside import SetAside
from yizhan_runtime.consuming import ConsumerContext
from yizhan_runtime.errors import Retryable
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.publisher import Outgoing

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


async def until(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def until_async(condition: Callable[[], Awaitable[bool]], within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.1)


class FakeClock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds
        await asyncio.sleep(0)


class FakePublisher:
    """Keeps what is published; ``away`` makes it fail so many times."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.away = 0

    async def publish_records(self, records: Sequence[Outgoing]) -> None:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise Retryable("away")
        self.records.extend(records)

    def on(self, topic: str) -> list[Outgoing]:
        return [record for record in self.records if record.topic == topic]


class FakeConsumer:
    """Kafka's side of a consumer: its assignment, its commits, what is paused."""

    def __init__(self, *tps: TopicPartition) -> None:
        self.tps = frozenset(tps)
        self.commits: list[dict[TopicPartition, int]] = []
        self.paused_tps: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}
        self.highs: dict[TopicPartition, int | None] = {}
        self.polled_ms: dict[TopicPartition, int | None] = {}

    def assignment(self) -> frozenset[TopicPartition]:
        return self.tps

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await asyncio.sleep(0)
        self.commits.append(dict(offsets))

    @property
    def committed(self) -> dict[TopicPartition, int]:
        return {tp: offset for commit in self.commits for tp, offset in commit.items()}

    def pause(self, *tps: TopicPartition) -> None:
        self.paused_tps.update(tps)

    def resume(self, *tps: TopicPartition) -> None:
        self.paused_tps.difference_update(tps)

    def paused(self) -> set[TopicPartition]:
        return set(self.paused_tps)

    async def position(self, tp: TopicPartition) -> int:
        return self.positions[tp]

    def highwater(self, tp: TopicPartition) -> int | None:
        return self.highs.get(tp)

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return self.polled_ms.get(tp)


class Surroundings:
    """A consumer context on fakes."""

    def __init__(self, group: str = "voice-fallback", **settings: Any) -> None:
        self.clock = FakeClock()
        self.publisher = FakePublisher()
        self.metrics = RuntimeMetrics(CollectorRegistry())
        self.failures: list[BaseException] = []
        aside = SetAside("voice-fallback", self.publisher, self.clock)  # type: ignore[arg-type]
        self.settings = RuntimeSettings(namespace="t.", **{"drain_timeout_s": 2.0, **settings})
        self.context = ConsumerContext(group, self.settings, self.clock, self.metrics, aside)

    def fail(self, error: BaseException) -> None:
        self.failures.append(error)


def fetched(
    values: Iterable[bytes | None],
    *,
    topic: str = "t.in",
    partition: int = 0,
    first: int = 0,
    key: bytes | None = b"k",
    headers: tuple[tuple[str, bytes | None], ...] = (),
) -> tuple["ConsumerRecord[Any, Any]", ...]:
    """Records as aiokafka gives them, one after the other in a partition."""
    return tuple(
        ConsumerRecord(
            topic, partition, first + at, START_MS, 0, key, value, None, 0, 0, tuple(headers)
        )
        for at, value in enumerate(values)
    )


def refetched(
    records: Iterable[Outgoing], topic: str, first: int = 0
) -> tuple["ConsumerRecord[Any, Any]", ...]:
    """What was written to a topic, as it is read from it."""
    return tuple(
        ConsumerRecord(
            topic, 0, first + at, START_MS, 0, one.key, one.value, None, 0, 0, tuple(one.headers)
        )
        for at, one in enumerate(records)
    )


def with_raw_header_name(compression: int = 0, name: bytes = b"\xff\xfe\xff\xfe") -> bytes:
    """Three records in a batch, the second with a header of that name (four bytes)."""
    placeholder = b"NAME"

    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 100_000)
    builder.append(0, START_MS, b"k", b"v0", [])
    builder.append(1, START_MS, b"k", b"v1", [(placeholder.decode(), b"x"), ("null", None)])
    builder.append(2, START_MS, b"k", None, [])
    batch = bytearray(builder.build())
    at = batch.index(placeholder)
    batch[at : at + 4] = name
    return _sealed(batch, compression)


_HEADER_BYTES = 61
_CODECS = {1: "gzip_encode", 4: "zstd_encode"}


def _sealed(batch: bytearray, compression: int) -> bytes:
    """Compress a batch's records, and set its length, its kind and its checksum right."""
    body = bytes(batch[_HEADER_BYTES:])
    if compression:
        body = bytes(getattr(codec, _CODECS[compression])(body))
    sealed = batch[:_HEADER_BYTES] + body
    struct.pack_into(">i", sealed, 8, len(sealed) - 12)
    struct.pack_into(">h", sealed, 21, compression)
    struct.pack_into(">I", sealed, 17, calc_crc32c(bytes(sealed[21:])))
    return bytes(sealed)
