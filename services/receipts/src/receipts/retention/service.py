"""Taking out what has been kept for long enough: whole weeks for nothing, the rest in paced bites.

At-least-once: what is taken out again was gone. A cursor for each stage and account, saved after
every page, says how far it is; it never passes a message that is still open. Two instances at a
time do no harm, a lease keeps them from it.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from receipts.ledger.adapters.collections import CONTENTS, FACTS, MESSAGES, PUSHES, SETTLED
from receipts.ledger.weeks import Week
from receipts.metrics import Metrics
from receipts.retention.policy import Policies, Stage
from receipts.retention.ports import KeptBeside, KeptLedger
from yizhan_runtime import Clock, Retryable, get_logger

log = get_logger(__name__)

_DROPPED_IN_ORDER: Final = (CONTENTS, FACTS, PUSHES, MESSAGES, SETTLED)
"""``settled`` goes last: without it messages would look open, and keep their week for ever."""

_QUIET_DAYS: Final = 45
"""After so long nobody writes to a week: a DLQ keeps records for 39 days from their event."""


@dataclass(frozen=True, slots=True)
class RetentionTerms:
    """How often, and how hard, it works."""

    period_s: float = 3600.0
    page: int = 1000
    share: float = 0.1
    """Of the time, at most: it rests after every page."""
    lease_s: float = 600.0


class Retention:
    """Takes out what is due, again and again."""

    def __init__(
        self,
        ledger: KeptLedger,
        beside: KeptBeside,
        policies: Policies,
        clock: Clock,
        metrics: Metrics,
        owner: str,
        terms: RetentionTerms,
    ) -> None:
        self._ledger = ledger
        self._beside = beside
        self._of_file = policies
        self._policies = policies
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._terms = terms

    async def run(self) -> None:
        """Work for ever. MongoDB away: again, later."""
        while True:
            try:
                await self.turn()
            except Retryable as error:
                log.warning("retention waits", extra={"why": str(error)})
            await self._clock.sleep(self._terms.period_s)

    async def turn(self) -> bool:
        """Take out all that is due by now. False: another instance is at it."""
        now = self._clock.now()
        # Whoever works: every instance has to learn of older weeks that another has begun.
        await self._ledger.parts()
        if not await self._renew():
            return False
        self._policies = self._of_file.with_own(await self._beside.policies())
        await self._drop_weeks(now)
        left = await self._ledger.parts()
        await self._take_out(Stage.CONTENTS, left, now, self._ledger.remove_contents)
        await self._take_numbers_out_of_weeks(left, now)
        await self._take_out(
            Stage.NUMBERS, left, now, lambda ids: self._ledger.remove_numbers(ids, now)
        )
        await self._take_out(Stage.ALL, left, now, lambda ids: self._ledger.remove_all(ids, now))
        await self._beside_the_ledger(now)
        self._metrics.record_retention(now, _oldest_of(await self._ledger.parts()))
        return True

    async def _renew(self) -> bool:
        now = self._clock.now()
        return await self._beside.lease(
            self._owner, now, now + timedelta(seconds=self._terms.lease_s)
        )

    # ---- whole weeks ------------------------------------------------------------------

    async def _drop_weeks(self, now: datetime) -> None:
        due = [part for part in await self._ledger.parts() if self._is_due(*part, now)]
        waiting = 0
        for week in sorted({week for _, week in due}):
            if await self._ledger.has_open(week):
                waiting += 1
                log.error(
                    "a week that is due is kept: a message of it has not settled",
                    extra={"week": week.name},
                )
                continue
            for kind in sorted((k for k, its in due if its == week), key=_DROPPED_IN_ORDER.index):
                await self._ledger.drop(kind, week)
                self._metrics.record_removed(f"{kind}-week", 1)
                log.info("a week is dropped", extra={"kind": kind, "week": week.name})
        self._metrics.record_weeks_kept(waiting)

    def _is_due(self, kind: str, week: Week, now: datetime) -> bool:
        stage = Stage.CONTENTS if kind == CONTENTS else Stage.ALL
        return week.ends_at + timedelta(days=self._policies.longest(stage)) <= now

    async def _take_numbers_out_of_weeks(
        self, parts: Iterable[tuple[str, Week]], now: datetime
    ) -> None:
        """Write weeks anew without numbers: a tenth of what it costs to take them out one by one.

        Only weeks to which nobody writes any more; one with an open message waits, but what of it
        has settled does not.
        """
        before = now - timedelta(days=self._policies.longest(Stage.NUMBERS))
        if not self._goes_by_weeks(Stage.NUMBERS):
            return
        for week in sorted(week for kind, week in parts if kind == MESSAGES):
            if week.ends_at > before or await self._beside.is_without_numbers(week):
                continue
            if await self._ledger.has_open(week):
                await self._take_out_of_week(week, now)
                continue
            await self._ledger.remove_numbers_of_week(week, now)
            await self._beside.save_without_numbers(week)
            self._metrics.record_removed("numbers-week", 1)
            log.info("a week has lost its numbers", extra={"week": week.name})

    async def _take_out_of_week(self, week: Week, now: datetime) -> None:
        for account_id in sorted(await self._ledger.accounts_in([week])):
            await self._take_out_of(
                Stage.NUMBERS,
                account_id,
                week.next.first_id,
                lambda ids: self._ledger.remove_numbers(ids, now),
            )

    def _goes_by_weeks(self, stage: Stage) -> bool:
        """Say whether whole weeks lose what goes at a stage, once it is due of all accounts."""
        return stage is not Stage.NUMBERS or self._policies.longest(stage) >= _QUIET_DAYS

    # ---- by account -------------------------------------------------------------------

    async def _take_out(
        self,
        stage: Stage,
        parts: Iterable[tuple[str, Week]],
        now: datetime,
        remove: Callable[[list[str]], Awaitable[int]],
    ) -> None:
        """Take out of the messages of each account what a week's drop does not, or not in time."""
        kind = CONTENTS if stage is Stage.CONTENTS else MESSAGES
        begun = now - timedelta(days=self._policies.shortest(stage))
        weeks = [week for its, week in parts if its == kind and week.begins_at < begun]
        account_ids = await self._ledger.accounts_in(weeks)
        if self._goes_by_weeks(stage):
            account_ids = set(self._policies.shorter_than_longest(stage, account_ids))
        for account_id in sorted(account_ids):
            below = self._policies.of(account_id).below(stage, now)
            await self._take_out_of(stage, account_id, below, remove)

    async def _take_out_of(
        self,
        stage: Stage,
        account_id: str,
        below: str,
        remove: Callable[[list[str]], Awaitable[int]],
    ) -> None:
        after = await self._beside.cursor(stage, account_id) or "0" * 32
        first_open = ""
        while True:
            begun = self._clock.monotonic()
            page = await self._ledger.ids_of_account(account_id, after, below, self._terms.page)
            if not page:
                break
            settled = await self._ledger.settled_among(page)
            self._metrics.record_removed(stage, await remove(sorted(settled)))
            left = [message_id for message_id in page if message_id not in settled]
            first_open = first_open or next(iter(left), "")
            after = page[-1]
            if not first_open:
                await self._beside.save_cursor(stage, account_id, after)
            await self._rest(self._clock.monotonic() - begun)
        if first_open:
            # The next run begins before it: what lies behind it is looked at again until it ends.
            await self._beside.save_cursor(stage, account_id, f"{int(first_open, 16) - 1:032x}")
            log.warning(
                "a message that is past its retention has not settled: it stays",
                extra={"account_id": account_id, "message_id": first_open},
            )

    async def _rest(self, worked_s: float) -> None:
        share = self._terms.share
        await self._clock.sleep(worked_s * (1 - share) / share)
        await self._renew()

    # ---- beside the ledger ------------------------------------------------------------

    async def _beside_the_ledger(self, now: datetime) -> None:
        for account_id in sorted(await self._beside.accounts()):
            policy = self._policies.of(account_id)
            for stage in Stage:
                before = policy.before(stage, now)
                taken = await self._beside.remove_replies(stage, account_id, before, now)
                self._metrics.record_removed(f"replies-{stage}", taken)
            given_up = await self._beside.remove_given_up(account_id, policy.before(Stage.ALL, now))
            self._metrics.record_removed("given-up-pushes", given_up)


def _oldest_of(parts: Iterable[tuple[str, Week]]) -> dict[str, datetime]:
    """Give the beginning of the oldest week that there is of each kind."""
    oldest: dict[str, datetime] = {}
    for kind, week in parts:
        oldest[kind] = min(week.begins_at, oldest.get(kind, week.begins_at))
    return oldest
