"""The batch consumer: one poll, one call per route, everything durable, one commit.

At-least-once. The order of one partition holds, except for what is parked. The batch is a barrier: its slowest
part bounds it, so nothing that waits for a carrier or a customer belongs here (see ``window``).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from aiokafka import AIOKafkaConsumer, TopicPartition

from yizhan_runtime.aside import Aside, DlqLimit
from yizhan_runtime.clock import backoff_s
from yizhan_runtime.consuming import ConsumerContext, commit
from yizhan_runtime.errors import Fatal, Misconfigured, Permanent, Poison, Retryable
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import E, Parked, Parse, RawRecord, Record, raw_of
from yizhan_runtime.subscription import Batch

log = get_logger(__name__)


@dataclass(frozen=True)
class BatchRoute(Generic[E]):
    """Topics, how they are read, and who handles them.

    ``handle`` gets all records of its topics in one poll, in order per partition. When it returns, everything in
    them is durable, but for what it returns as parked. It may be called again with the same records.
    """

    topics: tuple[str, ...]
    parse: Parse[E]
    handle: Callable[[Sequence[Record[E]]], Awaitable[Iterable[Parked]]]
    foreign: bool = False


class BatchConsumer:
    """Runs batches through routes. Ends the process (through ``fail``) rather than limp."""

    def __init__(
        self,
        context: ConsumerContext,
        routes: Sequence[BatchRoute[Any]],
        fail: Callable[[BaseException], None],
        *,
        waits: bool = False,
    ) -> None:
        self._c = context
        self._routes = {topic: route for route in routes for topic in route.topics}
        self._fail = fail
        self._waits = waits
        self._limit = DlqLimit()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._stopped = False
        self.busy_since: float | None = None
        """When the batch in hand arrived (monotonic), None between batches."""

    async def on_batch(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        """Take one poll. Whatever happens here, FastStream must see a normal return."""
        if self._draining:
            # Its partitions are going, or we are: a commit now could pass a batch that was given up.
            return
        self._idle.clear()
        begun = self.busy_since = self._c.clock.monotonic()
        try:
            await self._run(consumer, batch)
        except (Fatal, Misconfigured) as error:
            self._fail(error)
        except Exception as error:
            log.exception("the batch runner failed", extra={"group": self._c.group})
            self._fail(error)
        finally:
            self._c.metrics.handler_seconds.labels(self._c.group).observe(
                self._c.clock.monotonic() - begun
            )
            self.busy_since = None
            self._idle.set()

    async def on_revoked(self, _revoked: Collection[TopicPartition]) -> None:
        """Let the batch in hand end and commit before its partitions go: this is what prevents duplicates."""
        await self.drain()

    async def on_assigned(self, _assigned: Collection[TopicPartition]) -> None:
        self._draining = self._stopped
        self._c.metrics.rebalances.labels(self._c.group).inc()

    async def stop(self) -> None:
        """Take nothing more, let the batch in hand end."""
        self._stopped = True
        await self.drain()

    async def drain(self) -> None:
        """Wait for the batch in hand, bounded; a batch that is waiting to be tried again is given up."""
        self._draining = True
        try:
            async with asyncio.timeout(self._c.settings.drain_timeout_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning(
                "a batch outlived the drain and will be read again", extra={"group": self._c.group}
            )

    async def _run(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        # A revoke may have come between the poll and here: the next owner reads these.
        assigned = consumer.assignment()
        owned = [r for r in batch if TopicPartition(r.topic, r.partition) in assigned]
        raws = [raw_of(record, self._c.settings.namespace) for record in owned]
        if self._waits and not await self._until_due(raws):
            return
        self._observe(raws)
        if raws and await self._until_durable(raws):
            await self._commit(consumer, owned)

    async def _until_due(self, raws: Sequence[RawRecord]) -> bool:
        """Wait until the parked records are due; they were parked in order, for the same delay."""
        due_ms = max((raw.not_before_ms for raw in raws), default=0)
        while not self._draining:
            left_s = due_ms / 1000 - self._c.clock.now().timestamp()
            if left_s <= 0:
                return True
            await self._c.clock.sleep(min(left_s, 0.5))
        return False

    async def _until_durable(self, raws: Sequence[RawRecord]) -> bool:
        """Try until all of it is durable. False: given up for a drain, to be read again."""
        tries, begun = 0, self._c.clock.monotonic()
        while True:
            try:
                await self._handle(raws)
            except Retryable as error:
                tries += 1
                self._c.metrics.retries_in_place.labels(self._c.group).inc()
                log.warning(
                    "trying the batch again",
                    extra={"group": self._c.group, "tries": tries, "why": str(error)},
                )
                if self._c.clock.monotonic() - begun > self._c.settings.stuck_after_s:
                    raise Fatal(
                        f"{self._c.group} could not do a batch for {self._c.settings.stuck_after_s:.0f} s"
                    ) from error
                if self._draining:
                    return False
                await self._c.clock.sleep(backoff_s(tries))
            else:
                return True

    async def _handle(self, raws: Sequence[RawRecord]) -> None:
        parsed, asides = self._parse(raws)
        for route, records in parsed:
            asides += await self._call(route, records)
        await self._c.aside.put(asides)
        self._count(raws, asides)

    def _parse(
        self, raws: Sequence[RawRecord]
    ) -> tuple[list[tuple[BatchRoute[Any], list[Record[Any]]]], list[Aside]]:
        """Sort records by route, poison apart."""
        by_route: dict[int, tuple[BatchRoute[Any], list[Record[Any]]]] = {}
        asides: list[Aside] = []
        internal_poison = 0
        for raw in raws:
            route = self._routes.get(raw.topic)
            if route is None:
                asides.append(Aside(raw, "unknown-topic"))
                continue
            try:
                record = Record(raw, route.parse(raw))
            except Poison as error:
                asides.append(Aside(raw, error.code, error.detail))
                internal_poison += not route.foreign
                log.warning(
                    "poison",
                    extra={"origin": raw.origin, "code": error.code, "detail": error.detail},
                )
            else:
                by_route.setdefault(id(route), (route, []))[1].append(record)
        self._limit.saw(internal_poison, len(raws) - internal_poison)
        return list(by_route.values()), asides

    async def _call(self, route: BatchRoute[Any], records: list[Record[Any]]) -> list[Aside]:
        try:
            parked = await route.handle(records)
        except (Retryable, Fatal, Misconfigured):
            raise
        except Exception as error:  # noqa: BLE001 - the one place where a handler's mistakes end up
            if len(records) > 1:
                log.warning(
                    "a batch failed: trying its records alone",
                    extra={"group": self._c.group, "why": repr(error)[:200]},
                )
                return [aside for record in records for aside in await self._call(route, [record])]
            return [self._failed(records[0].raw, error)]
        return [
            Aside(p.record.raw, p.reason, delay=self._delay(p), counts=p.counts) for p in parked
        ]

    def _delay(self, parked: Parked) -> str | None:
        return (
            parked.delay
            if not parked.counts or self._c.aside.next_delay(parked.record.raw)
            else None
        )

    def _failed(self, raw: RawRecord, error: Exception) -> Aside:
        """Park an unknown error with a bounded budget; what can never be done goes to the DLQ at once."""
        delay = None if isinstance(error, Permanent | Poison) else self._c.aside.next_delay(raw)
        log.error(
            "a record failed", extra={"origin": raw.origin, "delay": delay or "dlq"}, exc_info=error
        )
        reason = "permanent" if isinstance(error, Permanent) else "failed"
        return Aside(raw, reason, f"{type(error).__name__}: {error}", delay)

    async def _commit(self, consumer: AIOKafkaConsumer, owned: Batch) -> None:
        offsets: dict[TopicPartition, int] = {}
        for record in owned:
            offsets[TopicPartition(record.topic, record.partition)] = record.offset + 1
        await commit(consumer, offsets, self._c)

    def _observe(self, raws: Sequence[RawRecord]) -> None:
        if not raws:
            return
        metrics, group = self._c.metrics, self._c.group
        metrics.batch_records.labels(group).observe(len(raws))
        oldest_s = self._c.clock.now().timestamp() - min(raw.timestamp_ms for raw in raws) / 1000
        metrics.waited_seconds.labels(group).observe(max(oldest_s, 0.0))
        for topic, count in _tally(raw.topic for raw in raws).items():
            metrics.consumed.labels(group, topic).inc(count)

    def _count(self, raws: Sequence[RawRecord], asides: Sequence[Aside]) -> None:
        group = self._c.group
        outcomes = _tally((a.raw.topic, "parked" if a.delay else "dead-lettered") for a in asides)
        handled = _tally(raw.topic for raw in raws)
        for (topic, outcome), count in outcomes.items():
            self._c.metrics.processed.labels(group, topic, outcome).inc(count)
            handled[topic] -= count
        for topic, count in handled.items():
            self._c.metrics.processed.labels(group, topic, "handled").inc(count)


def _tally(items: Iterable[Any]) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts
