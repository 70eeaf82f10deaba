"""Reading back what was parked: one consumer per delay for the whole service.

A retry topic holds the records of all of a service's groups, so it has groups of its own; each
record goes to the route of the group that parked it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from yizhan_runtime.aside import Aside, returned
from yizhan_runtime.batch import LOOK_S, BatchConsumer, BatchRoute
from yizhan_runtime.consuming import ConsumerContext
from yizhan_runtime.errors import Fatal, Poison, Retryable
from yizhan_runtime.explaining import explain
from yizhan_runtime.loading import Load, by_partition
from yizhan_runtime.opened import OpenRecord
from yizhan_runtime.records import RawRecord, Record, raw_of
from yizhan_runtime.setting_aside import within_budget
from yizhan_runtime.subscription import Batch
from yizhan_runtime.window import WindowConsumer, WindowRoute

SHORTEST_WAIT_S = 0.25
"""What falls due within this is done, and committed, together."""

_HEARD_WITHIN_MS = 2_000
"""How much later than this process another may hear of the same."""

Routes = Mapping[tuple[str, str], BatchRoute[Any]]
"""By the group that parked, and topic. Grows while a service is composed."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One record of a retry topic, or why it is none."""

    offset: int
    raw: RawRecord
    poison: Poison | None = None


class RetryConsumer(BatchConsumer):
    """A batch consumer of one retry topic, whose records wait until they are due."""

    def __init__(
        self, context: ConsumerContext, routes: Routes, fail: Callable[[BaseException], None]
    ) -> None:
        super().__init__(context, (), fail)
        self._by_group = routes
        self._hurried_ms = 0

    def hurry(self) -> None:
        """Take what is parked by now as due: what it waited for may have come.

        And, a little later, what others parked who had not heard of it yet.
        """
        self._hurried_ms = int(self._c.clock.now().timestamp() * 1000)

    def _all_routes(self) -> Iterable[BatchRoute[Any]]:
        return self._by_group.values()

    def _route_of(self, raw: RawRecord) -> BatchRoute[Any] | None:
        known = self._by_group.get((raw.group, raw.topic))
        if known is not None or raw.group:
            return known
        # Parked by the service itself, for no group: whoever reads that topic.
        same_topic = (route for (_, name), route in self._by_group.items() if name == raw.topic)
        return next(same_topic, None)

    async def _run(self, consumer: AIOKafkaConsumer, batch: Batch) -> None:
        generation, waiting = self._generation, self._read(consumer, batch)
        while waiting:
            load, due_in_s = self._take_due(waiting)
            if not load.offsets:
                # In short steps: it may be hurried.
                pause_s = min(max(due_in_s, SHORTEST_WAIT_S), LOOK_S)
                if not await self._pause(pause_s, generation):
                    return
            elif not await self._finish(consumer, load, generation):
                return

    def _read(
        self, consumer: AIOKafkaConsumer, batch: Batch
    ) -> dict[TopicPartition, deque[_Waiting]]:
        assigned, prefix = consumer.assignment(), self._c.settings.namespace
        return {
            tp: deque(_restored(one, tp.topic.removeprefix(prefix)) for one in fetched)
            for tp, fetched in by_partition(batch)
            if tp in assigned
        }

    def _take_due(self, waiting: dict[TopicPartition, deque[_Waiting]]) -> tuple[Load, float]:
        """Take what is due off the front of each partition; say when the next will be."""
        load, next_ms = Load(), float("inf")
        now_ms = self._c.clock.now().timestamp() * 1000
        for tp, queue in list(waiting.items()):
            while queue and self._is_due(queue[0].raw, now_ms):
                one = queue.popleft()
                load.offsets[tp] = one.offset + 1
                self._load_waiting(load, one)
            if queue:
                next_ms = min(next_ms, queue[0].raw.not_before_ms)
            else:
                del waiting[tp]
        return load, (next_ms - now_ms) / 1000

    def _is_due(self, raw: RawRecord, now_ms: float) -> bool:
        if raw.not_before_ms <= now_ms:
            return True
        is_later = now_ms >= self._hurried_ms + _HEARD_WITHIN_MS
        # A record of a retry topic bears the time when it was parked.
        return raw.timestamp_ms <= self._hurried_ms + (_HEARD_WITHIN_MS if is_later else 0)

    def _load_waiting(self, load: Load, one: _Waiting) -> None:
        raw = one.raw
        load.count(raw.topic, 1, raw.timestamp_ms)
        if one.poison is not None:
            self._load_poison(load, None, raw, one.poison)
            return
        self._load_record(load, self._route_of(raw), raw)


def _restored(fetched: Any, topic: str) -> _Waiting:  # noqa: ANN401 - aiokafka's record
    try:
        return _Waiting(fetched.offset, returned(fetched, topic))
    except Poison as error:
        return _Waiting(fetched.offset, raw_of(fetched, topic), error)


class WindowReturns:
    """Brings a window's parked records back to its intake; their batch waits for all of them."""

    def __init__(self, window: WindowConsumer) -> None:
        self._window = window
        self._open: list[OpenRecord[Any]] = []

    async def handle(self, records: Sequence[Record[Any]]) -> Iterable[Aside]:
        """Open the records, and wait. Raises Retryable when some were abandoned, in a drain."""
        ends: list[asyncio.Future[Aside | None]] = []
        for record in records:
            end: asyncio.Future[Aside | None] = asyncio.get_running_loop().create_future()
            ends.append(end)
            self._open.append(OpenRecord(record, _settling(end)))
        try:
            self._window.intake(list(self._open))
        except Exception as error:
            raise Fatal(f"an intake failed: {explain(error)}") from error
        # All of them: one that is still open must not be opened again beside itself.
        ended = await asyncio.gather(*ends, return_exceptions=True)
        self._open = []
        abandoned = [one for one in ended if isinstance(one, BaseException)]
        if abandoned:
            raise Retryable(f"{len(abandoned)} records were abandoned in a drain")
        asides = (one for one in ended if isinstance(one, Aside))
        return [within_budget(one, self._window.context) for one in asides]

    def revoke(self) -> None:
        """Have the service let go of what it has not begun."""
        opened = [one for one in self._open if one.is_open]
        for one in opened:
            one.revoke()
        if opened:
            self._window.forget(opened)


def retry_group(service: str, delay: str) -> str:
    """Name the group that takes a service's parked records back."""
    return f"{service}-retry-{delay}"


def returning(window: WindowConsumer, route: WindowRoute[Any]) -> BatchRoute[Any]:
    """Make the way back of a window's parked records, one for each consumer that brings them."""
    returns = WindowReturns(window)
    return BatchRoute(
        route.topics,
        route.parse,
        returns.handle,
        route.foreign,
        on_drain=returns.revoke,
        is_patient=True,
    )


def _settling(
    future: asyncio.Future[Aside | None],
) -> Callable[[OpenRecord[Any], Aside | None, bool], None]:
    def end(_opened: OpenRecord[Any], aside: Aside | None, abandoned: bool) -> None:  # noqa: FBT001
        if future.done():
            return
        if abandoned:
            future.set_exception(Retryable("abandoned"))
        else:
            future.set_result(aside)

    return end
