"""What nobody says: receipts that do not come, attempts that were never made, deadlines that pass.

The sweeper walks two indexed times from a cursor to a moment ago, asks what is settled by now,
and acts on the rest. It acts, publishes, and only then saves the cursor; whatever it does is
keyed by ids, so two sweepers do no harm. What slipped behind the cursor is found by the slow full
sweep (``full_sweep``).
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from receipts.ledger.catching_up import CatchingUp
from receipts.ledger.consequences import Consequences, Decided, SettledBy, Story
from receipts.ledger.decisions import (
    Action,
    Call,
    HoldBack,
    Repeat,
    Reroute,
    Settle,
    decide_swept,
    overdue_attempts,
)
from receipts.ledger.deliveries import Deliveries
from receipts.ledger.feeds import Feeds
from receipts.ledger.ports import Due, Position, SweepStore
from receipts.ledger.service import Ledger
from receipts.metrics import Metrics, Sweep
from yizhan_runtime import Clock
from yizhan_runtime.repeating import repeat

Look = Callable[[Position, datetime, int], Awaitable[list[Due]]]

_BEGINNING: Final = Position(datetime(1970, 1, 1, tzinfo=UTC), "")
_SAVE_EVERY_S: Final = 60.0
"""A cursor that moved past settled messages only is saved rarely: it may walk there again."""


@dataclass(frozen=True, slots=True)
class SweepTerms:
    """How the sweeper goes about it."""

    margin_s: float = 2.0
    """How long a document may take from its time of insertion until it can be seen."""
    busy_period_s: float = 1.0
    idle_period_s: float = 5.0
    page: int = 500


class Sweeper:
    """Walks ``receipt_due_at`` of facts and ``check_at`` of messages."""

    def __init__(
        self,
        store: SweepStore,
        ledger: Ledger,
        acting: "Acting",
        clock: Clock,
        metrics: Metrics,
        catching_up: CatchingUp,
        terms: SweepTerms,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._acting = acting
        self._clock = clock
        self._metrics = metrics
        self._catching_up = catching_up
        self._terms = terms
        self._walks = [
            _Walk("receipt_due_at", store.due_facts),
            _Walk("check_at", store.due_messages),
        ]

    async def run(self) -> None:
        """Sweep for ever. MongoDB or Kafka away: again, later."""
        await repeat(self._sweep_or_wait, self._clock, "the sweep")

    async def _sweep_or_wait(self) -> float:
        if self._catching_up.is_on():
            return self._terms.busy_period_s
        until = await self.sweep()
        next_due = await self._store.next_due(until)
        if next_due is None:
            return self._terms.idle_period_s
        left_s = (next_due - until).total_seconds()
        return min(max(left_s, self._terms.busy_period_s), self._terms.idle_period_s)

    async def sweep(self) -> datetime:
        """Do all that is due; give the time up to which that is."""
        until = self._clock.now() - timedelta(seconds=self._terms.margin_s)
        done: set[str] = set()
        for walk in self._walks:
            await self._walk(walk, until, done)
        self._metrics.record_sweep(self._clock.now())
        return until

    async def _walk(self, walk: "_Walk", until: datetime, done: set[str]) -> None:
        if walk.position is None:
            walk.position = await self._store.load_cursor(walk.name) or _BEGINNING
        while True:
            due = await walk.look(walk.position, until, self._terms.page)
            if not due:
                return
            has_acted = await self._do(due, done)
            walk.position = due[-1].position
            if has_acted or self._clock.monotonic() - walk.saved_at > _SAVE_EVERY_S:
                await self._store.save_cursor(walk.name, walk.position)
                walk.saved_at = self._clock.monotonic()
            if len(due) < self._terms.page:
                return

    async def _do(self, due: Sequence[Due], done: set[str]) -> bool:
        """Act on what is not settled; say again what a sweep settled and may not have said."""
        message_ids = {item.message_id for item in due} - done
        settlers = await self._store.settlers_of(message_ids)
        repeated = {i for i, settler in settlers.items() if settler == SettledBy.SWEEP}
        left = (message_ids - settlers.keys()) | repeated
        if not left:
            return False
        done |= left
        stories = await self._ledger.look(left)
        self._acting.count_overdue(due, stories)
        return await self._acting.act(stories.values(), SettledBy.SWEEP)


@dataclass(slots=True)
class _Walk:
    """One indexed time, and how far it has been walked."""

    name: str
    look: Look
    position: Position | None = None
    saved_at: float = float("-inf")


class Acting:
    """What both sweeps do about a message whose time has come."""

    def __init__(
        self,
        consequences: Consequences,
        clock: Clock,
        metrics: Metrics,
        deliveries: Deliveries,
        feeds: Feeds,
    ) -> None:
        self._consequences = consequences
        self._clock = clock
        self._metrics = metrics
        self._deliveries = deliveries
        self._feeds = feeds

    async def act(self, stories: Collection[Story], settled_by: SettledBy) -> bool:
        """Do what follows by now. False: there was nothing to do."""
        actions = self._decide(stories)
        changed = await self._feeds.after_silence(stories, actions)
        decided = [
            Decided(story.state.accepted, story, action)
            for story in stories
            if story.state.accepted is not None
            for message_id in (story.state.accepted.message_id,)
            for action in (changed.get(message_id, actions.get(message_id)),)
            if action is not None
        ]
        await self._consequences.act(decided, settled_by)
        for decision in decided:
            self._count(decision.action)
        return bool(decided)

    def _decide(self, stories: Collection[Story]) -> dict[str, Action]:
        now = self._clock.now()
        return {
            story.state.accepted.message_id: action
            for story in stories
            if story.state.accepted is not None
            for action in (
                decide_swept(story.state, is_settled=story.settled is not None, now=now),
            )
            if action is not None
        }

    def count_overdue(self, due: Sequence[Due], stories: dict[str, Story]) -> None:
        """Count the attempts whose receipts these are, for the router."""
        now = self._clock.now()
        times = {(item.message_id, item.position.at) for item in due}
        for message_id, story in stories.items():
            if story.settled is not None or story.state.accepted is None:
                continue
            for attempt in overdue_attempts(story.state, now):
                if (message_id, attempt.own_due_at) in times:
                    self._deliveries.count_overdue(attempt.channel, story.state.accepted.country)

    def _count(self, action: Action) -> None:
        match action:
            case Settle():
                self._metrics.record_swept(Sweep.SETTLED)
            case Call():
                self._metrics.record_swept(Sweep.CALL)
            case Reroute():
                self._metrics.record_swept(Sweep.REROUTE)
            case HoldBack():
                self._metrics.record_swept(Sweep.HELD_BACK)
            case Repeat():
                pass
