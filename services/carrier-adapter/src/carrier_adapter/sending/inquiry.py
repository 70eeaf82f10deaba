"""Looking up who has claimed an attempt, and waiting for others to say what became of theirs."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from carrier_adapter.domain import facts
from carrier_adapter.domain.claims import LOOK_AGAIN_GRACE_S, Claim, Outcome, Verdict, judge
from carrier_adapter.ports import AttemptStore
from carrier_adapter.sending.facts import FactWriter
from carrier_adapter.sending.flight import Flight, Intent
from carrier_adapter.sending.waiting import wait_until
from yizhan_contracts.events import AttemptOutcome
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_MOST = 1_000


class Directory(Protocol):
    """What an inquiry needs to know of channels."""

    def submit_timeout_s(self, channel: str) -> float: ...

    def carrier_account(self, channel: str) -> str: ...


class Inquiry:
    """Judges flights that may have been begun before, in batches of one lookup.

    In doubt of another's claim is published and never stored as the outcome: its owner may only
    have been frozen, and then its own outcome is the truth.
    """

    def __init__(  # noqa: PLR0913 - one port each
        self,
        store: AttemptStore,
        writer: FactWriter,
        directory: Directory,
        clock: Clock,
        incarnation: str,
        *,
        send: Callable[[Flight], None],
        close: Callable[[Flight], None],
        abandon: Callable[[Flight], None],
    ) -> None:
        self._store = store
        self._writer = writer
        self._directory = directory
        self._clock = clock
        self._incarnation = incarnation
        self._send = send
        self._close = close
        self._abandon = abandon
        self._pending: list[Flight] = []
        self._waiting: list[tuple[float, int, Flight]] = []
        self._number = itertools.count()
        self._wake = asyncio.Event()

    def ask(self, flights: Iterable[Flight], intent: Intent) -> None:
        """Look flights up; those that nobody has claimed go the way of ``intent``."""
        for flight in flights:
            flight.intent = intent
            self._pending.append(flight)
        self._wake.set()

    def abandon_revoked(self) -> None:
        """Forget what only waits: the next owner of its record looks for itself."""
        for flight in [f for f in self._pending if f.opened.is_revoked]:
            self._pending.remove(flight)
            self._abandon(flight)
        going = [entry for entry in self._waiting if entry[2].opened.is_revoked]
        self._waiting = [entry for entry in self._waiting if not entry[2].opened.is_revoked]
        heapq.heapify(self._waiting)
        for _due, _number, flight in going:
            self._abandon(flight)

    async def run(self) -> None:
        """Work for ever; sleeps while there is nothing to look up."""
        while True:
            self._pending.extend(self._due())
            if not self._pending:
                await wait_until(self._wake, self._clock, self._seconds_to_next())
                self._wake.clear()
                continue
            batch, self._pending = self._pending[:_MOST], self._pending[_MOST:]
            await self._look(batch)

    def _due(self) -> list[Flight]:
        now, due = self._clock.monotonic(), []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2])
        return due

    def _seconds_to_next(self) -> float | None:
        return self._waiting[0][0] - self._clock.monotonic() if self._waiting else None

    async def _look(self, batch: Sequence[Flight]) -> None:
        claims, outcomes = await self._load([flight.attempt_id for flight in batch])
        for flight in batch:
            claim = claims.get(flight.attempt_id)
            self._act(flight, claim, outcomes.get(flight.attempt_id))

    async def _load(
        self, attempt_ids: Sequence[str]
    ) -> tuple[dict[str, Claim], dict[str, Outcome]]:
        """Load claims first: an outcome is written after its claim, so none is overlooked."""
        tries = 0
        while True:
            try:
                claims = await self._store.load_claims(attempt_ids)
                return claims, await self._store.load_outcomes(claims) if claims else {}
            except Retryable as error:
                tries += 1
                log.warning("lookups wait", extra={"why": str(error), "attempts": len(attempt_ids)})
                await self._clock.sleep(backoff_s(tries))

    def _act(self, flight: Flight, claim: Claim | None, outcome: Outcome | None) -> None:
        verdict = judge(claim, outcome, self._incarnation)
        if verdict is Verdict.FREE or claim is None:
            self._begin(flight)
        elif verdict is Verdict.CLOSED:
            self._close(flight)
        elif verdict is Verdict.CANCELLED:
            self._report(flight, AttemptOutcome.UNROUTABLE, Reason.CANCELLED)
        elif verdict is Verdict.FINISHED and outcome is not None:
            self._writer.repeat(flight, outcome)
        elif verdict is Verdict.MINE:
            self._take_up(flight, claim)
        else:
            self._doubt(flight, claim)

    def _begin(self, flight: Flight) -> None:
        now = self._clock.now()
        if flight.opened.is_revoked:
            self._abandon(flight)
        elif flight.intent is Intent.RELEASE and not flight.is_late(now):
            self._report(flight, AttemptOutcome.RELEASED, Reason.CHANNEL_DOWN)
        elif flight.is_late(now):
            self._report(flight, AttemptOutcome.EXPIRED, Reason.VALIDITY_EXPIRED)
        else:
            self._send(flight)

    def _report(self, flight: Flight, outcome: AttemptOutcome, reason: Reason) -> None:
        account = self._directory.carrier_account(flight.plan.channel)
        fact = facts.unclaimed(flight.plan, account, outcome, reason, self._clock.now())
        self._writer.report(flight, fact)

    def _take_up(self, flight: Flight, claim: Claim) -> None:
        """Send what an insert that timed out had claimed for us: its age counts from there."""
        age_s = max(0.0, (self._clock.now() - claim.at).total_seconds())
        flight.claimed_at = claim.at
        flight.claimed_mono = self._clock.monotonic() - age_s
        self._send(flight)

    def _doubt(self, flight: Flight, claim: Claim) -> None:
        now = self._clock.monotonic()
        if flight.foreign_claim is None:
            flight.foreign_claim, flight.foreign_since = claim, now
        timeout_s = self._directory.submit_timeout_s(claim.channel) + LOOK_AGAIN_GRACE_S
        due = flight.foreign_since + timeout_s
        if now < due:
            heapq.heappush(self._waiting, (due, next(self._number), flight))
            return
        log.warning("a claim's owner is silent", extra={"attempt_id": flight.attempt_id})
        account = self._directory.carrier_account(claim.channel)
        fact = facts.in_doubt_of_another(flight.plan, claim, account, self._clock.now())
        self._writer.report(flight, fact)
