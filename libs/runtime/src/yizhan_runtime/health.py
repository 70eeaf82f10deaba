"""Liveness by progress, readiness by what a service stands on.

A ping says nothing about consumers: a member whose coordinator died answers it for ever and
consumes nothing. So a consumer is looked at from outside (``ConsumerProbe``) and judged:

- all its fetches old, Kafka away: alive, not ready; it will go on by itself
- all its fetches old, Kafka there: it will not; the process ends
- records there, and a position that does not move: the same
- no partitions, because there are more members than partitions: ready
- a static member that is assigned its partitions again and again: a second process has the same
  instance id, and each throws the other out, twice a second. One of the two ends
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalStateError, KafkaError

from yizhan_runtime.clock import Clock
from yizhan_runtime.consuming import Membership
from yizhan_runtime.errors import Misconfigured
from yizhan_runtime.kafka import connection
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.settings import RuntimeSettings

STALE_S = 30.0
"""A healthy consumer's fetches are answered twice a second, records or none."""

BACK_FOR_S = 30.0
"""For how long Kafka must have answered before a consumer that gets nothing is called dead: it
needs a second to find a Kafka that has come back."""

FLAPS_WITHIN_S = 60.0
FEWEST_FLAPS, MOST_FLAPS = 15, 40
"""Each process draws its limit from these, so that not both end."""

_ASK_TIMEOUT_S = 5.0
_POSITION_TIMEOUT_S = 1.0
_FROZEN_OURSELVES_S = 15.0


@dataclass(frozen=True)
class Health:
    """What one look says: ``problem`` makes the service not ready, ``stuck`` ends it."""

    problem: str = ""
    stuck: str = ""

    @property
    def is_ready(self) -> bool:
        return not self.problem and not self.stuck


READY = Health()


@dataclass(frozen=True)
class Sight:
    """A consumer as seen from outside, in seconds."""

    is_member: bool
    changed_for: float
    """Since it got its share of the partitions, or lost it."""
    busy_for: float | None = None
    """Since the try in hand began; None between batches."""
    trouble: str = ""
    fetch_ages: tuple[float, ...] = ()
    """Of the partitions that are fetched: not those that are paused."""
    is_flapping: bool = False
    frozen_for: float = 0.0
    """How long the position of a partition with records has not moved, at the longest."""


def needs_kafka(sight: Sight) -> bool:
    """Tell whether the judgement depends on whether Kafka answers others."""
    return not sight.is_member or bool(sight.fetch_ages and min(sight.fetch_ages) > STALE_S)


def judge(sight: Sight, stuck_after_s: float, kafka_back_for_s: float) -> Health:
    """Decide. ``kafka_back_for_s`` is how long Kafka has answered without a break, 0 when away."""
    is_there = kafka_back_for_s > BACK_FOR_S
    if sight.is_flapping:
        return Health(stuck="another process has the same YIZHAN_INSTANCE, or had it until now")
    if not sight.is_member:
        return _judge_outsider(sight, stuck_after_s, is_there=is_there)
    if sight.busy_for is not None:
        is_stuck = sight.busy_for > stuck_after_s
        why = f"one try of a batch takes {sight.busy_for:.0f} s"
        return Health(stuck=why) if is_stuck else Health(problem=sight.trouble)
    if min(sight.fetch_ages, default=0.0) > STALE_S:
        return _judge_unfed(min(sight.fetch_ages), stuck_after_s, is_there=is_there)
    if sight.frozen_for > stuck_after_s:
        return Health(stuck=f"there are records, and none was taken for {sight.frozen_for:.0f} s")
    return Health(problem=sight.trouble)


def _judge_unfed(youngest_s: float, stuck_after_s: float, *, is_there: bool) -> Health:
    if is_there and youngest_s > stuck_after_s:
        return Health(stuck=f"Kafka answers, but no fetch for {youngest_s:.0f} s")
    return Health(problem="Kafka does not answer fetches")


def _judge_outsider(sight: Sight, stuck_after_s: float, *, is_there: bool) -> Health:
    if is_there and sight.changed_for > stuck_after_s:
        return Health(stuck=f"Kafka answers, but no assignment for {sight.changed_for:.0f} s")
    return Health(problem="waiting for an assignment of partitions")


def flap_limit(settings: RuntimeSettings) -> int | None:
    """Draw how many assignments a static member bears; a dynamic one bears any number."""
    return random.randint(FEWEST_FLAPS, MOST_FLAPS) if settings.instance else None  # noqa: S311


class KafkaWatch:
    """Whether Kafka answers at all; asked only when a consumer looks ill."""

    def __init__(
        self, clock: Clock, does_answer: Callable[[], Awaitable[bool]], every_s: float = 5.0
    ) -> None:
        self._clock = clock
        self._does_answer = does_answer
        self._every_s = every_s
        self._asked_at: float | None = None
        self._since: float | None = None

    async def back_for_s(self) -> float:
        """Give for how long Kafka has answered, as far as it was asked; 0 when it does not."""
        now = self._clock.monotonic()
        if self._asked_at is None or now - self._asked_at >= self._every_s:
            if self._asked_at is not None and now - self._asked_at > 3 * self._every_s:
                self._since = None  # nobody asked in between
            self._asked_at = now
            if not await self._does_answer():
                self._since = None
            elif self._since is None:
                self._since = now
        return 0.0 if self._since is None else self._clock.monotonic() - self._since


async def kafka_answers(settings: RuntimeSettings) -> bool:
    """Tell whether the cluster answers a fresh client."""
    try:
        admin = AIOKafkaAdminClient(**connection(settings))
    except Misconfigured:
        return False  # a certificate has gone: nothing to end a running service for
    try:
        async with asyncio.timeout(_ASK_TIMEOUT_S):
            await admin.start()
            await admin.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return True


class Watched(Protocol):
    """What a probe asks our side of a consumer."""

    membership: Membership
    busy_since: float | None
    trouble: str

    def held(self) -> Collection[TopicPartition]: ...


class HasConsumer(Protocol):
    """Who has aiokafka's side, None before its start."""

    @property
    def consumer(self) -> AIOKafkaConsumer | None: ...


@dataclass
class _Seen:
    position: int
    since: float


@dataclass
class ConsumerProbe:
    """Looks at one subscription: its fetches, its positions, and what our side says of itself."""

    group: str
    namespace: str
    clock: Clock
    metrics: RuntimeMetrics
    subscriber: HasConsumer
    watched: Watched
    stuck_after_s: float
    kafka: KafkaWatch
    flap_limit: int | None = None
    """How many assignments within FLAPS_WITHIN_S a static member bears; None for a dynamic one."""
    _seen: dict[TopicPartition, _Seen] = field(default_factory=dict)
    _not_fetched_at: dict[TopicPartition, float] = field(default_factory=dict)
    """When a partition was last seen paused, or waiting behind a batch."""
    _lagging: set[str] = field(default_factory=set)
    _looked_at: float | None = None

    async def look(self) -> Health:
        """Judge the consumer as it is now."""
        sight = await self._sight()
        if sight is None:
            return Health(problem="not started")
        back_for_s = await self.kafka.back_for_s() if needs_kafka(sight) else 0.0
        health = judge(sight, self.stuck_after_s, back_for_s)
        return Health(health.problem, f"{self.group}: {health.stuck}" if health.stuck else "")

    async def _sight(self) -> Sight | None:
        consumer = self.subscriber.consumer
        if consumer is None:
            return None
        now = self.clock.monotonic()
        # Frozen ourselves: what stood still meanwhile proves nothing.
        if self._looked_at is None or now - self._looked_at > _FROZEN_OURSELVES_S:
            self._seen.clear()
        self._looked_at = now
        positions = await self._positions(consumer)
        ours = consumer.assignment()  # nothing is awaited from here on
        positions = {tp: position for tp, position in positions.items() if tp in ours}
        busy_since, member = self.watched.busy_since, self.watched.membership
        ages = self._fetch_ages(consumer, positions.keys(), now)
        self.metrics.fetch_age.labels(self.group).set(max(ages, default=0.0))
        return Sight(
            member.is_member,
            now - member.since,
            None if busy_since is None else now - busy_since,
            self.watched.trouble,
            ages,
            self._is_flapping(),
            self._frozen_for(consumer, positions, now),
        )

    def _is_flapping(self) -> bool:
        assignments = self.watched.membership.assignments_within(FLAPS_WITHIN_S)
        return self.flap_limit is not None and assignments > self.flap_limit

    async def _positions(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int | None]:
        positions: dict[TopicPartition, int | None] = {}
        for tp in consumer.assignment():
            try:
                # Immediate, but for a position that is being looked up.
                async with asyncio.timeout(_POSITION_TIMEOUT_S):
                    positions[tp] = await consumer.position(tp)
            except IllegalStateError:
                return {}  # reassigned meanwhile: look again in a second
            except (KafkaError, TimeoutError):
                positions[tp] = None
        return positions

    def _fetch_ages(
        self, consumer: AIOKafkaConsumer, tps: Collection[TopicPartition], now: float
    ) -> tuple[float, ...]:
        wall_ms, paused = self.clock.now().timestamp() * 1000, consumer.paused()
        is_busy, assigned_at = self.watched.busy_since is not None, self.watched.membership.since
        ages = []
        for tp in tps:
            if is_busy or tp in paused:
                self._not_fetched_at[tp] = now
            if tp not in paused:
                polled_ms = consumer.last_poll_timestamp(tp)
                fetchable_for = now - max(self._not_fetched_at.get(tp, 0.0), assigned_at)
                age = fetchable_for if polled_ms is None else (wall_ms - polled_ms) / 1000
                ages.append(max(min(age, fetchable_for), 0.0))
        return tuple(ages)

    def _frozen_for(
        self, consumer: AIOKafkaConsumer, positions: dict[TopicPartition, int | None], now: float
    ) -> float:
        """Follow the positions; a partition held, or waiting behind a batch, does not count."""
        held, is_busy = self.watched.held(), self.watched.busy_since is not None
        lags: dict[str, int] = {}
        longest = 0.0
        for tp, position in positions.items():
            high = consumer.highwater(tp)
            if position is None or high is None:
                continue
            lags[tp.topic] = lags.get(tp.topic, 0) + max(high - position, 0)
            seen = self._seen.get(tp)
            is_still = seen is not None and seen.position == position and high > position
            if seen is None or not is_still or is_busy or tp in held:
                self._seen[tp] = _Seen(position, now)
            else:
                longest = max(longest, now - seen.since)
        self._tell(lags)
        return longest

    def _tell(self, lags: dict[str, int]) -> None:
        for topic in self._lagging - lags.keys():
            lags[topic] = 0  # another member's now
        self._lagging = set(lags)
        for topic, lag in lags.items():
            self.metrics.lag.labels(self.group, topic.removeprefix(self.namespace)).set(lag)
