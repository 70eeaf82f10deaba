"""What customers are told beside results: events in the envelope of Standard Webhooks. Pure.

    {"type": "reply.received", "timestamp": "2026-11-29T08:00:00.000Z", "data": {...}}

The types and their fields: docs/push.md.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from yizhan_contracts import ids
from yizhan_contracts.events import AccountNotified, VoiceFinished

HEADERS: Final = {"Accept": "*/*", "Content-Type": "application/json"}


class EventType(StrEnum):
    """What happened."""

    REPLY_RECEIVED = "reply.received"
    ACCOUNT_LOW = "account.low"
    VOICE_FINISHED = "voice.finished"
    BATCH_FINISHED = "batch.finished"
    SAMPLE = "endpoint.sample"


class Announced(NamedTuple):
    """An event as it is kept: without what a recipient wrote, and without numbers."""

    event_id: str
    account_id: str
    type: EventType
    at: datetime
    data: Mapping[str, Any]
    source_id: str = ""
    """Where the rest of it is: the reply."""

    def position(self, kept_at: datetime) -> str:
        """Give its place in the order of time, comparable with message ids."""
        return ids.first_message_id(int(kept_at.timestamp() * 1000))[:12] + self.event_id


class Occurrence(NamedTuple):
    """An event as it is said."""

    event_id: str
    type: EventType
    at: datetime
    data: Mapping[str, Any]

    @property
    def subject_id(self) -> str:
        return self.event_id

    @property
    def status(self) -> str:
        return ""


def event_id_of(event_type: EventType, *source: str) -> str:
    """Name an event by what it comes from: read again, it is the same event."""
    named = "\0".join((event_type, *source))
    return f"evt_{hashlib.sha256(named.encode('utf-8', 'replace')).hexdigest()[:32]}"


def envelope(occurrence: Occurrence) -> bytes:
    """Render what is POSTed."""
    document = {
        "type": occurrence.type.value,
        "timestamp": iso(occurrence.at),
        "data": occurrence.data,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )


def iso(at: datetime) -> str:
    """Write a time as RFC 3339 in UTC, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def of_reply(reply: Mapping[str, Any]) -> Announced:
    """Announce a stored reply of an account; its content is read when it is said."""
    event_id = event_id_of(EventType.REPLY_RECEIVED, reply["_id"])
    at = reply["received_at"]
    return Announced(event_id, reply["account_id"], EventType.REPLY_RECEIVED, at, {}, reply["_id"])


def reply_data(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Tell a reply as it is stored."""
    return {
        "conversation_id": reply.get("conversation_id", ""),
        "message_id": reply.get("message_id", ""),
        "reference": reply.get("reference", ""),
        "from": reply["phone"],
        "to": reply["to"],
        "text": reply["text"],
        "received_at": iso(reply["received_at"]),
    }


def of_call(call: VoiceFinished, reference: str) -> Announced:
    """Announce what became of a call."""
    event_id = event_id_of(
        EventType.VOICE_FINISHED, call.message_id, call.outcome, call.provider_call_id
    )
    data = {
        "message_id": call.message_id,
        "reference": reference,
        "outcome": call.outcome.value,
        "reason": call.reason.value,
        "rings": call.rings,
        "answered_at": iso(call.answered_at) if call.answered_at else "",
        "finished_at": iso(call.finished_at),
    }
    return Announced(event_id, call.account_id, EventType.VOICE_FINISHED, call.finished_at, data)


def of_notice(notice: AccountNotified) -> Announced:
    """Announce that a package or a balance has become low."""
    event_id = event_id_of(EventType.ACCOUNT_LOW, notice.account_id, notice.notice_id)
    data = {
        "kind": notice.kind.value,
        "package": notice.package,
        "threshold": notice.threshold,
        "left": notice.left,
        "currency": notice.currency,
    }
    return Announced(event_id, notice.account_id, EventType.ACCOUNT_LOW, notice.noticed_at, data)


def of_batch(account_id: str, batch_id: str, counts: Mapping[str, int], at: datetime) -> Announced:
    """Announce that all of a batch is settled: how many messages ended in each way."""
    event_id = event_id_of(EventType.BATCH_FINISHED, account_id, batch_id)
    data = {"batch_id": batch_id, "total": sum(counts.values()), "counts": dict(counts)}
    return Announced(event_id, account_id, EventType.BATCH_FINISHED, at, data)
