"""Pushing later: what could not be said at once is tried again for a day, then parked."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from receipts.metrics import Metrics, Push
from receipts.push.domain import GIVE_UP_AFTER, is_given_up, next_try_at
from receipts.push.lanes import Lane, Lanes
from receipts.push.ports import Waiting, WaitingStore
from yizhan_runtime import Clock, Retryable, backoff_s, get_logger

log = get_logger(__name__)

_BUSY_S = 1.0
_IDLE_S = 2.0
_WOKEN_S = 0.05
"""Between two looks, however often it is woken."""
_LEASE_S = 120.0
_OTHERS_S = 10.0
"""A lane that another instance has is left to it for so long."""
_COUNT_EVERY_S = 15.0
_PARK_EVERY_S = 60.0
_PARK_PAGE = 1000
_BUSY_ELSEWHERE_S = 2.0


class Later:
    """Serves the lanes that have something waiting, each in a task of its own.

    A lane costs nothing while nothing waits in it, and next to nothing while it rests or is paused.
    """

    def __init__(
        self, lanes: Lanes, store: WaitingStore, clock: Clock, metrics: Metrics, owner: str
    ) -> None:
        self._lanes = lanes
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._counted_at = float("-inf")
        self._had_some = True
        self._not_before: dict[str, float] = {}
        """Lanes that are not looked at until then: resting, gone, or another instance's."""
        self._leased_until: dict[str, datetime] = {}

    def wake(self) -> None:
        """Have it look soon: something was stored that is due."""
        self._woken.set()

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
                await self._sleep(pause_s)
        finally:
            for task in self._serving.values():
                task.cancel()

    async def _sleep(self, pause_s: float) -> None:
        """Sleep until the next look, or until it is woken."""
        sleeping = asyncio.ensure_future(self._clock.sleep(pause_s))
        waking = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
        if self._woken.is_set():
            await self._clock.sleep(_WOKEN_S)
            self._woken.clear()

    async def turn(self) -> float:
        """Begin to serve every lane that has something due; give the pause to the next turn."""
        self._collect()
        earliest = await self._store.earliest_waiting()
        now = self._clock.now()
        for lane_id, next_at in earliest.items():
            if next_at <= now and lane_id not in self._serving:
                self._begin(lane_id)
        await self._count(has_some=bool(earliest))
        return _BUSY_S if earliest else _IDLE_S

    def _begin(self, lane_id: str) -> None:
        """Begin with a lane, unless nothing can be done about it now."""
        lane, now = self._lanes.find(lane_id), self._clock.monotonic()
        if lane is not None and lane.target.is_paused:
            return
        if lane is not None and not lane.breaker.is_resting(now):
            if now >= self._not_before.get(lane_id, float("-inf")):
                self._serving[lane_id] = asyncio.ensure_future(self._serve(lane))
            return
        key = f"old {lane_id}"
        if now >= self._not_before.get(key, float("-inf")):
            self._not_before[key] = now + _PARK_EVERY_S
            self._serving[lane_id] = asyncio.ensure_future(self._park_old(lane_id, lane))

    def _collect(self) -> None:
        """Let go of those that are served, and raise what went wrong."""
        for lane_id in [one for one, task in self._serving.items() if task.done()]:
            self._serving.pop(lane_id).result()

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

    async def _serve(self, lane: Lane) -> None:
        until = await self._lease(lane.target.lane_id)
        if until is None:
            return
        most = lane.speaker.matter.most
        while lane.free_slots and not lane.target.is_paused and self._is_good(until):
            # After a rest, one request goes first.
            slots = 1 if lane.breaker.rests else lane.free_slots
            now = self._clock.now()
            due = await self._store.due_of(lane.target.lane_id, now, slots * most)
            chunks = [due[i : i + most] for i in range(0, len(due), most)]
            outcomes = await asyncio.gather(*(self._push(lane, chunk) for chunk in chunks))
            if not chunks or not all(outcomes):
                return

    def _is_good(self, until: datetime) -> bool:
        return self._clock.now() < until - timedelta(seconds=_LEASE_S / 2)

    async def _lease(self, lane_id: str) -> datetime | None:
        """Make the lane ours for a while; None: another instance has it."""
        known = self._leased_until.get(lane_id)
        if known is not None and self._is_good(known):
            return known
        now = self._clock.now()
        until = now + timedelta(seconds=_LEASE_S)
        if await self._store.lease(lane_id, self._owner, now, until):
            self._leased_until[lane_id] = until
            return until
        self._leased_until.pop(lane_id, None)
        self._not_before[lane_id] = self._clock.monotonic() + _OTHERS_S
        return None

    async def _push(self, lane: Lane, waiting: Sequence[Waiting]) -> bool:
        lane.running += 1
        try:
            return await self._say(lane, waiting)
        finally:
            lane.running -= 1

    async def _say(self, lane: Lane, waiting: Sequence[Waiting]) -> bool:
        speaker = lane.speaker
        loaded = await speaker.load(dict.fromkeys(item.subject_id for item in waiting))
        with speaker.speaking_of(loaded.items) as items:
            free = {item.subject_id for item in items}
            is_acknowledged = not items or await speaker.say(lane.target, lane.breaker, items)
            if is_acknowledged:
                await speaker.remember(items)
            now = self._clock.now()
            self._metrics.record_pushed(lane.target.about, Push.GONE, len(loaded.unknown))
            is_done = loaded.said | loaded.unknown | (free if is_acknowledged else set())
            await self._store.remove_waiting([w for w in waiting if w.subject_id in is_done])
            left = [w for w in waiting if w.subject_id not in is_done]
            busy = [w for w in left if w.subject_id not in free]
            await self._store.put_off([_soon(item, now) for item in busy])
            await self._try_again(lane, [w for w in left if w.subject_id in free], now)
        return is_acknowledged

    async def _try_again(self, lane: Lane, failed: Sequence[Waiting], now: datetime) -> None:
        over = {w.waiting_id for w in failed if is_given_up(lane.day_began(w.first_at), now)}
        await self._park([item for item in failed if item.waiting_id in over])
        again = [
            item._replace(tries=item.tries + 1, next_at=next_try_at(now, item.tries + 1))
            for item in failed
            if item.waiting_id not in over
        ]
        await self._store.put_off(again)

    async def _park_old(self, lane_id: str, lane: Lane | None) -> None:
        """Park what has waited for a day at an endpoint that nothing is sent to."""
        before = self._clock.now() - GIVE_UP_AFTER
        if lane is not None and lane.day_began(before) > before:
            return
        while old := await self._store.older_of(lane_id, before, _PARK_PAGE):
            await self._park(old)

    async def _park(self, waiting: Sequence[Waiting]) -> None:
        if waiting:
            await self._store.park(waiting, self._clock.now())
            self._metrics.record_pushed(waiting[0].about, Push.PARKED, len(waiting))
            log.warning("pushes were given up", extra={"items": len(waiting)})


def _soon(waiting: Waiting, now: datetime) -> Waiting:
    return waiting._replace(next_at=now + timedelta(seconds=_BUSY_ELSEWHERE_S))
