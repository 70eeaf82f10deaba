"""Publishing: pipelined, idempotent, acknowledged by all replicas, bounded in time."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from yizhan_contracts.events import Event
from yizhan_contracts.topics import MAX_ASIDE_BYTES, RETRY_DELAYS_S, Address, address_of
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Fatal, Permanent, Retryable
from yizhan_runtime.kafka import connection
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.records import Headers
from yizhan_runtime.settings import RuntimeSettings

_LINGER_MS = 2
_ASIDE = (".dlq", *(f".retry.{delay}" for delay in RETRY_DELAYS_S))
_MAX_BYTES = 1_000_000
"""Bounded here, not by the broker: what the broker refuses poisons its partition (kafka notes 6.3)."""
_STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be written as it is. Topic without namespace; a None value is a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Headers = ()


class Publisher:
    """Writes to Kafka. What ``publish`` returns from is kept; what it raises Retryable on may or may not be.

    A refused idempotent batch poisons its partition until the producer is replaced (kafka notes 6.3), so any
    other error of the producer is Fatal: the process ends and comes back with a new one.
    """

    def __init__(self, settings: RuntimeSettings, metrics: RuntimeMetrics, clock: Clock) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None

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
            await producer.start()
        except (KafkaError, OSError) as error:
            await producer.stop()
            raise Retryable(f"Kafka does not take a producer: {type(error).__name__}") from error
        self._producer = producer

    async def stop(self) -> None:
        """Flush and close, bounded: with the broker away, a flush would wait for ever."""
        if self._producer is not None:
            await asyncio.wait_for(self._producer.stop(), _STOP_TIMEOUT_S)
            self._producer = None

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events where the registry puts them, each key in order.

        Raises Retryable (not acknowledged in time: it may have been written, so repeats must do no harm),
        Permanent (one is larger than a record may be) or Fatal.
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
                await self._send_all(records)
        except (TimeoutError, KafkaTimeoutError, ConnectionError) as error:
            self._failed(error)
            raise Retryable("Kafka did not acknowledge in time") from error
        except KafkaError as error:
            self._failed(error)
            raise Fatal(f"the producer is poisoned: {type(error).__name__}") from error
        self._metrics.publish_seconds.observe(self._clock.monotonic() - begun)
        self._count(records)

    async def _send_all(self, records: Sequence[Outgoing]) -> None:
        if self._producer is None:
            raise Fatal("publish before start or after stop")
        prefix, send = self._settings.namespace, self._producer.send
        pending: list[asyncio.Future[Any]] = [
            await send(
                prefix + record.topic,
                record.value,
                record.key,
                record.partition,
                headers=list(record.headers) if record.headers else None,
            )
            for record in records
        ]
        # One error leaves the others to finish: gather would hand over the first and forget the rest.
        outcomes = await asyncio.gather(*pending, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _failed(self, error: BaseException) -> None:
        self._metrics.publish_failures.labels(type(error).__name__).inc()

    def _count(self, records: Sequence[Outgoing]) -> None:
        counts: dict[str, int] = {}
        for record in records:
            counts[record.topic] = counts.get(record.topic, 0) + 1
        for topic, count in counts.items():
            self._metrics.published.labels(topic).inc(count)


def _refuse_oversized(records: Sequence[Outgoing]) -> None:
    for record in records:
        if record.value and len(record.value) > _MAX_BYTES and not record.topic.endswith(_ASIDE):
            raise Permanent(
                f"a record of {len(record.value)} bytes is larger than {record.topic} takes"
            )


def _outgoing(event: Event) -> Outgoing:
    address: Address = address_of(event)
    return Outgoing(address.topic, address.key, to_json(event), address.partition)


def to_json(event: Event) -> bytes:
    """Serialise an event straight to bytes (``model_dump_json`` would make a string first)."""
    return event.__pydantic_serializer__.to_json(event)
