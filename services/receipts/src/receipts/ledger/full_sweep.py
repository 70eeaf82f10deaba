"""The slow full sweep: what should have settled and has not, whatever the cursors missed.

It merges ranges of ``messages`` and ``settled``: ids sort by time, so both are range scans. Below
its floor all is settled, so the next sweep begins there; once an hour it begins at the very start
of its reach, for messages whose records came long after their ids were drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from receipts.ledger.catching_up import CatchingUp
from receipts.ledger.consequences import SettledBy, Story
from receipts.ledger.conservation import Leak, is_leak
from receipts.ledger.ports import Position, SweepStore
from receipts.ledger.service import Ledger
from receipts.ledger.sweeper import Acting
from receipts.metrics import Metrics
from yizhan_contracts import ids
from yizhan_runtime import Clock, Retryable, get_logger

log = get_logger(__name__)

_CURSOR: Final = "full-sweep"
_NAMED: Final = 100
_SHARE: Final = 20
"""It rests at least this many times as long as it worked: 5 % of a core at most."""


@dataclass(frozen=True, slots=True)
class FullSweepTerms:
    """How far the full sweep reaches and how often it comes."""

    period_s: float = 60.0
    reach_s: float = 7 * 86_400.0
    """The longest validity and the longest wait for a receipt, with some days to spare."""
    min_age_s: float = 600.0
    """Younger messages are the cursors' business."""
    from_start_every_s: float = 3600.0
    page: int = 5000


class FullSweep:
    """Finds what slipped behind the cursors. Not optional: no message may stay open for ever."""

    def __init__(
        self,
        store: SweepStore,
        ledger: Ledger,
        acting: Acting,
        clock: Clock,
        metrics: Metrics,
        catching_up: CatchingUp,
        terms: FullSweepTerms,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._acting = acting
        self._clock = clock
        self._metrics = metrics
        self._catching_up = catching_up
        self._terms = terms
        self._floor = ""
        self._leaks = 0
        self._from_start_at = float("-inf")
        self._said_until: datetime | None = None

    async def run(self) -> None:
        """Sweep for ever. MongoDB or Kafka away: again, later."""
        while True:
            begun = self._clock.monotonic()
            try:
                if not self._catching_up.is_on():
                    await self.sweep()
            except Retryable as error:
                log.warning("the full sweep waits", extra={"why": str(error)})
            worked_s = self._clock.monotonic() - begun
            await self._clock.sleep(max(self._terms.period_s, _SHARE * worked_s))

    async def sweep(self) -> None:
        """Do what was missed, and say again what a full sweep settled without living to say it."""
        begun = self._clock.now()
        has_acted = await self._repeat()
        has_acted |= await self._walk(begun)
        if has_acted:
            self._said_until = begun
            await self._store.save_cursor(_CURSOR, Position(begun, ""))
        self._metrics.record_early(await self._store.count_early())

    async def _repeat(self) -> bool:
        since = await self._load_said_until()
        settled = await self._store.settled_by_full_sweep(since)
        if settled:
            stories = await self._ledger.look([document["_id"] for document in settled])
            await self._acting.act(stories.values(), SettledBy.FULL_SWEEP)
        return bool(settled)

    async def _load_said_until(self) -> datetime:
        if self._said_until is None:
            saved = await self._store.load_cursor(_CURSOR)
            self._said_until = saved.at if saved else datetime(1970, 1, 1, tzinfo=UTC)
        return self._said_until

    async def _walk(self, now: datetime) -> bool:
        after, below = self._begin(now), _first_id(now, self._terms.min_age_s)
        floor, has_acted = below, False
        self._leaks = 0
        while page := await self._store.message_ids(after, below, self._terms.page):
            settled = await self._store.settled_ids(page[0][0], page[-1][0])
            left = {message_id: at for message_id, at in page if message_id not in settled}
            floor = min(floor, *left) if left else floor
            due = [message_id for message_id, check_at in left.items() if check_at < now]
            has_acted |= await self._act(due)
            after = page[-1][0]
        # Exclusive: the next sweep begins behind it, so it must be smaller than what is still open.
        self._floor = _just_below(floor)
        self._metrics.record_leaks(Leak.UNSETTLED, self._leaks)
        return has_acted

    async def _act(self, message_ids: list[str]) -> bool:
        if not message_ids:
            return False
        stories = await self._ledger.look(message_ids)
        self._name_leaks(stories)
        return await self._acting.act(stories.values(), SettledBy.FULL_SWEEP)

    def _name_leaks(self, stories: Mapping[str, Story]) -> None:
        """Count what waits for nothing any more, and say which: it is acted on next."""
        now = self._clock.now()
        leaks = [message_id for message_id, story in stories.items() if is_leak(story, now)]
        self._leaks += len(leaks)
        if leaks:
            log.error(
                "messages were open past their last deadline",
                extra={"messages": len(leaks), "ids": leaks[:_NAMED]},
            )

    def _begin(self, now: datetime) -> str:
        start = _first_id(now, self._terms.reach_s)
        monotonic = self._clock.monotonic()
        if monotonic - self._from_start_at >= self._terms.from_start_every_s:
            self._from_start_at = monotonic
            return start
        return max(start, self._floor)


def _first_id(now: datetime, ago_s: float) -> str:
    at = now - timedelta(seconds=ago_s)
    return ids.first_message_id(int(at.timestamp() * 1000))


def _just_below(message_id: str) -> str:
    return f"{int(message_id, 16) - 1:032x}"
