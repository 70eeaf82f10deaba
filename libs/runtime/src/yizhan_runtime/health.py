"""Liveness by progress, readiness by what a service stands on (kafka notes 3.6 and 6.7).

A ping says nothing about consumers: a member whose coordinator died answers it for ever and consumes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from yizhan_runtime.clock import Clock
from yizhan_runtime.metrics import RuntimeMetrics

STALE_S = 30.0


@dataclass
class ConsumerHealth:
    """What one look at a consumer says."""

    ready: bool = False
    stuck: str = ""
    detail: str = ""


@dataclass
class _Seen:
    position: int
    since: float


@dataclass
class ConsumerProbe:
    """Judges one subscription by its fetches and positions.

    All partitions old: Kafka is away (alive, not ready). Some with lag and a frozen position: stuck (dead).
    """

    group: str
    namespace: str
    clock: Clock
    metrics: RuntimeMetrics
    subscriber: Any
    busy_since: Callable[[], float | None]
    held: Callable[[], set[TopicPartition]] = field(default=lambda: set())
    stuck_after_s: float = 180.0
    _seen: dict[TopicPartition, _Seen] = field(default_factory=dict)

    async def look(self) -> ConsumerHealth:
        consumer: AIOKafkaConsumer | None = self.subscriber.consumer
        if consumer is None:
            return ConsumerHealth(detail="not started")
        assignment = consumer.assignment()
        if not assignment:
            return ConsumerHealth(detail="no partitions assigned")
        busy = self.busy_since()
        now = self.clock.monotonic()
        if busy is not None and now - busy > self.stuck_after_s * 2:
            return ConsumerHealth(stuck=f"{self.group}: a batch is in hand for {now - busy:.0f} s")
        ages, frozen = await self._measure(consumer, assignment, now)
        self.metrics.fetch_age.labels(self.group).set(max(ages, default=0.0))
        if (
            busy is None
            and frozen
            and now - min(self._seen[tp].since for tp in frozen) > self.stuck_after_s
        ):
            if not ages or min(ages) < STALE_S:
                return ConsumerHealth(
                    stuck=f"{self.group}: {len(frozen)} partitions have records and do not move"
                )
        if ages and min(ages) > STALE_S and busy is None:
            return ConsumerHealth(detail="Kafka does not answer fetches")
        return ConsumerHealth(ready=True)

    async def _measure(
        self, consumer: AIOKafkaConsumer, assignment: frozenset[TopicPartition], now: float
    ) -> tuple[list[float], list[TopicPartition]]:
        """Give the ages of the last fetches, and the partitions that have records and stand still."""
        wall_ms = self.clock.now().timestamp() * 1000
        held = self.held()
        ages, frozen = [], []
        lags: dict[str, int] = {}
        for tp in assignment:
            polled, high = consumer.last_poll_timestamp(tp), consumer.highwater(tp)
            if polled is None or high is None:
                continue
            ages.append(max(wall_ms - polled, 0.0) / 1000)
            position = await consumer.position(tp)
            lags[tp.topic] = lags.get(tp.topic, 0) + max(high - position, 0)
            seen = self._seen.get(tp)
            if seen is None or seen.position != position or tp in held:
                self._seen[tp] = _Seen(position, now)
            elif high > position:
                frozen.append(tp)
            else:
                seen.since = now
        for topic, lag in lags.items():
            self.metrics.lag.labels(self.group, topic.removeprefix(self.namespace)).set(lag)
        return ages, frozen
