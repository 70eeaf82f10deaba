"""Keeping replies: each once, with the account and message that it belongs to.

At-least-once; idempotent on the carrier's id of the reply, or on all that it says where the carrier
gives none.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from receipts.metrics import Metrics
from receipts.push.events import Announced, of_reply
from receipts.replies.domain import Match, Sent, conversation_id_of, match
from yizhan_contracts.events import ReplyReceived
from yizhan_runtime import Clock

Document = dict[str, Any]

_ANSWERS_WITHIN: Final = timedelta(days=7)


class ReplyStore(Protocol):
    """Where replies are, and who was written to."""

    async def sent_to(self, phones: Collection[str], since: datetime) -> dict[str, list[Sent]]:
        """Give the messages handed over to these numbers, the newest, twenty for each at most."""
        ...

    async def insert_replies(self, documents: Sequence[Document]) -> set[str]:
        """Insert, and give the ids that were there."""
        ...


class Announcer(Protocol):
    """Tells accounts what happened to them."""

    async def announce(self, announced: Sequence[Announced]) -> None: ...


class Replies:
    """Matches replies, stores them, has them pushed. They cost nobody anything."""

    def __init__(
        self, store: ReplyStore, announcer: Announcer, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._announcer = announcer
        self._clock = clock
        self._metrics = metrics

    async def record(self, replies: Sequence[ReplyReceived]) -> None:
        """Keep replies. One that answers nothing of ours is kept without an account."""
        now = self._clock.now()
        sent = await self._store.sent_to({one.sender for one in replies}, now - _ANSWERS_WITHIN)
        documents = {
            document["_id"]: document
            for one in replies
            for document in (_document(one, match(one, sent.get(one.sender, ())), now),)
        }
        existing = await self._store.insert_replies(list(documents.values()))
        for reply_id in documents.keys() - existing:
            self._metrics.record_reply(documents[reply_id]["matched_by"])
        # Those that were there too: they were stored, not necessarily announced.
        await self._announcer.announce(
            [of_reply(one) for one in documents.values() if one["account_id"]]
        )


def _document(reply: ReplyReceived, found: Match, now: datetime) -> Document:
    sent = found.sent
    document: Document = {
        "_id": _reply_id(reply),
        "account_id": sent.account_id if sent else "",
        "phone": reply.sender,
        "to": reply.recipient,
        "text": reply.text,
        "channel": reply.channel,
        "carrier_account": reply.carrier_account,
        "matched_by": found.by.value,
        "received_at": reply.received_at,
        "stored_at": now,
    }
    if sent is not None:
        ours = sent.sender or reply.recipient
        document |= {
            "message_id": sent.message_id,
            "reference": sent.reference,
            "conversation_id": conversation_id_of(sent.account_id, reply.sender, ours),
        }
    return document


def _reply_id(reply: ReplyReceived) -> str:
    if reply.carrier_message_id:
        return f"{reply.carrier_account}:{reply.carrier_message_id}"
    said = (reply.carrier_account, reply.sender, reply.recipient, reply.text)
    parts = "\0".join((*said, reply.received_at.isoformat()))
    return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()
