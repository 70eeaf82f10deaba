"""The batch consumer: one poll, one call per route, everything durable, one commit.

At-least-once. The order of one partition holds, except for what is parked. The batch is a barrier:
its slowest part bounds it, so nothing that waits for a carrier or a customer belongs here (see
``window``).
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from yizhan_runtime.aside import Aside, DlqLimit
from yizhan_runtime.clock import backoff_s
from yizhan_runtime.consuming import Committed, ConsumerContext, Membership, commit, read
from yizhan_runtime.errors import Fatal, Misconfigured, Permanent, Poison, Retryable
from yizhan_runtime.explaining import explain
from yizhan_runtime.loading import BatchRoute, Load, by_partition, say_poison
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import Parked, RawRecord, Record, raw_of
from yizhan_runtime.subscription import Batch

__all__ = ["BatchConsumer", "BatchRoute"]

log = get_logger(__name__)

TROUBLED_AFTER_TRIES = 3
"""From this try on, a batch that cannot be done makes the service not ready."""

_BEAT_S = 5.0
LOOK_S = 0.5
"""How soon a batch that waits notices that its partitions go."""


class BatchConsumer:
    """Runs batches through routes. Ends the process (through ``fail``) rather than limp."""

    def __init__(
        self,
        context: ConsumerContext,
        routes: Sequence[BatchRoute[Any]],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._c = context
        self._routes = {topic: route for route in routes for topic in route.topics}
        self._fail = fail
        self._limit = DlqLimit()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._stopped = False
        self._generation = 0
        self.membership = Membership(context.clock)
        self.busy_since: float | None = None
        """When the try in hand began (monotonic), None between batches."""
        self.trouble = ""
        """Why the batch in hand cannot be done for now."""

    def held(self) -> Collection[TopicPartition]:
        """Give the partitions that stand still on purpose: none."""
        return ()

    async def on_batch(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        """Take one poll. Whatever happens here, FastStream must see a normal return."""
        if self._draining:
            # Its partitions go, or we do: a commit now could pass a batch that was given up.
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
            self.busy_since, self.trouble = None, ""
            self._idle.set()

    async def on_revoked(self, _revoked: Collection[TopicPartition]) -> None:
        """Let the batch in hand end and commit before its partitions go: no duplicates."""
        self.membership.change(is_member=False)
        await self.drain()
        self._generation += 1

    async def on_assigned(self, _assigned: Collection[TopicPartition]) -> None:
        self._draining = self._stopped
        self.membership.change(is_member=True)
        self._c.metrics.rebalances.labels(self._c.group).inc()

    async def stop(self) -> None:
        """Take nothing more, let the batch in hand end."""
        self._stopped = True
        await self.drain()

    async def drain(self) -> None:
        """Wait for the batch in hand, bounded; a batch that waits to be tried again is given up."""
        self._draining = True
        for route in self._all_routes():
            route.on_drain()
        try:
            async with asyncio.timeout(self._c.settings.drain_timeout_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning(
                "a batch outlived the drain and will be read again", extra={"group": self._c.group}
            )

    def _all_routes(self) -> Iterable[BatchRoute[Any]]:
        return self._routes.values()

    async def _run(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        load = self._load(consumer, batch)
        if load.offsets:
            await self._finish(consumer, load, self._generation)

    async def _finish(self, consumer: AIOKafkaConsumer, load: Load, generation: int) -> bool:
        """Make a load durable and commit it. False: given up, to be read again."""
        say_poison(load.asides)
        self._limit.saw(load.internal_poison, load.records - load.internal_poison)
        self._observe(load)
        if not await self._until_durable(load, generation):
            return False
        await self._commit(consumer, load.offsets, generation)
        return True

    def _load(self, consumer: AIOKafkaConsumer, batch: Batch) -> Load:
        """Parse what is ours. A revoke may have come after the poll: the next owner reads that."""
        load, assigned = Load(), consumer.assignment()
        for tp, fetched in by_partition(batch):
            if tp in assigned:
                topic = tp.topic.removeprefix(self._c.settings.namespace)
                self._load_partition(load, topic, fetched)
                load.offsets[tp] = fetched[-1].offset + 1
        return load

    def _load_partition(self, load: Load, topic: str, fetched: Batch) -> None:
        load.count(topic, len(fetched), fetched[0].timestamp)
        route = self._routes.get(topic)
        for one in fetched:
            self._load_record(load, route, raw_of(one, topic))

    def _load_record(self, load: Load, route: BatchRoute[Any] | None, raw: RawRecord) -> None:
        if route is None:
            self._load_poison(load, None, raw, Poison("unknown-topic", "no route reads it"))
            return
        try:
            load.add(route, Record(raw, read(route.parse, raw)))
        except Poison as error:
            self._load_poison(load, route, raw, error)

    def _load_poison(
        self, load: Load, route: BatchRoute[Any] | None, raw: RawRecord, error: Poison
    ) -> None:
        load.internal_poison += not (route is not None and route.foreign)
        load.asides.append(self._aside(raw, error.code, error.detail))

    async def _until_durable(self, load: Load, generation: int) -> bool:
        """Try until all of it is durable. False: given up, because its partitions go."""
        tries = 0
        while True:
            self._beat()
            try:
                await self._handle(load)
            except Retryable as error:
                tries += 1
                self._wait_because(error, tries)
                if not await self._pause(backoff_s(tries), generation):
                    return False
            else:
                self._count(load)
                return True

    def _wait_because(self, error: Retryable, tries: int) -> None:
        self._c.metrics.retries_in_place.labels(self._c.group).inc()
        if tries >= TROUBLED_AFTER_TRIES:
            self.trouble = f"a batch waits: {error}"
        log.warning(
            "trying the batch again",
            extra={"group": self._c.group, "tries": tries, "why": str(error)},
        )

    async def _pause(self, seconds: float, generation: int) -> bool:
        """Sleep. False, soon: the partitions go, give up."""
        until = self._c.clock.monotonic() + seconds
        while not self._is_over(generation):
            self._beat()
            left = until - self._c.clock.monotonic()
            if left <= 0:
                return True
            await self._c.clock.sleep(min(left, LOOK_S))
        return False

    def _beat(self) -> None:
        self.busy_since = self._c.clock.monotonic()

    def _is_over(self, generation: int) -> bool:
        return self._draining or generation != self._generation

    async def _handle(self, load: Load) -> None:
        """Do what is left. What is done is not repeated when the rest is tried again."""
        while load.work:
            key, (route, records) = next(iter(load.work.items()))
            load.asides += await self._call(route, records)
            del load.work[key]
        await self._c.aside.put(load.asides)

    async def _call(self, route: BatchRoute[Any], records: list[Record[Any]]) -> list[Aside]:
        """Call the handler; halve what it fails on, until the records that do it stand alone."""
        self._beat()
        try:
            parked = await self._handled(route, records)
        except (Retryable, Fatal, Misconfigured):
            raise
        except Exception as error:
            if len(records) == 1:
                return [self._failed(records[0].raw, error)]
            if self._draining:
                raise Retryable("a batch failed, and its partitions go") from error
            log.warning(
                "a batch failed: trying its halves",
                extra={"group": self._c.group, "records": len(records), "why": explain(error)},
            )
            half = len(records) // 2
            first = await self._call(route, records[:half])
            return first + await self._call(route, records[half:])
        return [one if isinstance(one, Aside) else self._parked(one) for one in parked]

    async def _handled(
        self, route: BatchRoute[Any], records: list[Record[Any]]
    ) -> Iterable[Parked | Aside]:
        if not route.is_patient:
            return await route.handle(records)
        handling = asyncio.ensure_future(route.handle(records))
        try:
            while not handling.done():
                self._beat()
                await asyncio.wait([handling], timeout=_BEAT_S)
        finally:
            handling.cancel()
        return handling.result()

    def _parked(self, one: Parked) -> Aside:
        raw = one.record.raw
        delay = self._c.aside.delay_within_budget(raw, one.delay, counts=one.counts)
        return self._aside(raw, one.reason, delay=delay, counts=one.counts)

    def _failed(self, raw: RawRecord, error: Exception) -> Aside:
        """Park an unknown error, within its budget; what can never be done goes to the DLQ."""
        is_final = isinstance(error, Permanent | Poison)
        delay = None if is_final else self._c.aside.next_delay(raw)
        log.error(
            "a record failed", extra={"origin": raw.origin, "delay": delay or "dlq"}, exc_info=error
        )
        return self._aside(raw, "permanent" if is_final else "failed", explain(error), delay=delay)

    def _aside(
        self,
        raw: RawRecord,
        reason: str,
        error: str = "",
        *,
        delay: str | None = None,
        counts: bool = True,
    ) -> Aside:
        return Aside(raw, reason, error, delay, counts, raw.group or self._c.group)

    async def _commit(
        self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int], generation: int
    ) -> None:
        """Commit, however long Kafka is away: no later batch may come to these partitions."""
        # A batch that outlived its drain says nothing: another member may have gone further.
        while generation == self._generation:
            self._beat()
            if await commit(consumer, offsets, self._c) is not Committed.UNANSWERED:
                return
            self.trouble = "Kafka does not answer a commit"
            if self._draining:
                return

    def _observe(self, load: Load) -> None:
        metrics, group = self._c.metrics, self._c.group
        metrics.batch_records.labels(group).observe(load.records)
        if load.oldest_ms > 0:
            waited_s = self._c.clock.now().timestamp() - load.oldest_ms / 1000
            metrics.waited_seconds.labels(group).observe(max(waited_s, 0.0))
        for topic, count in load.taken.items():
            metrics.consumed.labels(group, topic).inc(count)

    def _count(self, load: Load) -> None:
        processed, group = self._c.metrics.processed, self._c.group
        handled = dict(load.taken)
        for aside in load.asides:
            outcome = "parked" if aside.delay else "dead-lettered"
            processed.labels(group, aside.raw.topic, outcome).inc()
            handled[aside.raw.topic] -= 1
        for topic, count in handled.items():
            processed.labels(group, topic, "handled").inc(count)
