"""The carrier of test channels: no network, no handset. It answers by the end of the number.

For institutions that try out the whole flow, receipts and push included, before anybody's phone
rings (requirement 15). What is taken is forgotten with the process: a receipt that was still due
then never comes, as happens with real carriers too.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answered,
    BoundChanged,
    MayWrite,
    Refused,
    Submission,
)
from carrier_adapter.carriers.codes import reason_of
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

Receipt = dict[str, Any]
Take = Callable[[Sequence[Receipt]], Awaitable[object]]
"""Publishes receipts, in the words of carriers' webhooks. Raises Retryable."""

RECEIPT_AFTER_S = 1.0
LATE_AFTER_S = 20.0
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a message to such a number."""

    refused: str = ""
    state: str = "delivered"
    code: str = "000"
    receipts: int = 1
    after_s: float = RECEIPT_AFTER_S


DELIVERED = Outcome()
OUTCOMES: dict[str, Outcome] = {
    "01": Outcome(state="failed", code="MK:0001"),  # vacant
    "02": Outcome(state="failed", code="MI:0013"),  # suspended
    "03": Outcome(state="failed", code="MI:0024"),  # cannot be reached
    "04": Outcome(state="rejected", code="ID:0076"),  # sensitive words, by the carrier's list
    "05": Outcome(state="rejected", code="DB:0141"),  # on the carrier's black list
    "06": Outcome(refused="DB:0117"),  # template not registered
    "07": Outcome(refused="11"),  # no such number
    "08": Outcome(receipts=0),  # silence
    "09": Outcome(after_s=LATE_AFTER_S),
    "10": Outcome(receipts=2),
}
"""By the last two digits; all others are delivered. In the README."""


def outcome_of(recipient: str) -> Outcome:
    """Tell what becomes of a message to a number."""
    return OUTCOMES.get(recipient[-2:], DELIVERED)


@dataclass(order=True, slots=True)
class _Due:
    at: float
    n: int
    receipt: Receipt = field(compare=False)


class TrialCarrier:
    """Takes what it is handed, and sends receipts as a carrier would. Made in the running loop."""

    def __init__(self, take: Take, clock: Clock, receipt_after_s: float = RECEIPT_AFTER_S) -> None:
        self._take = take
        self._clock = clock
        self._sooner = receipt_after_s / RECEIPT_AFTER_S
        self._due: list[_Due] = []
        self._count = 0
        self._arrived = asyncio.Event()
        self._sending = asyncio.create_task(self._send(), name="trial receipts")

    async def submit(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        """Answer at once."""
        if not may_write():
            for one in batch:
                answered(one.attempt_id, TOO_LATE)
            return
        for one in batch:
            outcome = outcome_of(one.recipient)
            if outcome.refused:
                reason = reason_of(outcome.refused, {}, Reason.UNKNOWN)
                answered(one.attempt_id, Refused(outcome.refused, reason, "test channel"))
                continue
            answered(one.attempt_id, Accepted((f"trial-{one.attempt_id}",)))
            self._remember(one.attempt_id, outcome)
        self._arrived.set()

    def follow(self, bound_changed: BoundChanged) -> None:
        """Keep no sessions: there is nothing to tell."""

    async def is_up(self) -> bool:
        """Say yes: nobody else is needed."""
        return True

    async def close(self) -> None:
        """Send no more receipts."""
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)

    def _remember(self, attempt_id: str, outcome: Outcome) -> None:
        at = self._clock.monotonic() + outcome.after_s * self._sooner
        for _ in range(outcome.receipts):
            self._count += 1
            receipt = {
                "id": f"trial-{attempt_id}",
                "ref": attempt_id,
                "state": outcome.state,
                "code": outcome.code,
            }
            heapq.heappush(self._due, _Due(at, self._count, receipt))

    async def _send(self) -> None:
        """Send receipts for ever, those that are due together."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._due:
                await self._send_due()
                # In small steps: what arrives meanwhile may be due sooner.
                await self._clock.sleep(_LOOK_EVERY_S)

    async def _send_due(self) -> None:
        now, moment = self._clock.monotonic(), self._clock.now()
        due: list[Receipt] = []
        while self._due and self._due[0].at <= now:
            due.append(_at(heapq.heappop(self._due).receipt, moment))
        while due:
            try:
                await self._take(due)
            except Retryable as error:
                log.warning("test receipts wait", extra={"why": str(error)})
                await self._clock.sleep(_LOOK_EVERY_S)
            else:
                return


def _at(receipt: Receipt, moment: datetime) -> Receipt:
    return receipt | {"at": moment.isoformat(timespec="seconds")}
