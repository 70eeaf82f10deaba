"""Early receipts that grow old, and those that were given up."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from receipts.ledger.adapters.collections import EARLY
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.documents import Document
from yizhan_runtime import Index, Mongo

UNMATCHED: Final = "unmatched_receipts"
_KEPT_S: Final = 30 * 86_400

INDEXES: Final = (
    Index((("aged_at", -1),), expire_after_s=_KEPT_S),
    Index((("channel", 1), ("aged_at", -1))),
)


class MongoUnmatched:
    """Implements UnmatchedStore and UnmatchedReader."""

    def __init__(self, mongo: Mongo, ledger: MongoLedger) -> None:
        self._mongo = mongo
        self._ledger = ledger

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        await self._mongo.ensure_indexes(UNMATCHED, INDEXES)

    async def aged_early(self, before: datetime, limit: int) -> list[Document]:
        return await self._mongo.find(
            EARLY,
            {"stored_at": {"$lt": before}},
            sort=(("stored_at", 1), ("_id", 1)),
            limit=limit,
        )

    async def insert_unmatched(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(UNMATCHED, documents)

    async def remove_early(self, ids: Collection[str]) -> None:
        await self._ledger.remove_early(ids)

    async def find_unmatched(self, channel: str, before: datetime, limit: int) -> list[Document]:
        query = {"aged_at": {"$lt": before}} | ({"channel": channel} if channel else {})
        return await self._mongo.find(UNMATCHED, query, sort=(("aged_at", -1),), limit=limit)
