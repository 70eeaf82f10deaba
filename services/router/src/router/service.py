"""Use case of the router: events in, planned attempts out, with one publish for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain import Routable, Task, closed, planned, reason_without_channel, task_of
from router.health_watch import HealthWatch
from router.metrics import RouterMetrics
from router.ports import Publisher
from yizhan_contracts.events import AttemptPlanned
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import Clock
from yizhan_telecom.choice import Choice, Chooser, Facts, Why
from yizhan_telecom.health import Health, State

_USABLE = (State.HEALTHY, State.DEGRADED)
_NOBODY = (Why.NO_ROUTE, Why.NOT_TAKEN)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event, and since when it has been waiting for a channel (None: it has not)."""

    event: Routable
    waits_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again a little later."""

    why: str


class PlanAttempts:
    """Plans and plans again. Stateless with respect to messages: at-least-once, and safe to repeat.

    A repeat may choose another channel for the same attempt; the claim on its id decides.
    """

    def __init__(
        self,
        chooser: Chooser,
        health: Health,
        watch: HealthWatch,
        publisher: Publisher,
        metrics: RouterMetrics,
        clock: Clock,
        *,
        patience_s: float,
    ) -> None:
        self._chooser = chooser
        self._health = health
        self._watch = watch
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._patience_s = patience_s

    async def take(self, arrivals: Sequence[Arrival]) -> list[tuple[int, Wait]]:
        """Plan what follows these events, and publish it; give those that wait, by their place."""
        now, health_now = self._clock.now(), self._watch.advance()
        plans: list[AttemptPlanned] = []
        waiting: list[tuple[int, Wait]] = []
        for at, arrival in enumerate(arrivals):
            plan = self._plan(arrival, now, health_now)
            if isinstance(plan, Wait):
                waiting.append((at, plan))
            elif plan is not None:
                plans.append(plan)
        if plans:
            await self._publisher.publish(plans)
        self._metrics.record_batch(plans, (wait.why for _, wait in waiting))
        return waiting

    def _plan(
        self, arrival: Arrival, now: datetime, health_now: float
    ) -> AttemptPlanned | Wait | None:
        task = task_of(arrival.event)
        if task is None:
            return None
        if now >= task.message.valid_until:
            return closed(task, Reason.VALIDITY_EXPIRED, now)
        if task.n > max(task.message.policy.max_attempts, 1):
            return closed(task, Reason.ATTEMPTS_EXHAUSTED, now)
        facts = Facts.of(task.message, task.n)
        if task.released_by:
            if arrival.waits_since is None:
                self._chooser.released(task.released_by, health_now)
            return self._plan_released(task, facts, arrival.waits_since, now, health_now)
        return self._plan_next(task, facts, arrival.waits_since, now, health_now)

    def _plan_next(
        self,
        task: Task,
        facts: Facts,
        waits_since: datetime | None,
        now: datetime,
        health_now: float,
    ) -> AttemptPlanned | Wait:
        choice = self._choose(facts, health_now, task.tried)
        if choice.channel is None and choice.why is Why.EXHAUSTED and task.may_repeat:
            again = self._choose(facts, health_now)
            choice = again if self._is_usable(again, facts) else choice
        if choice.channel is None:
            return self._without_channel(task, facts, choice, now)
        if choice.is_unreachable and self._is_patient(waits_since, now):
            return Wait("unreachable")
        return planned(task, choice, choice.channel, now)

    def _plan_released(
        self,
        task: Task,
        facts: Facts,
        waits_since: datetime | None,
        now: datetime,
        health_now: float,
    ) -> AttemptPlanned | Wait:
        """Plan the same attempt again: elsewhere at once, where it came from after a wait."""
        avoided = task.tried if waits_since else (*task.tried, task.released_by)
        choice = self._choose(facts, health_now, avoided)
        if choice.channel is None and choice.why in _NOBODY:
            return self._without_channel(task, facts, choice, now)
        if choice.channel is None or not self._is_usable(choice, facts):
            return Wait("released")
        return planned(task, choice, choice.channel, now)

    def _without_channel(
        self, task: Task, facts: Facts, choice: Choice, now: datetime
    ) -> AttemptPlanned | Wait:
        """Close; but wait where one would take it that is only held, draining, maintained ..."""
        table = self._chooser.table
        if choice.why in _NOBODY and table.may_serve_later(facts):
            return Wait("channel-not-usable")
        return closed(task, reason_without_channel(choice, facts, table), now, choice.decision)

    def _choose(self, facts: Facts, health_now: float, tried: Sequence[str] = ()) -> Choice:
        return self._chooser.choose(facts, health_now, tried)

    def _is_usable(self, choice: Choice, facts: Facts) -> bool:
        if choice.channel is None or choice.why is Why.BROKEN:
            return False
        if choice.why is Why.PROBE:
            return True
        return self._health.view(choice.channel, facts.country).state in _USABLE

    def _is_patient(self, waits_since: datetime | None, now: datetime) -> bool:
        waited_s = (now - waits_since).total_seconds() if waits_since else 0.0
        return waited_s < self._patience_s
