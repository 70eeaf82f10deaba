"""Publishing: pipelined, idempotent, acknowledged by all replicas, bounded in time."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from pydantic_core import PydanticSerializationError

from yizhan_contracts.events import Event
from yizhan_contracts.topics import MAX_ASIDE_BYTES, RETRY_DELAYS_S, Address, address_of
from yizhan_runtime.bounded import bounded
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Fatal, Misconfigured, Permanent, Retryable, YizhanError
from yizhan_runtime.kafka import connection
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.records import Headers
from yizhan_runtime.settings import RuntimeSettings

MAX_RECORD_BYTES = 1_000_000
"""Bounded here: what the broker refuses poisons its partition (ADR 5)."""
MAX_ASIDE_RECORD_BYTES = MAX_ASIDE_BYTES - 64 * 1024
"""The same for retry topics and DLQs."""

_LINGER_MS = 2
_ASIDE = (".dlq", *(f".retry.{delay}" for delay in RETRY_DELAYS_S))
_STOP_TIMEOUT_S = 5.0
_WORTH_A_BATCH = 8
"""From so many records for one partition on, the batch is made here: that takes 0.6 of what the
producer takes, with its coroutine and future a record. Fewer are better put together with what
others publish at the same time."""
_OVERHEAD = 16
"""Lengths, and what a header's varints take."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be written as it is. Topic without namespace; a None value is a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Headers = ()


class Publisher:
    """Writes to Kafka. What ``publish`` returns from is kept; Retryable says: it may or may not be.

    A refused idempotent batch poisons its partition until the producer is replaced (ADR 5). So an
    acknowledgement that says anything but yes is Fatal: ``on_fatal`` ends the process, whoever the
    caller is, and it comes back with a new producer.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        metrics: RuntimeMetrics,
        clock: Clock,
        on_fatal: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._on_fatal = on_fatal or (lambda _error: None)
        self._producer: AIOKafkaProducer | None = None
        self._failing_since: float | None = None
        self._failed_at = 0.0

    async def start(self) -> None:
        """Connect. Raises Retryable while Kafka is away."""
        producer = AIOKafkaProducer(
            **connection(self._settings),
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            linger_ms=_LINGER_MS,
            max_batch_size=131_072,
            max_request_size=MAX_ASIDE_BYTES - 1024,
        )
        try:
            # Unbounded by itself: it asks for a producer id until one is given.
            async with asyncio.timeout(self._settings.start_timeout_s):
                await producer.start()
        except (KafkaError, OSError) as error:
            raise Retryable(f"Kafka does not take a producer: {type(error).__name__}") from error
        else:
            self._producer, producer = producer, None
        finally:
            if producer is not None:
                await bounded("producer", producer.stop(), _STOP_TIMEOUT_S)

    async def stop(self) -> None:
        """Flush and close, bounded: with the broker away, a flush would wait for ever."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await bounded("producer", producer.stop(), _STOP_TIMEOUT_S)

    def failing_for_s(self) -> float:
        """Give how long no publish has come through, 0 when the last one did or none is tried."""
        now = self._clock.monotonic()
        still_tried = now - self._failed_at < 2 * self._settings.publish_timeout_s
        return now - self._failing_since if self._failing_since is not None and still_tried else 0.0

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events where the registry puts them, each key in order.

        Raises Retryable (not acknowledged in time: it may have been written, so repeats must do no
        harm), Permanent (one is larger than a record may be; nothing was sent) or Fatal.
        """
        await self.publish_records([_outgoing(event) for event in events])

    async def publish_tombstones(self, topic: str, keys: Iterable[str], partition: int = 0) -> None:
        """Take keys out of a compacted topic."""
        await self.publish_records([Outgoing(topic, key.encode(), None, partition) for key in keys])

    async def publish_records(self, records: Sequence[Outgoing]) -> None:
        """Publish bytes as they are. Raises as ``publish`` does."""
        if not records:
            return
        _refuse_oversized(records)
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._settings.publish_timeout_s):
                await self._acknowledged(await self._sent(records))
        except (Retryable, TimeoutError) as error:
            self._failed(error, begun)
            raise Retryable(
                f"Kafka did not acknowledge in time: {', '.join(_topics(records))}"
            ) from error
        except (Fatal, Misconfigured) as error:
            self._failed(error, begun)
            self._on_fatal(error)
            raise
        self._failing_since = None
        self._metrics.publish_seconds.observe(self._clock.monotonic() - begun)
        self._count(records)

    async def _sent(self, records: Sequence[Outgoing]) -> list[asyncio.Future[Any]]:
        """Hand all to the producer. An error here says that some record was not sent."""
        if self._producer is None:
            raise Retryable("publish before start or after stop")
        pending: list[asyncio.Future[Any]] = []
        group: Sequence[Outgoing] = records
        try:
            for group in _by_partition(records).values():
                await self._send_group(self._producer, group, pending)
        except (KafkaError, AssertionError) as error:
            _forget(pending)
            raise _not_sent(error, group[0]) from error
        except asyncio.CancelledError:
            _forget(pending)
            raise
        return pending

    async def _send_group(
        self,
        producer: AIOKafkaProducer,
        group: Sequence[Outgoing],
        pending: list[asyncio.Future[Any]],
    ) -> None:
        """Send what goes to one partition, in order."""
        topic, partition = self._settings.namespace + group[0].topic, group[0].partition
        if partition is None or len(group) < _WORTH_A_BATCH:
            for record in group:
                headers = list(record.headers) or None
                pending.append(
                    await producer.send(topic, record.value, record.key, partition, headers=headers)
                )
            return
        batch = producer.create_batch()
        for record in group:
            if not _append(batch, record):
                pending.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                _append(batch, record)
        batch.close()
        pending.append(await producer.send_batch(batch, topic, partition=partition))

    async def _acknowledged(self, pending: Sequence[asyncio.Future[Any]]) -> None:
        try:
            await asyncio.gather(*pending)
        except KafkaError as error:
            raise Fatal(f"the producer is poisoned: {type(error).__name__}") from error

    def _failed(self, error: BaseException, begun: float) -> None:
        if self._failing_since is None:
            self._failing_since = begun
        self._failed_at = self._clock.monotonic()
        cause = error.__cause__ if isinstance(error, YizhanError) else error
        self._metrics.publish_failures.labels(type(cause or error).__name__).inc()

    def _count(self, records: Sequence[Outgoing]) -> None:
        counts: dict[str, int] = {}
        for record in records:
            counts[record.topic] = counts.get(record.topic, 0) + 1
        for topic, count in counts.items():
            self._metrics.published.labels(topic).inc(count)


def _by_partition(
    records: Sequence[Outgoing],
) -> dict[tuple[str, int | None], list[Outgoing]]:
    groups: dict[tuple[str, int | None], list[Outgoing]] = {}
    for record in records:
        place = (record.topic, record.partition)
        if (group := groups.get(place)) is None:
            groups[place] = [record]
        else:
            group.append(record)
    return groups


def _append(batch: BatchBuilder, record: Outgoing) -> bool:
    """Add a record, unless the batch is full; the first one always has room."""
    headers = list(record.headers)
    added = batch.append(timestamp=None, key=record.key, value=record.value, headers=headers)
    return added is not None


def _forget(pending: Sequence[asyncio.Future[Any]]) -> None:
    """Wait for none of them: they are sent all the same."""
    for future in pending:
        future.cancel()


def _not_sent(error: Exception, record: Outgoing) -> YizhanError:
    """Translate what ``send`` raises; aiokafka checks partitions by assertion."""
    if isinstance(error, KafkaTimeoutError | UnknownTopicOrPartitionError | ProducerClosed):
        return Retryable(f"{record.topic} takes nothing: {type(error).__name__}")
    if isinstance(error, MessageSizeTooLargeError):
        return Permanent(f"a record is larger than {record.topic} takes")
    if isinstance(error, AssertionError):
        return Misconfigured(
            f"{record.topic} has no partition {record.partition}: it was not made by "
            "`yizhan topics apply`, or by another version of it"
        )
    return Fatal(f"the producer is broken: {type(error).__name__}")


def size_of(record: Outgoing) -> int:
    """Give what a record takes at most."""
    size = len(record.value or b"") + len(record.key or b"") + 2 * _OVERHEAD
    for name, value in record.headers:
        size += len(name) * 4 + len(value or b"") + _OVERHEAD  # four bytes a character at most
    return size


def _refuse_oversized(records: Sequence[Outgoing]) -> None:
    for record in records:
        value, key = record.value, record.key
        # Nearly all are far smaller: the exact sum is for those that may not be.
        if value and key and len(value) + len(key) < MAX_RECORD_BYTES // 2 and not record.headers:
            continue
        is_aside = record.topic.endswith(_ASIDE)
        if size_of(record) > (MAX_ASIDE_RECORD_BYTES if is_aside else MAX_RECORD_BYTES):
            raise Permanent(
                f"a record of {size_of(record)} bytes is larger than {record.topic} takes"
            )


def _topics(records: Sequence[Outgoing]) -> list[str]:
    return sorted({record.topic for record in records})[:3]


def _outgoing(event: Event) -> Outgoing:
    address: Address = address_of(event)
    return Outgoing(address.topic, address.key, to_json(event), address.partition)


def to_json(event: Event) -> bytes:
    """Serialise an event straight to bytes (``model_dump_json`` would make a string first).

    Raises Permanent where JSON cannot hold it (half of a character).
    """
    try:
        return event.__pydantic_serializer__.to_json(event)
    except PydanticSerializationError as error:
        raise Permanent(f"a {type(event).__name__} cannot be written as JSON") from error
