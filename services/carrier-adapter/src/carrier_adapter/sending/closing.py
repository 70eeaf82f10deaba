"""What nobody will send: reported only once its claim is taken, so that nobody can.

That is what has no route (the channel ``none``), and what is held and to be cancelled.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from carrier_adapter.domain.claims import Claim, ClaimKind
from carrier_adapter.domain.facts import unclaimed
from carrier_adapter.ports import AttemptStore
from carrier_adapter.sending.facts import FactWriter
from carrier_adapter.sending.flight import Flight
from yizhan_contracts import ids
from yizhan_contracts.events import NO_CHANNEL, AttemptFinished, AttemptOutcome, AttemptPlanned
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_MOST = 200


class Closing:
    """Takes the claims of attempt n and later before it says that n has no route.

    If a carrier-adapter has claimed one of them for a real channel, the router had changed its mind
    after a crash, and that channel speaks for the message. Of a cancelled attempt its own claim is
    taken: another adapter may not have heard of the hold, or hear of it no longer.
    """

    def __init__(
        self,
        store: AttemptStore,
        writer: FactWriter,
        clock: Clock,
        incarnation: str,
        look: Callable[[Flight], None],
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._incarnation = incarnation
        self._look = look
        self._pending: list[Flight] = []
        self._wake = asyncio.Event()

    def put(self, flight: Flight) -> None:
        """Close a flight on the channel ``none``; cancel one on any other."""
        self._pending.append(flight)
        self._wake.set()

    def pull_revoked(self) -> list[Flight]:
        """Take out what is not begun and belongs to others now."""
        going = [flight for flight in self._pending if flight.opened.is_revoked]
        self._pending = [flight for flight in self._pending if not flight.opened.is_revoked]
        return going

    async def run(self) -> None:
        """Work for ever; sleeps while there is nothing to report."""
        while True:
            await self._wake.wait()
            batch, self._pending = self._pending[:_MOST], self._pending[_MOST:]
            if not self._pending:
                self._wake.clear()
            if batch:
                await self._close(batch)

    async def _close(self, batch: Sequence[Flight]) -> None:
        there = await self._take_claims([flight.plan for flight in batch])
        for flight in batch:
            if flight.plan.channel == NO_CHANNEL:
                self._report_closed(flight, there)
            elif flight.attempt_id in there:
                self._look(flight)
            else:
                self._writer.report(flight, self._fact(flight.plan, Reason.CANCELLED))

    def _report_closed(self, flight: Flight, there: Mapping[str, Claim]) -> None:
        plan = flight.plan
        found = [there[attempt_id] for attempt_id in _from(plan) if attempt_id in there]
        if any(claim.kind is not ClaimKind.CLOSED for claim in found):
            log.info("a route was found after all", extra={"attempt_id": plan.attempt_id})
            self._writer.drop(flight)
        else:
            self._writer.report(flight, self._fact(plan, plan.reason or Reason.NO_ROUTE))

    async def _take_claims(self, plans: Sequence[AttemptPlanned]) -> dict[str, Claim]:
        """Take what nobody has claimed, and give the claims that were there already."""
        now = self._clock.now()
        wanted = {
            attempt_id: Claim(attempt_id, n, plan.channel, self._incarnation, _kind(plan), now)
            for plan in plans
            for attempt_id, n in _from(plan).items()
        }
        tries = 0
        while True:
            try:
                there = await self._store.insert_claims(list(wanted.values()))
                return await self._store.load_claims(there) if there else {}
            except Retryable as error:
                tries += 1
                log.warning("closing claims wait", extra={"why": str(error)})
                await self._clock.sleep(backoff_s(tries))

    def _fact(self, plan: AttemptPlanned, reason: Reason) -> AttemptFinished:
        is_late = reason is Reason.VALIDITY_EXPIRED
        outcome = AttemptOutcome.EXPIRED if is_late else AttemptOutcome.UNROUTABLE
        return unclaimed(plan, "", outcome, reason, self._clock.now())


def _kind(plan: AttemptPlanned) -> ClaimKind:
    return ClaimKind.CLOSED if plan.channel == NO_CHANNEL else ClaimKind.CANCELLED


def _from(plan: AttemptPlanned) -> dict[str, int]:
    """Give the attempts of a plan's message from its own number on; a cancelled one is alone."""
    if plan.channel != NO_CHANNEL:
        return {plan.attempt_id: plan.n}
    last = max(plan.n, plan.message.policy.max_attempts)
    message_id = plan.message.message_id
    return {ids.attempt_id(message_id, n): n for n in range(plan.n, last + 1)}
