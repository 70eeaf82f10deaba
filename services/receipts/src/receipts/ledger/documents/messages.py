"""Accepted messages as documents: what is searched, and apart from it what was said."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from receipts.ledger.documents.fields import Document, add_some, in_ms
from receipts.ledger.facts import Accepted
from yizhan_contracts.events import MessageAccepted, Policy

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
    add_some(
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
