"""The sliding window: records begin as they come and end in any order; the low watermark is committed.

At-least-once. For work that waits (carriers, calls): one slow record holds up nothing but the watermark. What a
crash replays is what was finished above it, so a replay must be cheap, and ``max_span`` bounds it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from aiokafka import AIOKafkaConsumer, TopicPartition

from yizhan_runtime.aside import Aside, DlqLimit
from yizhan_runtime.clock import backoff_s
from yizhan_runtime.consuming import ConsumerContext, commit
from yizhan_runtime.errors import Poison, Retryable
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import E, Parse, Record, raw_of
from yizhan_runtime.subscription import Batch

log = get_logger(__name__)

COMMIT_INTERVAL_S = 0.2


@dataclass(frozen=True)
class WindowRoute(Generic[E]):
    """Topics and how they are read."""

    topics: tuple[str, ...]
    parse: Parse[E]
    foreign: bool = False


class OpenRecord(Generic[E]):
    """A record that is begun. Exactly one of ``finish``, ``park`` and ``abandon`` ends it."""

    __slots__ = ("_end", "_revoked", "record")

    def __init__(
        self, record: Record[E], end: Callable[["OpenRecord[E]", "Aside | None", bool], None]
    ) -> None:
        self.record = record
        self._end: Callable[[OpenRecord[E], Aside | None, bool], None] | None = end
        self._revoked = False

    @property
    def is_open(self) -> bool:
        return self._end is not None

    @property
    def is_revoked(self) -> bool:
        """Its partition has gone: begin nothing, abandon it; what is begun may still finish."""
        return self._revoked

    def revoke(self) -> None:
        self._revoked = True

    def finish(self) -> None:
        """All of it is durable."""
        self._close(None, abandoned=False)

    def park(
        self, reason: str, delay: str | None = "5s", *, error: str = "", counts: bool = True
    ) -> None:
        """Try it again after ``delay`` (None: to the DLQ). It stays open until it is durable there."""
        self._close(Aside(self.record.raw, reason, error, delay, counts), abandoned=False)

    def abandon(self) -> None:
        """Nothing was done: whoever owns the partition next reads it again."""
        self._close(None, abandoned=True)

    def _close(self, aside: Aside | None, *, abandoned: bool) -> None:
        end, self._end = self._end, None
        if end is not None:
            end(self, aside, abandoned)


@dataclass
class _Partition:
    """The open offsets of one partition, in the order in which they were begun."""

    consumer: AIOKafkaConsumer
    next_offset: int
    committed: int
    open: dict[int, OpenRecord[Any]] = field(default_factory=dict)
    frozen_at: int | None = None
    """The first abandoned offset: the watermark never passes it."""
    paused: bool = False

    def low_watermark(self) -> int:
        low = next(iter(self.open), self.next_offset)
        return low if self.frozen_at is None else min(low, self.frozen_at)


class WindowConsumer:
    """Hands records to ``intake`` and commits behind whoever finishes them."""

    def __init__(
        self,
        context: ConsumerContext,
        routes: Sequence[WindowRoute[Any]],
        intake: Callable[[Sequence[OpenRecord[Any]]], None],
        fail: Callable[[BaseException], None],
        *,
        on_revoked: Callable[[Collection[OpenRecord[Any]]], None] | None = None,
        look_ahead: int = 500,
        max_span: int = 5_000,
    ) -> None:
        self._c = context
        self._routes = {topic: route for route in routes for topic in route.topics}
        self._intake = intake
        self._fail = fail
        self._forget = on_revoked or (lambda _records: None)
        self._look_ahead = look_ahead
        self._max_span = max_span
        self._limit = DlqLimit()
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._asides: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()
        self._stopped = False
        self.busy_since: float | None = None
        """Never set: a window is never busy as a whole. The health probe asks ``held``."""

    @property
    def open_count(self) -> int:
        return sum(len(partition.open) for partition in self._partitions.values())

    def held(self) -> set[TopicPartition]:
        """Partitions that stand still because their records are open."""
        return {
            tp for tp, partition in self._partitions.items() if partition.open or partition.paused
        }

    async def on_batch(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        """Begin what came. Only queues; back-pressure is a paused partition, never a wait here."""
        if self._stopped:
            return
        try:
            self._begin(consumer, batch)
        except Exception as error:
            log.exception("the window failed to begin records", extra={"group": self._c.group})
            self._fail(error)

    def _begin(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        assigned = consumer.assignment()
        begun: list[OpenRecord[Any]] = []
        poison = 0
        for fetched in batch:
            tp = TopicPartition(fetched.topic, fetched.partition)
            if tp not in assigned:
                continue
            opened = self._open(consumer, tp, fetched)
            if opened is not None:
                begun.append(opened)
            else:
                poison += 1
        self._limit.saw(poison, len(begun))
        self._c.metrics.consumed.labels(self._c.group, "all").inc(len(begun) + poison)
        self._intake(begun)
        self._pause_full(consumer)
        self._c.metrics.open_records.labels(self._c.group).set(self.open_count)

    def _open(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, fetched: Any
    ) -> OpenRecord[Any] | None:
        partition = self._partitions.get(tp)
        if partition is None:
            partition = self._partitions[tp] = _Partition(consumer, fetched.offset, fetched.offset)
        partition.next_offset = fetched.offset + 1
        raw = raw_of(fetched, self._c.settings.namespace)
        offset = fetched.offset

        def end(opened: OpenRecord[Any], aside: Aside | None, abandoned: bool) -> None:  # noqa: FBT001
            self._ended(tp, partition, offset, opened, aside, abandoned=abandoned)

        route = self._routes.get(raw.topic)
        try:
            if route is None:
                raise Poison("unknown-topic")
            opened: OpenRecord[Any] = OpenRecord(Record(raw, route.parse(raw)), end)
        except Poison as error:
            log.warning(
                "poison", extra={"origin": raw.origin, "code": error.code, "detail": error.detail}
            )
            poisoned: OpenRecord[Any] = OpenRecord(Record(raw, None), end)
            partition.open[offset] = poisoned
            poisoned.park(error.code, None, error=error.detail)
            return None
        partition.open[offset] = opened
        return opened

    def _ended(
        self,
        tp: TopicPartition,
        partition: _Partition,
        offset: int,
        opened: OpenRecord[Any],
        aside: Aside | None,
        *,
        abandoned: bool,
    ) -> None:
        if aside is not None:
            task = asyncio.ensure_future(self._put_aside(tp, partition, offset, aside))
            self._asides.add(task)
            task.add_done_callback(self._asides.discard)
            return
        if abandoned:
            partition.frozen_at = (
                offset if partition.frozen_at is None else min(offset, partition.frozen_at)
            )
        self._close(tp, partition, offset, "abandoned" if abandoned else "handled")

    async def _put_aside(
        self, tp: TopicPartition, partition: _Partition, offset: int, aside: Aside
    ) -> None:
        tries = 0
        while True:
            try:
                await self._c.aside.put([aside])
                break
            except Retryable:
                tries += 1
                await self._c.clock.sleep(backoff_s(tries))
            except Exception as error:  # noqa: BLE001 - handed to the supervisor
                self._fail(error)
                return
        self._close(tp, partition, offset, "parked" if aside.delay else "dead-lettered")

    def _close(self, tp: TopicPartition, partition: _Partition, offset: int, outcome: str) -> None:
        partition.open.pop(offset, None)
        self._c.metrics.processed.labels(self._c.group, "all", outcome).inc()
        if partition.paused and self._has_room(partition):
            self._resume(tp, partition)
        self._moved.set()

    def _has_room(self, partition: _Partition) -> bool:
        return (
            len(partition.open) <= self._look_ahead // 2
            and partition.next_offset - partition.low_watermark() <= self._max_span // 2
        )

    def _resume(self, tp: TopicPartition, partition: _Partition) -> None:
        partition.paused = False
        if self._partitions.get(tp) is partition and tp in partition.consumer.assignment():
            partition.consumer.resume(tp)

    def _pause_full(self, consumer: AIOKafkaConsumer) -> None:
        assigned = consumer.assignment()
        for tp, partition in self._partitions.items():
            full = (
                len(partition.open) >= self._look_ahead
                or partition.next_offset - partition.low_watermark() >= self._max_span
            )
            if full and not partition.paused and tp in assigned:
                partition.paused = True
                consumer.pause(tp)

    async def on_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Forget what is not begun, wait for what is, commit, forget the partitions."""
        going = {tp: self._partitions[tp] for tp in revoked if tp in self._partitions}
        await self._drain(going)
        for tp in going:
            self._partitions.pop(tp, None)

    async def _drain(self, going: dict[TopicPartition, _Partition]) -> None:
        opened = [
            record for partition in going.values() for record in list(partition.open.values())
        ]
        for record in opened:
            record.revoke()
        self._forget(opened)
        deadline = self._c.clock.monotonic() + self._c.settings.drain_timeout_s
        while any(p.open for p in going.values()) and self._c.clock.monotonic() < deadline:
            await self._c.clock.sleep(0.02)
        left = sum(len(partition.open) for partition in going.values())
        if left:
            log.warning(
                "open records outlived the drain", extra={"group": self._c.group, "records": left}
            )
        await self._commit(going)

    async def on_assigned(self, _assigned: Collection[TopicPartition]) -> None:
        self._c.metrics.rebalances.labels(self._c.group).inc()

    async def stop(self) -> None:
        """Begin nothing more, drain, commit."""
        self._stopped = True
        await self._drain(dict(self._partitions))

    async def commit_forever(self) -> None:
        """Commit what moved, at most five times a second; sleeps while nothing moves."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            await self._commit(self._partitions)
            await self._c.clock.sleep(COMMIT_INTERVAL_S)

    async def _commit(self, partitions: dict[TopicPartition, _Partition]) -> None:
        for consumer, offsets in _by_consumer(partitions):
            assigned = consumer.assignment()
            due = {tp: offset for tp, offset in offsets.items() if tp in assigned}
            if due and await commit(consumer, due, self._c):
                for tp, offset in due.items():
                    partitions[tp].committed = offset

    async def handle_parked(self, records: Sequence[Record[Any]]) -> Iterable[Any]:
        """Take records back from a retry topic: the batch that brought them waits until all have ended."""
        ended: list[asyncio.Future[Aside | None]] = []
        opened = []
        for record in records:
            future: asyncio.Future[Aside | None] = asyncio.get_running_loop().create_future()
            ended.append(future)
            opened.append(OpenRecord(record, _settle(future)))
        self._intake(opened)
        asides = [aside for aside in await asyncio.gather(*ended) if aside is not None]
        await self._c.aside.put(asides)
        return ()


def _settle(
    future: "asyncio.Future[Aside | None]",
) -> Callable[[OpenRecord[Any], Aside | None, bool], None]:
    def end(_opened: OpenRecord[Any], aside: Aside | None, abandoned: bool) -> None:  # noqa: FBT001
        if future.done():
            return
        if abandoned:
            future.set_exception(Retryable("abandoned in a drain"))
        else:
            future.set_result(aside)

    return end


def _by_consumer(
    partitions: dict[TopicPartition, _Partition],
) -> list[tuple[AIOKafkaConsumer, dict[TopicPartition, int]]]:
    grouped: dict[int, tuple[AIOKafkaConsumer, dict[TopicPartition, int]]] = {}
    for tp, partition in partitions.items():
        low = partition.low_watermark()
        if low > partition.committed:
            grouped.setdefault(id(partition.consumer), (partition.consumer, {}))[1][tp] = low
    return list(grouped.values())
