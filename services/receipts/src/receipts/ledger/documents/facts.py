"""Facts as documents: each under the id that it determines."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from receipts.ledger import facts
from receipts.ledger.deadlines import Deadlines
from receipts.ledger.decisions import Call, Held, Reroute
from receipts.ledger.documents.fields import Document, add_some
from receipts.ledger.facts import Fact, Kind
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    InDoubtPolicy,
    ReceiptReceived,
    VoiceFinished,
)
from yizhan_contracts.reasons import Reason

FACT_FIELDS: Final = (
    "message_id",
    "kind",
    "n",
    "channel",
    "state",
    "reason",
    "carrier_code",
    "at",
    "receipt_due_at",
    "tried",
    "parts",
)


def attempt_fact(event: AttemptFinished, now: datetime, deadlines: Deadlines) -> Document:
    """Write down how an attempt ended.

    What waits for a receipt says when that is overdue: our own clock, now, plus the deadline.
    """
    document: Document = {
        "_id": facts.attempt_fact_id(event.attempt_id, event.outcome, event.carrier_message_id),
        "message_id": event.message_id,
        "kind": event.outcome.value,
        "n": event.n,
        "channel": event.channel,
        "at": event.finished_at,
        "tried": list(event.tried),
    }
    if event.carrier_message_id:
        document["carrier_account"] = event.carrier_account
        document["carrier_message_id"] = event.carrier_message_id
        document["carrier_key"] = carrier_key(event)
        _add_parts(document, event)
    add_some(
        document,
        reason=event.reason.value,
        carrier_code=event.carrier_code,
        detail=event.detail,
        sender=event.sender,
        claimed_at=event.claimed_at,
        decision=event.decision and event.decision.model_dump_json(exclude_defaults=True),
    )
    timeout_s = _receipt_timeout_s(event, deadlines)
    if timeout_s is not None:
        document["receipt_due_at"] = now + timedelta(seconds=timeout_s)
    return document


def _add_parts(document: Document, event: AttemptFinished) -> None:
    """Say of a message in parts under which ids its receipts will come, and how many must.

    One that is in doubt because some parts were taken and others not waits for all of them.
    """
    part_ids, parts = event.part_ids(), len(event.part_ids())
    if event.outcome is AttemptOutcome.IN_DOUBT:
        parts = max(parts, event.segments)
    if parts > 1:
        document["parts"] = parts
    if len(part_ids) > 1:
        document["carrier_message_ids"] = list(part_ids)
        # One indexed field for both: an array's elements are found as a single value is.
        document["carrier_key"] = [f"{event.carrier_account}:{part_id}" for part_id in part_ids]


def keys_of_parts(fact: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the keys under which receipts of an attempt come, one per part."""
    keys = fact.get("carrier_key", ())
    return (keys,) if isinstance(keys, str) else tuple(keys)


def _receipt_timeout_s(event: AttemptFinished, deadlines: Deadlines) -> float | None:
    """Give how long a receipt is waited for: after a submit, or in doubt under ``hold``."""
    if event.outcome is AttemptOutcome.SUBMITTED:
        return deadlines.timeout_s(event.receipt_timeout_s, event.country)
    policy = event.message.policy if event.message is not None else None
    is_held = policy is not None and policy.in_doubt is InDoubtPolicy.HOLD
    if event.outcome is AttemptOutcome.IN_DOUBT and policy is not None and is_held:
        return deadlines.timeout_s(policy.receipt_timeout_s, event.country)
    return None


def carrier_key(event: AttemptFinished | ReceiptReceived) -> str:
    """Name what a carrier's message id is unique in: the carrier account, not the channel."""
    return f"{event.carrier_account}:{event.carrier_message_id}"


def receipt_fact(event: ReceiptReceived, attempt_id: str) -> Document:
    """Write down what a carrier says of an attempt."""
    message_id, _, n = attempt_id.partition("-")
    return (
        _receipt(event)
        | _parts(event.parts)
        | {
            "_id": facts.receipt_fact_id(
                attempt_id, event.state, event.carrier_message_id, event.carrier_code
            ),
            "message_id": message_id,
            "n": int(n),
        }
    )


def early_document(event: ReceiptReceived, now: datetime) -> Document:
    """Keep a receipt until its attempt is known."""
    key = carrier_key(event)
    return _receipt(event) | {
        "_id": facts.early_id(key, event.state, event.carrier_code),
        "carrier_key": key,
        "stored_at": now,
    }


def matched_fact(early: Mapping[str, Any], submitted: Mapping[str, Any]) -> Document:
    """Turn an early receipt into the fact that it is, now that its attempt is known."""
    attempt_id = f"{submitted['message_id']}-{submitted['n']}"
    kept = {name: early[name] for name in early if name not in ("_id", "carrier_key", "stored_at")}
    return (
        kept
        | _parts(submitted.get("parts", 1))
        | {
            "_id": facts.receipt_fact_id(
                attempt_id,
                early["state"],
                early["carrier_message_id"],
                early.get("carrier_code", ""),
            ),
            "message_id": submitted["message_id"],
            "n": submitted["n"],
        }
    )


def _parts(parts: int) -> Document:
    return {"parts": parts} if parts > 1 else {}


def _receipt(event: ReceiptReceived) -> Document:
    document: Document = {
        "kind": Kind.RECEIPT.value,
        "state": event.state.value,
        "channel": event.channel,
        "carrier_account": event.carrier_account,
        "carrier_message_id": event.carrier_message_id,
        "at": event.delivered_at or event.received_at,
        "received_at": event.received_at,
    }
    add_some(
        document,
        reason=event.reason.value,
        carrier_code=event.carrier_code,
        carrier_time=event.carrier_time,
        country=event.country,
    )
    return document


def call_fact(event: VoiceFinished) -> Document:
    """Write down what became of a call."""
    document: Document = {
        "_id": facts.called_id(event.message_id, event.outcome, event.provider_call_id),
        "message_id": event.message_id,
        "kind": Kind.CALLED.value,
        "state": event.outcome.value,
        "channel": event.provider,
        "at": event.answered_at or event.finished_at,
        "rings": event.rings,
    }
    add_some(
        document,
        reason=event.reason.value,
        carrier_code=event.provider_code,
        provider_call_id=event.provider_call_id,
    )
    return document


def call_requested_fact(
    message_id: str, call: Call, now: datetime, wait_until: datetime, due_at: datetime
) -> Document:
    """Write down that a call was asked for, before it is asked for."""
    return {
        "_id": facts.call_requested_id(message_id, sms_failed=call.sms_failed),
        "message_id": message_id,
        "kind": Kind.CALL_REQUESTED.value,
        "reason": call.reason.value,
        "carrier_code": call.carrier_code,
        "at": wait_until,
        "requested_at": now,
        "receipt_due_at": due_at,
    }


def rerouted_fact(message_id: str, reroute: Reroute, now: datetime) -> Document:
    """Write down that the next attempt was asked for, before it is asked for."""
    return {
        "_id": facts.rerouted_id(message_id, reroute.n),
        "message_id": message_id,
        "kind": Kind.REROUTED.value,
        "n": reroute.n,
        "reason": reroute.reason.value,
        "at": now,
    }


def held_back_fact(message_id: str, held: Held, now: datetime) -> Document:
    """Write down that an overdue attempt is waited for on, and until when.

    Its channel stands under a name of its own: what fell due is counted by ``channel``.
    """
    return {
        "_id": facts.held_back_id(message_id, held.n, held.k),
        "message_id": message_id,
        "kind": Kind.HELD_BACK.value,
        "n": held.n,
        "state": held.hold.value,
        "feed": held.channel,
        "at": now,
        "receipt_due_at": held.until,
    }


def fact_of(document: Mapping[str, Any]) -> Fact:
    """Read back a fact, as far as the fold needs it."""
    get = document.get
    return Fact(
        document["_id"],
        document["message_id"],
        Kind(document["kind"]),
        get("n", 0),
        get("channel", ""),
        get("state", ""),
        Reason(get("reason", "")),
        get("carrier_code", ""),
        get("at"),
        get("receipt_due_at"),
        tuple(get("tried", ())),
        get("parts", 1),
    )
