"""Between events, documents and what the domain knows: only here fields have names."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from receipts.ledger import facts
from receipts.ledger.deadlines import Deadlines
from receipts.ledger.decisions import Call, Held, Reroute, Verdict
from receipts.ledger.facts import Accepted, Fact, Kind
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    InDoubtPolicy,
    MessageAccepted,
    MessageSettled,
    Origin,
    Policy,
    ReceiptReceived,
    VoiceFinished,
)
from yizhan_contracts.reasons import Reason

Document = dict[str, Any]

ACCEPTED_FIELDS: Final = (
    "account_id",
    "reference",
    "recipient",
    "lane",
    "country",
    "charging_num",
    "time_zone",
    "policy",
    "has_script",
    "test",
    "origin",
    "arrived_at",
    "accepted_at",
    "valid_until",
    "check_at",
)
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


def in_ms(moment: datetime) -> datetime:
    """Cut to milliseconds, as BSON does: what is published now and again later is the same."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def content_document(event: MessageAccepted, raw: bytes) -> Document:
    """Keep what a message says, and the event as its own bytes: who asks for a call needs both."""
    return {"_id": event.message_id, "text": event.text, "event": raw}


def message_document(event: MessageAccepted, check_at: datetime) -> Document:
    """Keep of an accepted message what is searched or needed again and again, but not its text."""
    document: Document = {
        "_id": event.message_id,
        "account_id": event.account_id,
        "recipient": event.recipient,
        "lane": event.lane.value,
        "country": event.country,
        "charging_num": event.charging_num,
        "time_zone": event.time_zone,
        "policy": event.policy.model_dump_json(exclude_defaults=True),
        "has_script": bool(event.voice_script),
        "test": event.test,
        "origin": event.origin.model_dump_json(exclude_defaults=True),
        "arrived_at": in_ms(event.origin.arrived_at),
        "accepted_at": in_ms(event.accepted_at),
        "valid_until": event.valid_until,
        "check_at": check_at,
    }
    _add_some(
        document,
        reference=event.reference,
        batch_id=event.origin.batch_id,
        template_id=event.template and event.template.template_id,
    )
    return document


def accepted_of(document: Mapping[str, Any]) -> Accepted:
    """Read back what ``message_document`` wrote."""
    return Accepted(
        document["_id"],
        document["account_id"],
        document.get("reference", ""),
        document["recipient"],
        document["lane"],
        document["country"],
        document["charging_num"],
        document["time_zone"],
        _policy_of(document["policy"]),
        document["has_script"],
        document["test"],
        document["origin"],
        document["arrived_at"],
        document["accepted_at"],
        document["valid_until"],
        document["check_at"],
    )


@lru_cache(maxsize=1024)
def _policy_of(text: str) -> Policy:
    """Few policies are in use at a time, each by many messages."""
    return Policy.model_validate_json(text)


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
    _add_some(
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
    _add_some(
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
    _add_some(
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


def _add_some(document: Document, **fields: object) -> None:
    """Leave empty fields out: a document costs by its size."""
    for name, value in fields.items():
        if value:
            document[name] = value


def settled_document(
    accepted: Accepted, verdict: Verdict, now: datetime, settled_by: str
) -> Document:
    """Write down the final status. It carries what search, reports and the push need."""
    document: Document = {
        "_id": accepted.message_id,
        "account_id": accepted.account_id,
        "recipient": accepted.recipient,
        "reference": accepted.reference,
        "country": accepted.country,
        "lane": accepted.lane,
        "charging_num": accepted.charging_num,
        "time_zone": accepted.time_zone,
        "test": accepted.test,
        "origin": accepted.origin_json,
        "accepted_at": accepted.accepted_at,
        "revision": 1,
        "settled_by": settled_by,
        "settled_at": in_ms(now),
        "settled_ms": _milliseconds(accepted.arrived_at, now),
    }
    return document | verdict_fields(accepted, verdict)


def verdict_fields(accepted: Accepted, verdict: Verdict) -> Document:
    """Give the fields that a late "delivered" changes."""
    fields: Document = {
        "status": verdict.status.value,
        "via": verdict.via.value,
        "reason": verdict.reason.value,
        "carrier_code": verdict.carrier_code,
        "channel": verdict.channel,
        "attempts": verdict.attempts,
        "sms": sms_fields(verdict),
    }
    if verdict.delivered_at is not None:
        fields["delivered_at"] = verdict.delivered_at
        fields["delivered_ms"] = _milliseconds(accepted.arrived_at, verdict.delivered_at)
    return fields


def sms_fields(verdict: Verdict) -> Document:
    """Give what became of the SMS alone."""
    sms = verdict.sms
    fields: Document = {"status": sms.status.value}
    _add_some(
        fields,
        reason=sms.reason.value,
        carrier_code=sms.carrier_code,
        delivered_at=sms.delivered_at,
    )
    return fields


def _milliseconds(since: datetime, until: datetime) -> int:
    return round((until - since).total_seconds() * 1000)


def settled_event(document: Mapping[str, Any]) -> MessageSettled:
    """Say what the document says: the first time and every time after."""
    return MessageSettled(
        message_id=document["_id"],
        account_id=document["account_id"],
        reference=document["reference"],
        status=document["status"],
        revision=document["revision"],
        via=document["via"],
        reason=document["reason"],
        carrier_code=document["carrier_code"],
        channel=document["channel"],
        attempts=document["attempts"],
        country=document["country"],
        lane=document["lane"],
        charging_num=document["charging_num"],
        origin=Origin.model_validate_json(document["origin"]),
        accepted_at=document["accepted_at"],
        delivered_at=document.get("delivered_at"),
        settled_at=document["settled_at"],
    )
