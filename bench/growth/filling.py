"""A ledger that is filled without its service: the same documents, a week after the other."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.ledger.records import say
from receipts.ledger import documents as docs
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.deadlines import Deadlines
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


@dataclass(frozen=True)
class Batch:
    """Documents of some messages, by what they are inserted with."""

    contents: list[docs.Document]
    messages: list[docs.Document]
    facts: list[docs.Document]
    settled: list[docs.Document]

    def at(self, when: datetime, number: int) -> "Batch":
        """Copy them for another time: other ids, carriers' ids and references, all else alike."""
        prefix, own = f"{int(when.timestamp() * 1000):012x}", f"-{number}"

        def moved(document: docs.Document) -> docs.Document:
            copied = document | {"_id": prefix + document["_id"][12:]}
            for name in ("message_id", "carrier_key", "reference"):
                if name in copied:
                    value = copied[name]
                    is_id = name == "message_id"
                    copied[name] = prefix + value[12:] if is_id else value + own
            return copied

        return Batch(
            *([moved(one) for one in its] for its in (
                self.contents, self.messages, self.facts, self.settled
            ))
        )  # fmt: skip


class Filling:
    """Puts messages in: accepted, submitted, delivered and settled."""

    def __init__(self, ledger: MongoLedger, clock: SimulatedClock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._model = make_batch(clock.time)
        self._number = 0

    async def fill_week(self, count: int) -> tuple[Week, list[list[str]]]:
        """Fill the next week; give it, and the ids batch by batch."""
        begin = Week.of_time(self._clock.time).next.begins_at
        self._clock.time = begin
        batches = []
        for _ in range(0, count, BATCH):
            self._clock.time += timedelta(seconds=1)
            batches.append(await self._insert())
        return Week.of_time(begin), batches

    async def fill(self, count: int, per_week: int) -> None:
        """Put in so many, as time passes."""
        for _ in range(0, count, BATCH):
            self._clock.time += timedelta(days=7 * BATCH / per_week)
            await self._insert()

    async def _insert(self) -> list[str]:
        self._number += 1
        batch = self._model.at(self._clock.time, self._number)
        await asyncio.gather(
            self._ledger.insert_contents(batch.contents),
            self._ledger.insert_messages(batch.messages),
            self._ledger.insert_facts(batch.facts),
            self._ledger.insert_settled(batch.settled),
        )
        return [message["_id"] for message in batch.messages]


def make_batch(now: datetime) -> Batch:
    """Make the documents of a thousand messages as the service would."""
    said = say(BATCH, plain=True, now=now)
    batch = Batch([], [], [], [])
    for event in said.accepted:
        message = docs.message_document(event, event.valid_until)  # type: ignore[arg-type, attr-defined]
        raw = event.model_dump_json().encode()
        batch.contents.append(docs.content_document(event, raw))  # type: ignore[arg-type]
        batch.messages.append(message)
        accepted = docs.accepted_of(message)
        batch.settled.append(docs.settled_document(accepted, _VERDICT, now, "record"))
    for finished, receipt in zip(said.finished, said.receipts, strict=True):
        batch.facts.append(docs.attempt_fact(finished, now, Deadlines()))  # type: ignore[arg-type]
        batch.facts.append(docs.receipt_fact(receipt, finished.attempt_id))  # type: ignore[arg-type, attr-defined]
    return batch
