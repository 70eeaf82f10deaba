"""The sliding window: records end in any order; the low watermark is committed.

At-least-once. For work that waits (carriers, calls): one slow record holds up nothing but the
watermark. What a crash replays is what was finished above it, so a replay must be cheap, and
``max_span`` bounds it.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from aiokafka import AIOKafkaConsumer, TopicPartition

from yizhan_runtime.aside import Aside, DlqLimit
from yizhan_runtime.consuming import Committed, ConsumerContext, Membership, commit, read
from yizhan_runtime.errors import Poison
from yizhan_runtime.loading import by_partition, say_poison
from yizhan_runtime.logs import get_logger
from yizhan_runtime.opened import OpenPartition, OpenRecord
from yizhan_runtime.records import E, Parse, Record, raw_of
from yizhan_runtime.setting_aside import AsideQueue, Leaving, within_budget
from yizhan_runtime.subscription import Batch

__all__ = ["OpenRecord", "WindowConsumer", "WindowRoute"]

log = get_logger(__name__)

COMMIT_INTERVAL_S = 0.2
DRAIN_LOOK_S = 0.02


@dataclass(frozen=True)
class WindowRoute(Generic[E]):
    """Topics and how they are read."""

    topics: tuple[str, ...]
    parse: Parse[E]
    foreign: bool = False


@dataclass
class _Arrivals:
    """What one poll brings."""

    begun: list[OpenRecord[Any]] = field(default_factory=list)
    poison: list[Leaving] = field(default_factory=list)
    internal_poison: int = 0


class WindowConsumer:
    """Hands records to ``intake`` and commits behind whoever finishes them."""

    def __init__(  # noqa: PLR0913 - one hook each
        self,
        context: ConsumerContext,
        routes: Sequence[WindowRoute[Any]],
        intake: Callable[[Sequence[OpenRecord[Any]]], None],
        fail: Callable[[BaseException], None],
        *,
        on_revoked: Callable[[Collection[OpenRecord[Any]]], None] | None = None,
        on_held: Callable[[Collection[tuple[str, int]]], None] | None = None,
        look_ahead: int = 500,
        max_span: int = 5_000,
    ) -> None:
        self._c = context
        self._routes = {topic: route for route in routes for topic in route.topics}
        self.context = context
        self.intake = intake
        self.forget = on_revoked or (lambda _records: None)
        self._on_held = on_held or (lambda _held: None)
        self._fail = fail
        self._look_ahead = look_ahead
        self._max_span = max_span
        self._limit = DlqLimit()
        self._partitions: dict[TopicPartition, OpenPartition] = {}
        self._asides = AsideQueue(context, self._set_aside, fail)
        self._moved = asyncio.Event()
        self._committing = asyncio.Lock()
        self._draining = False
        self._stopped = False
        self.membership = Membership(context.clock)
        self.busy_since: float | None = None
        """Never set: a window is never busy as a whole. The health probe asks ``held``."""
        self.trouble = ""
        context.metrics.open_records.labels(context.group).set_function(lambda: self.open_count)
        context.metrics.oldest_open.labels(context.group).set_function(self.oldest_open_s)

    @property
    def open_count(self) -> int:
        return sum(len(partition.open) for partition in self._partitions.values())

    def held(self) -> Collection[TopicPartition]:
        """Give the partitions that stand still because their records are open."""
        return {tp for tp, one in self._partitions.items() if one.open or one.is_paused}

    def oldest_open_s(self) -> float:
        """Give for how long the oldest open record has been open."""
        since = [one.open_since() for one in self._partitions.values()]
        now = self._c.clock.monotonic()
        return max((now - at for at in since if at is not None), default=0.0)

    async def on_batch(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        """Begin what came. Only queues; back-pressure is a paused partition, never a wait here."""
        if self._draining:
            return  # its partitions are going: begun now, it would be begun by two
        try:
            self._begin(consumer, batch)
        except Exception as error:
            log.exception("the window failed to begin records", extra={"group": self._c.group})
            self._fail(error)

    def _begin(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        assigned, now = consumer.assignment(), self._c.clock.monotonic()
        arrivals = _Arrivals()
        touched = []
        for tp, fetched in by_partition(batch):
            if tp not in assigned:
                continue
            partition = self._partition(consumer, tp, fetched[0].offset)
            partition.begin(fetched[0].offset, now)
            self._open(partition, fetched, arrivals)
            self._c.metrics.consumed.labels(self._c.group, partition.topic).inc(len(fetched))
            touched.append(partition)
        self._admit(arrivals)
        for partition in touched:
            self._pause_if_full(partition)

    def _partition(self, consumer: AIOKafkaConsumer, tp: TopicPartition, at: int) -> OpenPartition:
        known = self._partitions.get(tp)
        if known is not None:
            return known
        topic = tp.topic.removeprefix(self._c.settings.namespace)
        partition = OpenPartition(tp, topic, consumer, at)

        def end(opened: OpenRecord[Any], aside: Aside | None, abandoned: bool) -> None:  # noqa: FBT001
            self._ended(partition, opened, aside, abandoned=abandoned)

        partition.end = end
        self._partitions[tp] = partition
        return partition

    def _open(self, partition: OpenPartition, fetched: Batch, arrivals: _Arrivals) -> None:
        route = self._routes[partition.topic]
        for one in fetched:
            raw = raw_of(one, partition.topic)
            try:
                opened = OpenRecord(Record(raw, read(route.parse, raw)), partition.end)
                arrivals.begun.append(opened)
            except Poison as error:
                opened = OpenRecord(Record(raw, None), partition.end)
                aside = Aside(raw, error.code, error.detail, group=self._c.group)
                arrivals.poison.append(Leaving(partition, opened, aside))
                arrivals.internal_poison += not route.foreign
            partition.add(opened)

    def _admit(self, arrivals: _Arrivals) -> None:
        """Pass on what came, unless most of it is poison. Raises Fatal then: nothing was done."""
        poison = arrivals.internal_poison
        others = len(arrivals.begun) + len(arrivals.poison) - poison
        say_poison([one.aside for one in arrivals.poison])
        try:
            self._limit.saw(poison, others)
        except BaseException:
            for opened in [*arrivals.begun, *(one.opened for one in arrivals.poison)]:
                opened.revoke()
                opened.abandon()
            raise
        self._asides.put(arrivals.poison)
        self.intake(arrivals.begun)

    def _ended(
        self,
        partition: OpenPartition,
        opened: OpenRecord[Any],
        aside: Aside | None,
        *,
        abandoned: bool,
    ) -> None:
        if abandoned and not opened.is_revoked:
            log.error("abandoned, but not revoked", extra={"origin": opened.record.raw.origin})
            aside = Aside(opened.record.raw, "abandoned", delay="5s", counts=False)
        if aside is not None:
            self._asides.put([Leaving(partition, opened, within_budget(aside, self._c))])
            return
        if abandoned:
            self._count(partition, "abandoned")
        else:
            partition.handled += 1
        self._close(partition, opened, abandoned=abandoned)

    def _set_aside(self, one: Leaving) -> None:
        self._count(one.partition, "parked" if one.aside.delay else "dead-lettered")
        self._close(one.partition, one.opened)

    def _close(
        self, partition: OpenPartition, opened: OpenRecord[Any], *, abandoned: bool = False
    ) -> None:
        partition.close(opened, abandoned=abandoned)
        if partition.is_paused and self._has_room(partition):
            self._resume(partition)
        self._moved.set()

    def _count(self, partition: OpenPartition, outcome: str, records: int = 1) -> None:
        self._c.metrics.processed.labels(self._c.group, partition.topic, outcome).inc(records)

    def _has_room(self, partition: OpenPartition) -> bool:
        return (
            len(partition.open) <= self._look_ahead // 2 and partition.span() <= self._max_span // 2
        )

    def _pause_if_full(self, partition: OpenPartition) -> None:
        is_full = len(partition.open) >= self._look_ahead or partition.span() >= self._max_span
        if is_full and not partition.is_paused:
            partition.is_paused = True
            partition.consumer.pause(partition.tp)

    def _resume(self, partition: OpenPartition) -> None:
        partition.is_paused = False
        is_ours = self._partitions.get(partition.tp) is partition
        if is_ours and partition.tp in partition.consumer.assignment():
            partition.consumer.resume(partition.tp)

    async def on_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Forget what is not begun, wait for what is, commit, forget the partitions."""
        self._draining = True
        self.trouble = ""
        self.membership.change(is_member=False)
        self._on_held(())
        await self._drain([one for tp, one in self._partitions.items() if tp in revoked])

    async def on_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._draining = self._stopped
        prefix = self._c.settings.namespace
        self._on_held([(tp.topic.removeprefix(prefix), tp.partition) for tp in assigned])
        self.membership.change(is_member=True)
        self._c.metrics.rebalances.labels(self._c.group).inc()

    async def stop(self) -> None:
        """Begin nothing more, drain, commit."""
        self._draining = self._stopped = True
        await self._drain(list(self._partitions.values()))

    async def _drain(self, going: Sequence[OpenPartition]) -> None:
        opened = [record for partition in going for record in partition.open.values()]
        for record in opened:
            record.revoke()
        if opened:
            self.forget(opened)
        deadline = self._c.clock.monotonic() + self._c.settings.drain_timeout_s
        while any(one.open for one in going) and self._c.clock.monotonic() < deadline:
            await self._c.clock.sleep(DRAIN_LOOK_S)
        left = sum(len(partition.open) for partition in going)
        if left:
            log.warning(
                "open records outlived the drain", extra={"group": self._c.group, "records": left}
            )
        await self._commit(going)
        for partition in going:
            self._partitions.pop(partition.tp, None)

    async def commit_forever(self) -> None:
        """Commit what moved, at most five times a second; sleeps while nothing moves."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            await self._commit(list(self._partitions.values()))
            await self._c.clock.sleep(COMMIT_INTERVAL_S)

    async def _commit(self, partitions: Sequence[OpenPartition]) -> None:
        # One at a time: a commit must not still be under way when its partitions go.
        async with self._committing:
            for consumer, due in self._due(partitions):
                offsets = {one.tp: offset for one, offset in due}
                outcome = await commit(consumer, offsets, self._c)
                self.trouble = ""
                if outcome is Committed.DONE:
                    for one, offset in due:
                        one.committed = offset
                elif outcome is Committed.UNANSWERED:
                    self.trouble = "Kafka does not answer a commit"
                    self._moved.set()  # nothing else may move it: try again

    def _due(
        self, partitions: Sequence[OpenPartition]
    ) -> list[tuple[AIOKafkaConsumer, list[tuple[OpenPartition, int]]]]:
        """Give, by consumer, what is ours still and has moved, and how far."""
        due: dict[int, tuple[AIOKafkaConsumer, list[tuple[OpenPartition, int]]]] = {}
        for one in partitions:
            if one.handled:
                self._count(one, "handled", one.handled)
                one.handled = 0
            low, consumer = one.low_watermark(), one.consumer
            is_ours = self._partitions.get(one.tp) is one and one.tp in consumer.assignment()
            if is_ours and low > one.committed:
                due.setdefault(id(consumer), (consumer, []))[1].append((one, low))
        return list(due.values())
