"""One FastStream subscriber, with every default of it that loses messages turned off.

What FastStream gives: the consume loop, its supervision, start and stop. What is ours: polling,
parsing, acknowledging, committing: its acks lose messages, its parser loses batches with a null
header (ADR 1).
"""

import logging
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from yizhan_runtime.dealing import ByNumber
from yizhan_runtime.logs import FASTSTREAM_LOGGER, get_logger
from yizhan_runtime.polling import PatientConsumer
from yizhan_runtime.security import broker_security
from yizhan_runtime.settings import RuntimeSettings

log = get_logger(__name__)

Batch = Sequence["ConsumerRecord[Any, Any]"]

SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 500
REBALANCE_TIMEOUT_MS = 60_000
"""Longer than any drain: with aiokafka's default, the session's 10 s, members evict each other."""
MAX_POLL_INTERVAL_MS = 600_000
"""A batch that waits longer for MongoDB or a peer is given up, and read again."""
BATCH_TIMEOUT_MS = 1
"""Waiting is done in PatientConsumer."""
STOP_TIMEOUT_S = 1.0
"""Our consumers drain before the broker stops: FastStream has nothing left to wait for."""


@dataclass(frozen=True)
class Subscription:
    """What is read, as which group, and who is called."""

    topics: Sequence[str]
    group: str
    on_batch: Callable[[AIOKafkaConsumer, Batch], Awaitable[None]]
    on_revoked: Callable[[Collection[TopicPartition]], Awaitable[None]]
    on_assigned: Callable[[Collection[TopicPartition]], Awaitable[None]]
    max_records: int
    max_partition_fetch_bytes: int = 1_048_576
    is_dealt: bool = False
    """Deal the partitions out by number, so that a member has the same part of every lane. Else
    they stick to their members, and one may have all of a topic."""

    @classmethod
    def of(
        cls,
        consumer: "TakesBatches",
        group: str,
        topics: Sequence[str],
        max_records: int,
        max_partition_fetch_bytes: int = 1_048_576,
    ) -> "Subscription":
        """Make the subscription of one of our consumers."""
        return cls(
            topics,
            str(group),
            consumer.on_batch,
            consumer.on_revoked,
            consumer.on_assigned,
            max_records,
            max_partition_fetch_bytes,
        )


class TakesBatches(Protocol):
    """Our side of a consumer."""

    async def on_batch(self, consumer: AIOKafkaConsumer, batch: Batch, /) -> None: ...
    async def on_revoked(self, revoked: Collection[TopicPartition], /) -> None: ...
    async def on_assigned(self, assigned: Collection[TopicPartition], /) -> None: ...


class _Broker(KafkaBroker):
    """A broker whose consumers are patient."""

    fail: Callable[[BaseException], None]

    async def _connect(self) -> Callable[..., AIOKafkaConsumer]:
        builder = await super()._connect()
        options: dict[str, Any] = builder.keywords  # type: ignore[attr-defined]
        patient = partial(PatientConsumer, fail=self.fail, **options)
        self.config.broker_config.builder = patient
        return patient


def make_broker(settings: RuntimeSettings, fail: Callable[[BaseException], None]) -> KafkaBroker:
    """Make a broker that creates no topics, produces nothing and logs nothing per message."""
    broker = _Broker(
        settings.kafka_hosts,
        security=broker_security(settings),
        allow_auto_create_topics=False,
        consumer_only=True,
        graceful_timeout=STOP_TIMEOUT_S,
        logger=logging.getLogger(FASTSTREAM_LOGGER),
        log_level=logging.DEBUG,
    )
    broker.fail = fail
    return broker


def subscribe(broker: KafkaBroker, settings: RuntimeSettings, subscription: Subscription) -> Any:  # noqa: ANN401
    """Register a subscription; the broker's start starts it. Gives FastStream's subscriber."""
    group = settings.namespace + subscription.group
    subscriber = broker.subscriber(
        *(settings.namespace + topic for topic in subscription.topics),
        group_id=group,
        group_instance_id=static_member(settings, subscription),
        batch=True,
        max_records=subscription.max_records,
        batch_timeout_ms=BATCH_TIMEOUT_MS,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        parser=_without_headers,
        decoder=_undecoded,
        listener=_Listener(subscription),
        partition_assignment_strategy=(_assignor(is_dealt=subscription.is_dealt),),
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        max_partition_fetch_bytes=subscription.max_partition_fetch_bytes,
        include_in_schema=False,
    )

    async def on_message(message: KafkaMessage) -> None:
        await subscription.on_batch(message.consumer, message.raw_message)

    subscriber(on_message)
    return subscriber


def static_member(settings: RuntimeSettings, subscription: Subscription) -> str | None:
    """Name a static member by its instance and by what it reads; None for a dynamic one.

    Kafka gives a static member that is back within its session its old partitions, without a
    rebalance, also if it reads more topics than before: those nobody would ever read.
    """
    if not settings.instance:
        return None
    topics = zlib.crc32("\n".join(sorted(subscription.topics)).encode())
    return f"{settings.namespace}{subscription.group}-{settings.instance}-{topics:08x}"


def _assignor(*, is_dealt: bool) -> type[AbstractPartitionAssignor]:
    """Give an assignor of one consumer's own: aiokafka keeps what it remembers in the class.

    Shared, each consumer of a process would tell its group that it has the partitions of another.
    """
    if is_dealt:
        return ByNumber
    return type("_OwnStickyAssignor", (StickyPartitionAssignor,), {})


async def _without_headers(
    records: Batch, original: Callable[[Any], Awaitable[KafkaMessage]]
) -> KafkaMessage:
    """Show FastStream one empty record: over a null header it would lose the whole batch."""
    message = await original((replace(records[0], headers=(), value=b"", key=None),))
    message.raw_message = tuple(records)
    return message


async def _undecoded(_message: KafkaMessage) -> None:
    return None


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hands revocations to the consumer, which drains; heartbeats go on while it does."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if revoked:
            log.info("partitions go", extra={"group": self._subscription.group})
        await self._subscription.on_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        counts = Counter(tp.topic for tp in assigned)
        log.info("partitions came", extra={"group": self._subscription.group, "of": dict(counts)})
        await self._subscription.on_assigned(assigned)
