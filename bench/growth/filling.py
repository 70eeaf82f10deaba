"""A ledger that is filled without its service: the same documents, a week after the other."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.ledger.records import say
from receipts.ledger import documents as docs
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.decisions import SmsVerdict, Verdict
from receipts.ledger.weeks import Week
from yizhan_contracts.events import Medium, Status
from yizhan_contracts.reasons import Reason

BATCH: Final = 1000
_BEGIN: Final = datetime(2026, 1, 5, tzinfo=UTC)
_SMS: Final = SmsVerdict(Status.DELIVERED, Reason.NONE, "000", None)
_VERDICT: Final = Verdict(Status.DELIVERED, Medium.SMS, Reason.NONE, "000", "alpha", 1, None, _SMS)


class SimulatedClock:
    """Weeks pass as messages come; what is measured and waited for is real."""

    def __init__(self) -> None:
        self.time = _BEGIN

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Filling:
    """Puts messages in: accepted, submitted, delivered and settled."""

    def __init__(self, ledger: MongoLedger, clock: SimulatedClock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def fill_week(self, count: int) -> tuple[Week, list[list[str]]]:
        """Fill the next week; give it, and the ids batch by batch."""
        self._clock.time += timedelta(days=7)
        batches = [await self._insert(first) for first in range(0, count, BATCH)]
        return Week.of_time(self._clock.time), batches

    async def fill(self, count: int, per_week: int) -> None:
        """Put in so many, as time passes."""
        for first in range(0, count, BATCH):
            self._clock.time += timedelta(days=7 * BATCH / per_week)
            await self._insert(first)

    async def _insert(self, first: int) -> list[str]:
        now = self._clock.time
        said = say(BATCH, seed=first, plain=True, now=now)
        contents, messages, facts, settled = [], [], [], []
        for event in said.accepted:
            message = docs.message_document(event, event.valid_until)  # type: ignore[arg-type, attr-defined]
            raw = event.model_dump_json().encode()
            contents.append(docs.content_document(event, raw))  # type: ignore[arg-type]
            messages.append(message)
            accepted = docs.accepted_of(message)
            settled.append(docs.settled_document(accepted, _VERDICT, now, "record"))
        for finished, receipt in zip(said.finished, said.receipts, strict=True):
            facts.append(docs.attempt_fact(finished, now, 60.0))  # type: ignore[arg-type]
            facts.append(docs.receipt_fact(receipt, finished.attempt_id))  # type: ignore[arg-type, attr-defined]
        await asyncio.gather(
            self._ledger.insert_contents(contents),
            self._ledger.insert_messages(messages),
            self._ledger.insert_facts(facts),
            self._ledger.insert_settled(settled),
        )
        return [message["_id"] for message in messages]
