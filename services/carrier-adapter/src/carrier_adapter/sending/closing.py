"""The channel ``none``: its attempts are reported, and only once nobody can send them."""

import asyncio
from collections.abc import Sequence

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
    after a crash, and that channel speaks for the message.
    """

    def __init__(
        self, store: AttemptStore, writer: FactWriter, clock: Clock, incarnation: str
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._incarnation = incarnation
        self._pending: list[Flight] = []
        self._wake = asyncio.Event()

    def put(self, flight: Flight) -> None:
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
        sent = await self._take_claims([flight.plan for flight in batch])
        for flight in batch:
            plan = flight.plan
            if any(attempt_id in sent for attempt_id in _from(plan)):
                log.info("a route was found after all", extra={"attempt_id": plan.attempt_id})
                self._writer.drop(flight)
            else:
                self._writer.report(flight, self._fact(plan))

    async def _take_claims(self, plans: Sequence[AttemptPlanned]) -> set[str]:
        """Close what nobody has claimed, and give the attempts that are claimed to be sent."""
        now = self._clock.now()
        wanted = {
            attempt_id: Claim(attempt_id, n, NO_CHANNEL, self._incarnation, ClaimKind.CLOSED, now)
            for plan in plans
            for attempt_id, n in _from(plan).items()
        }
        tries = 0
        while True:
            try:
                there = await self._store.insert_claims(list(wanted.values()))
                claims = await self._store.load_claims(there) if there else {}
            except Retryable as error:
                tries += 1
                log.warning("closing claims wait", extra={"why": str(error)})
                await self._clock.sleep(backoff_s(tries))
                continue
            return {claim.attempt_id for claim in claims.values() if claim.kind is ClaimKind.SENT}

    def _fact(self, plan: AttemptPlanned) -> AttemptFinished:
        is_late = plan.reason is Reason.VALIDITY_EXPIRED
        outcome = AttemptOutcome.EXPIRED if is_late else AttemptOutcome.UNROUTABLE
        return unclaimed(plan, "", outcome, plan.reason or Reason.NO_ROUTE, self._clock.now())


def _from(plan: AttemptPlanned) -> dict[str, int]:
    """Give the attempts of a plan's message from its own number on."""
    last = max(plan.n, plan.message.policy.max_attempts)
    message_id = plan.message.message_id
    return {ids.attempt_id(message_id, n): n for n in range(plan.n, last + 1)}
