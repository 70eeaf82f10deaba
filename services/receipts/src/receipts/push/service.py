"""Pushing at once: what a record asks for is sent from its account's own lane, or stored.

A record is finished when its push is acknowledged and remembered, or stored: within
``patience_s`` either way, so that no customer holds up the watermark that all share.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from receipts.metrics import Metrics, Push
from receipts.push.domain import next_try_at
from receipts.push.endpoints import About
from receipts.push.lanes import Entry, Lane, Lanes
from receipts.push.ports import Item, Waiting, WaitingStore
from receipts.push.speaker import Loaded
from yizhan_contracts.events import MessageSettled, VoiceRequested
from yizhan_runtime import Clock, OpenRecord, Retryable, backoff_s, get_logger
from yizhan_runtime.gathering import Gathering

log = get_logger(__name__)

T = TypeVar("T")
_AGEING_INTERVAL_S = 0.25
_STORE_GATHER_S = 0.02
"""What a hundred dead customers did not take is stored with one insert."""


@dataclass(frozen=True, slots=True)
class PushTerms:
    """How long things may take."""

    gather_s: float = 0.05
    """A result waits this long for others to go with it: a POST costs a hundred times a result."""
    patience_s: float = 1.0
    queue: int = 1000


class Pusher:
    """Takes records in, gives each lane its own, and sends a hundred results in a POST."""

    def __init__(
        self,
        lanes: Lanes,
        store: WaitingStore,
        clock: Clock,
        metrics: Metrics,
        terms: PushTerms,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._lanes = lanes
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._terms = terms
        self._fail = fail
        self._tasks: set[asyncio.Task[None]] = set()
        self._queued: set[Lane] = set()
        """Lanes with a queue: the others, and there are many, cost nothing."""
        self._has_queued = asyncio.Event()
        self._storing = Gathering(store.save_waiting, clock, _STORE_GATHER_S)

    def take(self, records: Sequence[OpenRecord[Any]]) -> None:
        """Queue what the records ask for. Never waits."""
        now = self._clock.monotonic()
        for record in records:
            event: MessageSettled | VoiceRequested = record.record.event
            lane = self._lanes.of(About.RESULTS, event.account_id)
            if lane is None:
                self._metrics.record_pushed(About.RESULTS, Push.NOBODY, 1)
                record.finish()
            elif isinstance(event, VoiceRequested) and not event.sms_failed:
                record.finish()
            else:
                lane.queue.append(Entry(event.message_id, record, now))
                self._gather(lane)

    def forget(self, records: Collection[OpenRecord[Any]]) -> None:
        """Give up what has not begun: the next owner of its partition reads it."""
        going = set(map(id, records))
        for lane in self._queued:
            kept = [entry for entry in lane.queue if id(entry.record) not in going]
            lost = [entry for entry in lane.queue if id(entry.record) in going]
            lane.queue.clear()
            lane.queue.extend(kept)
            for entry in lost:
                entry.record.abandon()

    async def run(self) -> None:
        """Store what has waited too long in a queue: its customer is slow, others are not."""
        while True:
            await self._has_queued.wait()
            await self._clock.sleep(_AGEING_INTERVAL_S)
            self._queued = {lane for lane in self._queued if lane.queue}
            if not self._queued:
                self._has_queued.clear()
            for lane in self._queued:
                self._store_aged(lane)

    async def stop(self) -> None:
        """End what is being sent: what was not acknowledged is read, or found waiting, again."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def _gather(self, lane: Lane) -> None:
        self._queued.add(lane)
        self._has_queued.set()
        if len(lane.queue) >= lane.speaker.matter.most:
            self._dispatch(lane)
        elif not lane.is_gathering:
            lane.is_gathering = True
            self._spawn(self._gather_then_dispatch(lane))

    async def _gather_then_dispatch(self, lane: Lane) -> None:
        await self._clock.sleep(self._terms.gather_s)
        lane.is_gathering = False
        self._dispatch(lane)

    def _dispatch(self, lane: Lane) -> None:
        while lane.queue and lane.free_slots:
            batch = _take(lane, lane.speaker.matter.most)
            lane.running += 1
            self._spawn(self._deliver_then_go_on(lane, batch))

    async def _deliver_then_go_on(self, lane: Lane, batch: Sequence[Entry]) -> None:
        try:
            await self._deliver(lane, batch)
        finally:
            lane.running -= 1
        self._dispatch(lane)

    async def _deliver(self, lane: Lane, batch: Sequence[Entry]) -> None:
        loaded = await self._load(lane, batch)
        with lane.speaker.speaking_of(loaded.items) as items:
            free = {item.subject_id for item in items}
            busy = [item for item in loaded.items if item.subject_id not in free]
            await self._store_waiting(lane, busy)
            if not items:
                _finish(batch)
            elif lane.is_quiet(self._clock.monotonic()):
                await self._store_waiting(lane, items)
                _finish(batch)
            else:
                await self._send(lane, batch, items)

    async def _send(self, lane: Lane, batch: Sequence[Entry], items: Sequence[Item]) -> None:
        """Send, but hold the records open for no longer than our patience."""
        sending = asyncio.ensure_future(lane.speaker.say(lane.target, lane.breaker, items))
        try:
            stored = await self._store_if_slow(lane, sending, items)
            if stored:
                _finish(batch)
            is_acknowledged = await sending
        finally:
            sending.cancel()
        if is_acknowledged:
            await self._until_stored(lambda: lane.speaker.remember(items))
            await self._until_stored(lambda: self._store.remove_waiting(stored))
        elif not stored:
            await self._store_waiting(lane, items)
        # What is stored is tried again when it is due.
        _finish(batch)

    async def _store_if_slow(
        self, lane: Lane, sending: "asyncio.Future[bool]", items: Sequence[Item]
    ) -> list[Waiting]:
        """Wait for the answer; past our patience store what is being sent, for later."""
        patience = asyncio.ensure_future(self._clock.sleep(self._terms.patience_s))
        racing: list[asyncio.Future[Any]] = [sending, patience]
        await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        patience.cancel()
        if sending.done():
            return []
        until = self._clock.now() + timedelta(seconds=2 * lane.target.timeout_s)
        return await self._store_waiting(lane, items, until)

    def _store_aged(self, lane: Lane) -> None:
        now = self._clock.monotonic()
        excess = len(lane.queue) - self._terms.queue
        aged = sum(now - entry.since > self._terms.patience_s for entry in lane.queue)
        count = max(excess, aged)
        if count > 0:
            self._spawn(self._store_entries(lane, _take(lane, count)))

    async def _store_entries(self, lane: Lane, batch: Sequence[Entry]) -> None:
        loaded = await self._load(lane, batch)
        await self._store_waiting(lane, loaded.items)
        _finish(batch)

    async def _load(self, lane: Lane, batch: Sequence[Entry]) -> Loaded:
        subject_ids = dict.fromkeys(entry.subject_id for entry in batch)
        loaded = await self._until_stored(lambda: lane.speaker.load(subject_ids))
        for entry in batch:
            if entry.subject_id in loaded.unknown:
                entry.record.park("not-settled")
            elif entry.subject_id in loaded.said:
                entry.record.finish()
        return loaded

    async def _store_waiting(
        self, lane: Lane, items: Sequence[Item], next_at: datetime | None = None
    ) -> list[Waiting]:
        if not items:
            return []
        now, target = self._clock.now(), lane.target
        # What a paused endpoint goes on with has an order: that in which it came.
        at = next_at or (now if target.is_paused else next_try_at(now, 1))
        waiting = [
            Waiting(item.subject_id, item.status, target.about, target.account_id, at, now)
            for item in items
        ]
        await self._until_stored(lambda: self._storing.add(waiting))
        self._metrics.record_pushed(target.about, Push.DEFERRED, len(waiting))
        return waiting

    async def _until_stored(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it again while MongoDB is away: the records stay open, their partitions stop."""
        tries = 0
        while True:
            try:
                return await work()
            except Retryable as error:
                tries += 1
                log.warning("the push waits", extra={"why": str(error), "tries": tries})
                await self._clock.sleep(backoff_s(tries))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)


def _take(lane: Lane, count: int) -> list[Entry]:
    return [lane.queue.popleft() for _ in range(min(count, len(lane.queue)))]


def _finish(batch: Sequence[Entry]) -> None:
    for entry in batch:
        entry.record.finish()
