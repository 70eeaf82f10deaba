"""Final statuses as documents, and as the event that says them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from receipts.ledger.decisions import Verdict
from receipts.ledger.documents.fields import Document, add_some, in_ms
from receipts.ledger.facts import Accepted
from yizhan_contracts.events import MessageSettled, Origin


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
    add_some(
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
