"""Pushing later: what could not be said at once is tried again for a day, then parked."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from receipts.metrics import Metrics, Push
from receipts.push.domain import GIVE_UP_AFTER, is_given_up, next_try_at
from receipts.push.lanes import Lane, Lanes
from receipts.push.ports import PushStore, Waiting
from receipts.push.s3 import MAX_RESULTS
from receipts.push.speaker import Speaker
from yizhan_runtime import Clock, Retryable, backoff_s, get_logger

log = get_logger(__name__)

_BUSY_S = 1.0
_IDLE_S = 5.0
_LEASE_S = 120.0
_COUNT_EVERY_S = 15.0
_PARK_EVERY_S = 60.0
_PARK_PAGE = 1000
_BUSY_ELSEWHERE_S = 2.0


class Later:
    """Serves the accounts that have results waiting, each in a task of its own."""

    def __init__(
        self,
        lanes: Lanes,
        store: PushStore,
        speaker: Speaker,
        clock: Clock,
        metrics: Metrics,
        owner: str,
    ) -> None:
        self._lanes = lanes
        self._store = store
        self._speaker = speaker
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._counted_at = float("-inf")
        self._had_some = True
        self._parked_at: dict[str, float] = {}

    async def run(self) -> None:
        """Look for ever, each second while something waits."""
        tries = 0
        try:
            while True:
                try:
                    pause_s = await self.turn()
                    tries = 0
                except Retryable as error:
                    tries += 1
                    log.warning("later pushes wait", extra={"why": str(error), "tries": tries})
                    pause_s = backoff_s(tries)
                await self._clock.sleep(pause_s)
        finally:
            for task in self._serving.values():
                task.cancel()

    async def turn(self) -> float:
        """Begin to serve every account that has something due; give the pause to the next turn."""
        self._collect()
        earliest = await self._store.earliest_waiting()
        now = self._clock.now()
        for account_id, next_at in earliest.items():
            if next_at <= now and account_id not in self._serving:
                task = asyncio.ensure_future(self._serve(account_id))
                self._serving[account_id] = task
        await self._count(has_some=bool(earliest))
        return _BUSY_S if earliest else _IDLE_S

    def _collect(self) -> None:
        """Let go of those that are served, and raise what went wrong."""
        for account_id in [a for a, task in self._serving.items() if task.done()]:
            self._serving.pop(account_id).result()

    async def wait(self) -> None:
        """Wait until all that is being served is served."""
        if self._serving:
            await asyncio.wait(self._serving.values())
        self._collect()

    async def _count(self, *, has_some: bool) -> None:
        now = self._clock.monotonic()
        self._metrics.record_resting_endpoints(self._lanes.count_resting(now))
        if (has_some or self._had_some) and now - self._counted_at >= _COUNT_EVERY_S:
            self._counted_at, self._had_some = now, has_some
            self._metrics.record_push_due(*await self._store.count_waiting())

    async def _serve(self, account_id: str) -> None:
        lane = self._lanes.of(account_id)
        is_resting = lane is None or lane.breaker.is_resting(self._clock.monotonic())
        if is_resting or lane is None:
            await self._park_old(account_id)
            return
        now = self._clock.now()
        until = now + timedelta(seconds=_LEASE_S)
        if not await self._store.lease(account_id, self._owner, now, until):
            return
        while lane.free_slots and self._clock.now() < until - timedelta(seconds=_LEASE_S / 2):
            # After a rest, one request goes first.
            slots = 1 if lane.breaker.rests else lane.free_slots
            due = await self._store.due_of(account_id, self._clock.now(), slots * MAX_RESULTS)
            chunks = [due[i : i + MAX_RESULTS] for i in range(0, len(due), MAX_RESULTS)]
            outcomes = await asyncio.gather(*(self._push(lane, chunk) for chunk in chunks))
            if not chunks or not all(outcomes):
                return

    async def _push(self, lane: Lane, waiting: Sequence[Waiting]) -> bool:
        lane.running += 1
        try:
            return await self._say(lane, waiting)
        finally:
            lane.running -= 1

    async def _say(self, lane: Lane, waiting: Sequence[Waiting]) -> bool:
        loaded = await self._speaker.load({item.message_id for item in waiting})
        with self._speaker.speaking_of(loaded.results) as results:
            free = {result.message_id for result in results}
            is_acknowledged = not results or await self._speaker.say(lane, results)
            if is_acknowledged:
                await self._speaker.remember(results)
            now = self._clock.now()
            is_done = loaded.said | (free if is_acknowledged else set())
            await self._store.remove_waiting([w for w in waiting if w.message_id in is_done])
            left = [w for w in waiting if w.message_id not in is_done]
            busy = [w for w in left if w.message_id not in free]
            await self._store.put_off([_soon(item, now) for item in busy])
            await self._try_again([w for w in left if w.message_id in free], now)
        return is_acknowledged

    async def _try_again(self, failed: Sequence[Waiting], now: datetime) -> None:
        given_up = [item for item in failed if is_given_up(item.first_at, now)]
        await self._park(given_up)
        again = [
            item._replace(tries=item.tries + 1, next_at=next_try_at(now, item.tries + 1))
            for item in failed
            if not is_given_up(item.first_at, now)
        ]
        await self._store.put_off(again)

    async def _park_old(self, account_id: str) -> None:
        """Park what has waited for a day at an endpoint that nothing is sent to."""
        now = self._clock.monotonic()
        if now - self._parked_at.get(account_id, float("-inf")) < _PARK_EVERY_S:
            return
        self._parked_at[account_id] = now
        before = self._clock.now() - GIVE_UP_AFTER
        while old := await self._store.older_of(account_id, before, _PARK_PAGE):
            await self._park(old)

    async def _park(self, waiting: Sequence[Waiting]) -> None:
        if waiting:
            await self._store.park(waiting, self._clock.now())
            self._metrics.record_pushed(Push.PARKED, len(waiting))
            log.warning("results were given up", extra={"results": len(waiting)})


def _soon(waiting: Waiting, now: datetime) -> Waiting:
    return waiting._replace(next_at=now + timedelta(seconds=_BUSY_ELSEWHERE_S))
