"""Makers of messages, facts and events for tests: everything has a default."""

from datetime import UTC, datetime, timedelta
from typing import Any

from receipts.ledger.documents import accepted_of, message_document
from receipts.ledger.facts import (
    Accepted,
    Fact,
    Kind,
    attempt_fact_id,
    call_requested_id,
    called_id,
    held_back_id,
    receipt_fact_id,
    rerouted_id,
)
from receipts.ledger.silence import Hold
from yizhan_contracts import ids
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    CallOutcome,
    Decision,
    InDoubtPolicy,
    Lane,
    MessageAccepted,
    Origin,
    OriginKind,
    Policy,
    ReceiptReceived,
    ReceiptState,
    VoiceFinished,
    VoicePolicy,
)
from yizhan_contracts.reasons import Reason

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RECIPIENT = "+8613800001111"
MESSAGE_ID = ids.new_message_id(RECIPIENT, int(NOON.timestamp() * 1000), lambda _bits: 7)

HOLD = Policy(in_doubt=InDoubtPolicy.HOLD, max_attempts=2)
RESEND = Policy(in_doubt=InDoubtPolicy.RESEND, max_attempts=2)
WITH_CALL = Policy(voice=VoicePolicy.ON_FAILURE, max_attempts=2)


def message_id_of(number: int) -> str:
    """Give the id of the message with this number: ids sort as numbers do."""
    return ids.new_message_id(
        RECIPIENT, int(NOON.timestamp() * 1000) + number, lambda _bits: number
    )


def message(message_id: str = MESSAGE_ID, **changes: Any) -> MessageAccepted:
    fields: dict[str, Any] = {
        "message_id": message_id,
        "account_id": "acme",
        "reference": "SF1234567890",
        "lane": Lane.STANDARD,
        "recipient": RECIPIENT,
        "country": "CN",
        "sender": "ACME",
        "text": "【ACME】您的包裹已到达驿站",
        "charging_num": 1,
        "voice_script": "您的包裹已到达驿站",
        "policy": RESEND,
        "origin": Origin(kind=OriginKind.SHIPMENT_EVENT, source="oms", arrived_at=NOON),
        "accepted_at": NOON,
        "valid_until": NOON + timedelta(minutes=10),
    }
    return MessageAccepted(**(fields | changes))


def accepted(message_id: str = MESSAGE_ID, **changes: Any) -> Accepted:
    event = message(message_id, **changes)
    check_at = event.valid_until + timedelta(seconds=20)
    return accepted_of(message_document(event, check_at))


def finished(outcome: AttemptOutcome, n: int = 1, **changes: Any) -> AttemptFinished:
    of = changes.pop("of", None) or message()
    fields: dict[str, Any] = {
        "attempt_id": ids.attempt_id(of.message_id, n),
        "message_id": of.message_id,
        "n": n,
        "channel": "a",
        "carrier_account": "carrier-a",
        "outcome": outcome,
        "country": of.country,
        "tried": ("a",),
        "decision": Decision(why="best"),
        "finished_at": NOON + timedelta(seconds=1),
    }
    if outcome is AttemptOutcome.SUBMITTED:
        fields |= {"carrier_message_id": f"c-{n}", "receipt_timeout_s": 3600.0}
    else:
        fields |= {"message": of}
    return AttemptFinished(**(fields | changes))


def receipt(state: ReceiptState, n: int = 1, **changes: Any) -> ReceiptReceived:
    message_id = changes.pop("message_id", MESSAGE_ID)
    fields: dict[str, Any] = {
        "channel": "a",
        "carrier_account": "carrier-a",
        "carrier_message_id": f"c-{n}",
        "attempt_id": ids.attempt_id(message_id, n),
        "state": state,
        "country": "CN",
        "received_at": NOON + timedelta(seconds=5),
    }
    return ReceiptReceived(**(fields | changes))


def called(outcome: CallOutcome, message_id: str = MESSAGE_ID) -> VoiceFinished:
    return VoiceFinished(
        message_id=message_id,
        account_id="acme",
        outcome=outcome,
        provider="voice-a",
        provider_call_id="v-1",
        finished_at=NOON + timedelta(minutes=1),
    )


class Facts:
    """Facts of one message, by short names."""

    @staticmethod
    def attempt(kind: Kind, n: int = 1, reason: Reason = Reason.NONE, **changes: Any) -> Fact:
        due_at = changes.pop("due_at", None)
        if kind is Kind.SUBMITTED and due_at is None:
            due_at = NOON + timedelta(hours=1)
        carrier_id = f"c-{n}" if kind is Kind.SUBMITTED else ""
        channel = changes.pop("channel", "ab"[(n - 1) % 2])
        return Fact(
            attempt_fact_id(ids.attempt_id(MESSAGE_ID, n), kind, carrier_id),
            MESSAGE_ID,
            kind,
            n=n,
            channel=channel,
            reason=reason,
            at=NOON + timedelta(seconds=n),
            due_at=due_at,
            tried=(channel,),
            **changes,
        )

    @staticmethod
    def receipt(
        state: ReceiptState,
        n: int = 1,
        reason: Reason = Reason.NONE,
        *,
        part: str = "",
        parts: int = 1,
        at_s: float = 0,
        code: str = "",
    ) -> Fact:
        return Fact(
            receipt_fact_id(ids.attempt_id(MESSAGE_ID, n), state, part or f"c-{n}", code),
            MESSAGE_ID,
            Kind.RECEIPT,
            n=n,
            channel="ab"[(n - 1) % 2],
            state=state.value,
            reason=reason,
            carrier_code=code,
            at=NOON + timedelta(seconds=at_s or 10 * n),
            parts=parts,
        )

    @staticmethod
    def held_back(n: int = 1, k: int = 0, hold: Hold = Hold.MISSING, at_s: float = 3600) -> Fact:
        return Fact(
            held_back_id(MESSAGE_ID, n, k),
            MESSAGE_ID,
            Kind.HELD_BACK,
            n=n,
            state=hold.value,
            at=NOON + timedelta(seconds=at_s),
            due_at=NOON + timedelta(seconds=at_s + 60 * (k + 1)),
        )

    @staticmethod
    def rerouted(n: int = 1) -> Fact:
        return Fact(rerouted_id(MESSAGE_ID, n), MESSAGE_ID, Kind.REROUTED, n=n, at=NOON)

    @staticmethod
    def call_requested(*, sms_failed: bool, wait_s: float = 600) -> Fact:
        wait_until = NOON + timedelta(seconds=wait_s)
        return Fact(
            call_requested_id(MESSAGE_ID, sms_failed=sms_failed),
            MESSAGE_ID,
            Kind.CALL_REQUESTED,
            at=wait_until,
            due_at=wait_until + timedelta(seconds=10),
        )

    @staticmethod
    def called(outcome: CallOutcome) -> Fact:
        return Fact(
            called_id(MESSAGE_ID, outcome, "v-1"),
            MESSAGE_ID,
            Kind.CALLED,
            state=outcome.value,
            channel="voice-a",
            at=NOON + timedelta(minutes=1),
        )
