"""A ledger of several weeks on a real MongoDB, for tests of what is taken out of it."""

from datetime import datetime, timedelta
from typing import Any

from services.receipts.tests.unit.making import NOON, message

from receipts.ledger import documents as docs
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.decisions import SmsVerdict, Verdict
from receipts.replies.service import Document
from yizhan_contracts import ids
from yizhan_contracts.events import Medium, Status
from yizhan_contracts.reasons import Reason

PHONE = "+8613800001111"
OTHER_PHONE = "+4915112345678"
DELIVERED = Verdict(
    Status.DELIVERED,
    Medium.SMS,
    Reason.NONE,
    "DELIVRD",
    "a",
    1,
    NOON,
    SmsVerdict(Status.DELIVERED, Reason.NONE, "DELIVRD", NOON),
)


def id_at(at: datetime, number: int = 0, phone: str = PHONE) -> str:
    return ids.new_message_id(phone, int(at.timestamp() * 1000), lambda _bits: number)


async def keep(
    ledger: MongoLedger, message_id: str, *, is_settled: bool = True, **changes: Any
) -> None:
    """Put a message in with its content, a fact and, if it is, how it settled."""
    at = datetime.fromtimestamp(ids.created_ms_of(message_id) / 1000).astimezone()
    sent = message(message_id, accepted_at=at, valid_until=at + timedelta(minutes=10), **changes)
    await ledger.insert_contents([docs.content_document(sent, sent.model_dump_json().encode())])
    document = docs.message_document(sent, at + timedelta(days=3650))
    await ledger.insert_messages([document])
    fact = {"_id": f"{message_id}-1.submitted.c", "message_id": message_id, "kind": "submitted"}
    await ledger.insert_facts([fact | {"n": 1, "at": at, "tried": []}])
    if is_settled:
        await ledger.insert_settled(
            [docs.settled_document(docs.accepted_of(document), DELIVERED, at, "record")]
        )


def reply(reply_id: str, at: datetime, account_id: str = "acme", phone: str = PHONE) -> Document:
    """Give a reply as it is stored."""
    kept = {"account_id": account_id, "phone": phone, "to": "1069", "text": "好的"}
    return {"_id": reply_id, **kept, "received_at": at, "stored_at": at, "channel": "a"}
