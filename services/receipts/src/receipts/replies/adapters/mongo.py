"""Replies in MongoDB, and the look into the ledger for the message that one answers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.ledger.adapters.mongo import MongoLedger
from receipts.log.budget import Budget
from receipts.replies.domain import Sent
from receipts.replies.searching import Key, Place
from receipts.replies.service import Document
from yizhan_runtime import Index, Mongo

REPLIES: Final = "replies"
_MOST_EACH: Final = 20

_NEWEST: Final = (("received_at", -1), ("_id", -1))
_EXISTS: Final = {"$exists": True}

INDEXES: Final = {
    REPLIES: (
        Index((("phone", 1), *_NEWEST)),
        Index((("account_id", 1), *_NEWEST)),
        Index((("message_id", 1), *_NEWEST), partial={"message_id": _EXISTS}),
        Index((("conversation_id", 1), *_NEWEST), partial={"conversation_id": _EXISTS}),
    ),
}


class MongoReplies:
    """Implements ReplyStore and ReplyReader."""

    def __init__(self, mongo: Mongo, ledger: MongoLedger) -> None:
        self._mongo = mongo
        self._ledger = ledger

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        for collection, indexes in INDEXES.items():
            await self._mongo.ensure_indexes(collection, indexes)

    async def insert_replies(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(REPLIES, documents)

    async def sent_to(self, phones: Collection[str], since: datetime) -> dict[str, list[Sent]]:
        newest = await self._ledger.messages_to(phones, since, _MOST_EACH * len(phones))
        messages = {message["_id"]: message for message in newest}
        facts = await self._ledger.submitted_facts_of(
            messages, ("message_id", "sender", "carrier_account", "at")
        )
        found: dict[str, list[Sent]] = {}
        for fact in facts:
            message = messages[fact["message_id"]]
            found.setdefault(message["recipient"], []).append(_sent(message, fact))
        return found

    async def replies_of(self, reply_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        return dict(await self._mongo.find_by_ids(REPLIES, reply_ids))

    async def replies_before(
        self, key: Key, place: Place, since: datetime | None, limit: int, budget: Budget
    ) -> list[dict[str, Any]]:
        times = {"$lte": place.at} if since is None else {"$lte": place.at, "$gte": since}
        return await self._mongo.find(
            REPLIES,
            {
                key.name: key.value,
                "received_at": times,
                "$nor": [{"received_at": place.at, "_id": {"$gte": place.reply_id}}],
            },
            sort=_NEWEST,
            limit=limit,
            hint=((key.name, 1), *_NEWEST),
            within_s=budget.left_s(),
        )


def _sent(message: Document, fact: Document) -> Sent:
    return Sent(
        message["_id"],
        message["account_id"],
        message.get("reference", ""),
        fact.get("sender", ""),
        fact.get("carrier_account", ""),
        fact["at"],
    )
