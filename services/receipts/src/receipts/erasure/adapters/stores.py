"""The stores of receipts that an erasure goes through, each by an index that it has anyway."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from receipts.erasure.domain import Found, Subject, Where
from receipts.exports.adapters.mongo import MongoExports
from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.replies.adapters.mongo import REPLIES
from yizhan_runtime import Mongo

_NOT_EMPTY: Final = {"$ne": ""}


class ErasedStores:
    """Implements Erased."""

    def __init__(self, mongo: Mongo, ledger: LedgerEraser, exports: MongoExports) -> None:
        self._mongo = mongo
        self._ledger = ledger
        self._exports = exports

    async def refresh(self) -> None:
        await self._ledger.parts()

    async def page(self, subject: Subject, after: str, below: str, limit: int) -> list[Found]:
        found = await self._ledger.numbers_of(_who(subject), after, below, limit, ("account_id",))
        return [Found(document["_id"], document["account_id"]) for document in found]

    async def settled_among(self, message_ids: Collection[str]) -> set[str]:
        return await self._ledger.settled_among(message_ids)

    async def count_contents(self, message_ids: Collection[str]) -> int:
        return await self._ledger.count_contents(message_ids)

    async def remove_messages(self, message_ids: Collection[str], at: datetime) -> None:
        await self._ledger.remove_numbers(message_ids, at)

    async def count_remaining(self, message_ids: Collection[str]) -> int:
        contents = await self._ledger.count_contents(message_ids)
        return contents + await self._ledger.count_settled_numbers(message_ids)

    async def remove_exports(self, found: Collection[Found], since: datetime) -> list[str]:
        removed: list[str] = []
        for account_id in sorted({one.account_id for one in found}):
            ids = [one.message_id for one in found if one.account_id == account_id]
            removed += await self._exports.erase(account_id, ids, since)
        return removed

    async def remove_exports_of(self, account_id: str, since: datetime) -> list[str]:
        return await self._exports.erase(account_id, None, since)

    async def count_replies(self, subject: Subject, before: datetime) -> int:
        return await self._mongo.count(REPLIES, _replies(subject, before))

    async def remove_replies(self, subject: Subject, before: datetime, at: datetime) -> None:
        query = _replies(subject, before)
        gone = {"text": "", "erased_at": at}
        await self._mongo.update_many(REPLIES, query, {"$set": gone})
        await self._mongo.update_many(REPLIES, query, {"$set": {"phone": ""}})

    async def left(
        self, subject: Subject, below: str, before: datetime, export_ids: Collection[str]
    ) -> dict[str, int]:
        return {
            Where.MESSAGES.value: await self._ledger.count_numbers(_who(subject), below),
            Where.REPLIES.value: await self.count_replies(subject, before),
            Where.EXPORTS.value: await self._exports.count_parts_of(export_ids),
        }


def _who(subject: Subject) -> dict[str, Any]:
    """Say whose messages: by number through its index, else by account where there is a number."""
    own = {"account_id": subject.account_id} if subject.account_id else {}
    return own | {"recipient": subject.phone or _NOT_EMPTY}


def _replies(subject: Subject, before: datetime) -> dict[str, Any]:
    own = {"account_id": subject.account_id} if subject.account_id else {}
    return own | {"phone": subject.phone or _NOT_EMPTY, "received_at": {"$lt": before}}
