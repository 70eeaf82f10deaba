"""Carrying replays out: at a bounded pace, behind whatever else goes to the same endpoint.

A replay is a stored job with a cursor. One instance at a time carries a lane's replays out; should
it die, another goes on from the last page that was acknowledged: that page may be said twice.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from receipts.metrics import Metrics, Push
from receipts.push.domain import is_given_up
from receipts.push.lanes import Lane, Lanes
from receipts.push.ports import Place, WaitingStore
from receipts.push.replays import Progress, Replay, ReplayStore, Source
from yizhan_runtime import Clock, Permanent, Retryable, backoff_s, get_logger
from yizhan_runtime.repeating import repeat

log = get_logger(__name__)

_MOST_AT_ONCE = 16
_LISTED = 200
_UNPARK_PAGE = 1000


@dataclass(frozen=True, slots=True)
class ReplayTerms:
    """How fast, and for how long."""

    per_s: float = 500.0
    """Items a second to one endpoint, at most."""
    lease_s: float = 15.0
    """So long after its instance died, another carries a replay on."""
    look_s: float = 1.0


class Replaying:
    """Carries out what ``ReplayStore`` lists as running. ``run`` must be running."""

    def __init__(
        self,
        lanes: Lanes,
        jobs: ReplayStore,
        waiting: WaitingStore,
        clock: Clock,
        metrics: Metrics,
        owner: str,
        terms: ReplayTerms,
    ) -> None:
        self._lanes = lanes
        self._jobs = jobs
        self._waiting = waiting
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._terms = terms
        self._going: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look for replays for ever."""
        try:
            await repeat(self._turn_and_pause, self._clock, "the look for replays")
        finally:
            for task in self._going.values():
                task.cancel()

    async def _turn_and_pause(self) -> float:
        await self.turn()
        return self._terms.look_s

    async def turn(self) -> None:
        """Begin with what runs and nobody carries out: of each lane, its oldest."""
        for lane_id in [one for one, task in self._going.items() if task.done()]:
            self._going.pop(lane_id).result()
        for job in await self._jobs.running(_LISTED):
            if len(self._going) >= _MOST_AT_ONCE:
                return
            if job.lane_id not in self._going:
                self._going[job.lane_id] = asyncio.ensure_future(self._carry_out(job))

    async def wait(self) -> None:
        """Wait until all that was begun has ended, or is left to another instance."""
        if self._going:
            await asyncio.wait(self._going.values())

    async def _carry_out(self, job: Replay) -> None:
        tries = 0
        going: Replay | None = job
        while going is not None:
            try:
                if not await self._has_lease(going):
                    return
                going = await self._step(going)
                tries = 0
            except Retryable as error:
                tries += 1
                log.warning("a replay waits", extra={"why": str(error), "tries": tries})
                await self._clock.sleep(backoff_s(tries))
            except Permanent as error:
                await self._end(job, Progress.FAILED, str(error))
                return

    async def _has_lease(self, job: Replay) -> bool:
        now, lane = self._clock.now(), self._lanes.find(job.lane_id)
        # No request that is being sent outlives it.
        timeout_s = lane.target.timeout_s if lane is not None else 0.0
        until = now + timedelta(seconds=self._terms.lease_s + timeout_s)
        return await self._waiting.lease(f"replay {job.lane_id}", self._owner, now, until)

    async def _step(self, job: Replay) -> Replay | None:
        """Do one page, or wait; give the job as it is then, None once it has ended."""
        if job.source is Source.PARKED:
            return await self._unpark(job)
        lane = self._lanes.find(job.lane_id)
        if lane is None:
            await self._end(job, Progress.FAILED, "the endpoint is not there any more")
            return None
        if not lane.target.is_paused and is_given_up(
            lane.day_began(job.moved_at), self._clock.now()
        ):
            await self._end(job, Progress.FAILED, "nothing was acknowledged for a day")
            return None
        if not _has_room(lane, self._clock.monotonic()):
            return await self._wait(job, self._terms.look_s)
        most = lane.speaker.matter.most
        places = await lane.speaker.matter.page(job.account_id, job.after, job.below, most)
        if not places:
            await self._end(job, Progress.DONE)
            return None
        return await self._say(job, lane, places)

    async def _say(self, job: Replay, lane: Lane, places: list[Place]) -> Replay | None:
        begun = self._clock.monotonic()
        speaker = lane.speaker
        loaded = await speaker.load_again([place.subject_id for place in places])
        wanted = [item for item in loaded if job.status in ("", item.status)]
        lane.running += 1
        try:
            with speaker.speaking_of(wanted) as items:
                is_taken = not items or await speaker.say(lane.target, lane.breaker, items)
                if is_taken:
                    await speaker.remember(items)
        finally:
            lane.running -= 1
        if not is_taken:
            return await self._wait(job, self._terms.look_s)
        self._metrics.record_pushed(job.about, Push.REPLAYED, len(items))
        moved = job.moved(places[-1].position, len(items), self._clock.now())
        if not await self._jobs.save(moved):
            return None
        took_s = self._clock.monotonic() - begun
        await self._clock.sleep(max(0.0, len(places) / self._terms.per_s - took_s))
        return moved

    async def _unpark(self, job: Replay) -> Replay | None:
        """Have a page of what was given up wait again, from now, for a day."""
        now = self._clock.now()
        parked = await self._waiting.parked_of(
            job.lane_id, job.since, job.until, job.status, _UNPARK_PAGE
        )
        if not parked:
            await self._end(job, Progress.DONE)
            return None
        again = [one._replace(next_at=now, first_at=now, tries=0) for one in parked]
        await self._waiting.unpark(again)
        moved = job.moved(job.after, len(parked), now)
        return moved if await self._jobs.save(moved) else None

    async def _wait(self, job: Replay, seconds: float) -> Replay | None:
        """Wait for the endpoint; see whether the replay is still wanted."""
        await self._clock.sleep(seconds)
        known = await self._jobs.find(job.replay_id)
        return job if known is not None and known.progress is Progress.RUNNING else None

    async def _end(self, job: Replay, progress: Progress, why: str = "") -> None:
        await self._jobs.save(job.ended(progress, self._clock.now(), why))
        log.info(
            "a replay ended",
            extra={"account_id": job.account_id, "progress": progress.value, "items": job.items},
        )


def _has_room(lane: Lane, now: float) -> bool:
    """Tell whether a replay may use a slot: nothing new waits for one."""
    return not lane.is_quiet(now) and lane.free_slots > 0 and not lane.queue
