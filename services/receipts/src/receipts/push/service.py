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
from receipts.push.lanes import Entry, Lane, Lanes
from receipts.push.ports import PushStore, Waiting
from receipts.push.s3 import MAX_RESULTS, Result
from receipts.push.speaker import Loaded, Speaker
from yizhan_contracts.events import MessageSettled, VoiceRequested
from yizhan_runtime import Clock, OpenRecord, Retryable, backoff_s, get_logger

log = get_logger(__name__)

T = TypeVar("T")
_AGEING_INTERVAL_S = 0.25


@dataclass(frozen=True, slots=True)
class PushTerms:
    """How long things may take."""

    gather_s: float = 0.05
    """A result waits this long for others to go with it: a POST costs a hundred times a result."""
    patience_s: float = 1.0
    queue: int = 1000


class Pusher:
    """Takes records in, gives each lane its own, and sends up to MAX_RESULTS of them in a POST."""

    def __init__(
        self,
        lanes: Lanes,
        store: PushStore,
        speaker: Speaker,
        clock: Clock,
        metrics: Metrics,
        terms: PushTerms,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._lanes = lanes
        self._store = store
        self._speaker = speaker
        self._clock = clock
        self._metrics = metrics
        self._terms = terms
        self._fail = fail
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_queued = asyncio.Event()

    def take(self, records: Sequence[OpenRecord[Any]]) -> None:
        """Queue what the records ask for. Never waits."""
        now = self._clock.monotonic()
        for record in records:
            event: MessageSettled | VoiceRequested = record.record.event
            lane = self._lanes.of(event.account_id)
            if lane is None:
                self._metrics.record_pushed(Push.NOBODY, 1)
                record.finish()
            elif isinstance(event, VoiceRequested) and not event.sms_failed:
                record.finish()
            else:
                lane.queue.append(Entry(event.message_id, record, now))
                self._gather(lane)

    def forget(self, records: Collection[OpenRecord[Any]]) -> None:
        """Give up what has not begun: the next owner of its partition reads it."""
        going = set(map(id, records))
        for lane in self._lanes:
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
            waiting = [lane for lane in self._lanes if lane.queue]
            if not waiting:
                self._has_queued.clear()
            for lane in waiting:
                self._store_aged(lane)

    async def stop(self) -> None:
        """End what is being sent: what was not acknowledged is read, or found waiting, again."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def _gather(self, lane: Lane) -> None:
        self._has_queued.set()
        if len(lane.queue) >= MAX_RESULTS:
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
            batch = _take(lane, MAX_RESULTS)
            lane.running += 1
            self._spawn(self._deliver_then_go_on(lane, batch))

    async def _deliver_then_go_on(self, lane: Lane, batch: Sequence[Entry]) -> None:
        try:
            await self._deliver(lane, batch)
        finally:
            lane.running -= 1
        self._dispatch(lane)

    async def _deliver(self, lane: Lane, batch: Sequence[Entry]) -> None:
        loaded = await self._load(batch)
        with self._speaker.speaking_of(loaded.results) as results:
            free = {result.message_id for result in results}
            busy = [r for r in loaded.results if r.message_id not in free]
            await self._store_waiting(lane, busy)
            if not results:
                _finish(batch)
            elif lane.breaker.is_resting(self._clock.monotonic()):
                await self._store_waiting(lane, results)
                _finish(batch)
            else:
                await self._send(lane, batch, results)

    async def _send(self, lane: Lane, batch: Sequence[Entry], results: list[Result]) -> None:
        """Send, but hold the records open for no longer than our patience."""
        sending = asyncio.ensure_future(self._speaker.say(lane, results))
        try:
            stored = await self._store_if_slow(lane, sending, results)
            if stored:
                _finish(batch)
            is_acknowledged = await sending
        finally:
            sending.cancel()
        if is_acknowledged:
            await self._until_stored(lambda: self._speaker.remember(results))
            await self._until_stored(lambda: self._store.remove_waiting(stored))
        elif not stored:
            await self._store_waiting(lane, results)
        # What is stored is tried again when it is due.
        _finish(batch)

    async def _store_if_slow(
        self, lane: Lane, sending: "asyncio.Future[bool]", results: Sequence[Result]
    ) -> list[Waiting]:
        """Wait for the answer; past our patience store what is being sent, for later."""
        patience = asyncio.ensure_future(self._clock.sleep(self._terms.patience_s))
        racing: list[asyncio.Future[Any]] = [sending, patience]
        await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        patience.cancel()
        if sending.done():
            return []
        until = self._clock.now() + timedelta(seconds=2 * lane.endpoint.timeout_s)
        return await self._store_waiting(lane, results, until)

    def _store_aged(self, lane: Lane) -> None:
        now = self._clock.monotonic()
        excess = len(lane.queue) - self._terms.queue
        aged = sum(now - entry.since > self._terms.patience_s for entry in lane.queue)
        count = max(excess, aged)
        if count > 0:
            self._spawn(self._store_entries(lane, _take(lane, count)))

    async def _store_entries(self, lane: Lane, batch: Sequence[Entry]) -> None:
        loaded = await self._load(batch)
        await self._store_waiting(lane, loaded.results)
        _finish(batch)

    async def _load(self, batch: Sequence[Entry]) -> Loaded:
        message_ids = {entry.message_id for entry in batch}
        loaded = await self._until_stored(lambda: self._speaker.load(message_ids))
        for entry in batch:
            if entry.message_id in loaded.unknown:
                entry.record.park("not-settled")
            elif entry.message_id in loaded.said:
                entry.record.finish()
        return loaded

    async def _store_waiting(
        self, lane: Lane, results: Sequence[Result], next_at: datetime | None = None
    ) -> list[Waiting]:
        if not results:
            return []
        now = self._clock.now()
        at = next_at or next_try_at(now, 1)
        waiting = [Waiting(r.message_id, r.status, lane.account_id, at, now) for r in results]
        await self._until_stored(lambda: self._store.save_waiting(waiting))
        self._metrics.record_pushed(Push.DEFERRED, len(waiting))
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
