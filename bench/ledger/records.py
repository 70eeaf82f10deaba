"""What carriers and ingest say of many messages: as records, and as what must come of them."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.ledger.house import ACCOUNT
from yizhan_contracts import ids
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    Candidate,
    Decision,
    Event,
    Lane,
    MessageAccepted,
    Origin,
    OriginKind,
    Policy,
    ReceiptReceived,
    ReceiptState,
    TemplateUse,
)
from yizhan_contracts.reasons import Reason

_POLICY = Policy(max_attempts=1)
_DECISION = Decision(
    why="best",
    candidates=(Candidate(channel="alpha", score=0.97), Candidate(channel="beta", score=0.93)),
)
_IN_PARTS, _FAILED, _NAMELESS, _TWICE = 0.05, 0.05, 0.1, 0.02


@dataclass
class Said:
    """Records in the order of their topics, and the facts and statuses that they come to."""

    accepted: list[Event] = field(default_factory=list)
    finished: list[Event] = field(default_factory=list)
    receipts: list[Event] = field(default_factory=list)
    facts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        return len(self.accepted) + len(self.finished) + len(self.receipts)


def say(count: int, seed: int = 7, *, plain: bool = False, now: datetime | None = None) -> Said:
    """Make all that is said of ``count`` messages, now or as of a time.

    Of twenty one fails and one goes in two parts; of ten one has receipts that name no attempt; of
    fifty one is told twice. ``plain``: all are delivered in one part and told once.
    """
    drawn, said, now = random.Random(seed), Said(), now or datetime.now(UTC)
    for number in range(count):
        _say_one(said, number, drawn, now, plain=plain)
    return said


def _say_one(said: Said, number: int, drawn: random.Random, now: datetime, *, plain: bool) -> None:
    def happens(share: float) -> bool:
        return not plain and drawn.random() < share

    message = _message(number, drawn, now)
    parts = 2 if happens(_IN_PARTS) else 1
    has_failed = happens(_FAILED)
    attempt_id = ids.attempt_id(message.message_id, 1)
    carrier_ids = tuple(f"{attempt_id[:24]}{number:x}-{part}" for part in range(parts))
    finished = _finished(message, attempt_id, carrier_ids, now)
    names_attempt = not happens(_NAMELESS)
    receipts = [
        _receipt(attempt_id if names_attempt else None, one, parts, now, has_failed=has_failed)
        for one in carrier_ids
    ]
    again = 2 if happens(_TWICE) else 1
    said.accepted += [message] * again
    said.finished += [finished] * again
    said.receipts += receipts * again
    said.facts += Counter(submitted=1, receipt=parts)
    said.statuses["failed" if has_failed else "delivered"] += 1


def _message(number: int, drawn: random.Random, now: datetime) -> MessageAccepted:
    recipient = f"+4915123{drawn.randrange(10**6):06d}"
    arrived_at = now - timedelta(milliseconds=drawn.randrange(1000))
    now_ms = int(arrived_at.timestamp() * 1000)
    return MessageAccepted(
        message_id=ids.new_message_id(recipient, now_ms, drawn.getrandbits),
        account_id=ACCOUNT,
        reference=f"R{number:08d}",
        lane=Lane.STANDARD,
        recipient=recipient,
        country="DE",
        sender="Yizhan",
        text=f"[Yizhan] Ihr Paket B{number:08d} wurde versandt.",
        charging_num=1,
        template=TemplateUse(
            template_id="picked-up",
            version=1,
            language="de",
            variables={"tracking_number": f"B{number:08d}"},
        ),
        policy=_POLICY,
        origin=Origin(
            kind=OriginKind.SHIPMENT_EVENT,
            source="/bench",
            event_id=f"B{number:08d}-1",
            shipment_id=f"B{number:08d}",
            arrived_at=arrived_at,
        ),
        accepted_at=now,
        valid_until=now + timedelta(hours=1),
    )


def _finished(
    message: MessageAccepted, attempt_id: str, carrier_ids: tuple[str, ...], now: datetime
) -> AttemptFinished:
    return AttemptFinished(
        attempt_id=attempt_id,
        message_id=message.message_id,
        n=1,
        channel="alpha",
        carrier_account="alpha",
        outcome=AttemptOutcome.SUBMITTED,
        carrier_message_id=carrier_ids[0],
        carrier_message_ids=carrier_ids if len(carrier_ids) > 1 else (),
        segments=len(carrier_ids),
        sender="Yizhan",
        country=message.country,
        tried=("alpha",),
        decision=_DECISION,
        receipt_timeout_s=14_400,
        claimed_at=now,
        finished_at=now,
    )


def _receipt(
    attempt_id: str | None, carrier_id: str, parts: int, now: datetime, *, has_failed: bool
) -> ReceiptReceived:
    return ReceiptReceived(
        channel="alpha",
        carrier_account="alpha",
        carrier_message_id=carrier_id,
        attempt_id=attempt_id,
        parts=parts if attempt_id else 1,
        state=ReceiptState.FAILED if has_failed else ReceiptState.DELIVERED,
        reason=Reason.NUMBER_VACANT if has_failed else Reason.NONE,
        carrier_code="001" if has_failed else "000",
        country="DE",
        carrier_time=now.strftime("%y%m%d%H%M"),
        delivered_at=None if has_failed else now + timedelta(seconds=2),
        received_at=now + timedelta(seconds=2),
    )
