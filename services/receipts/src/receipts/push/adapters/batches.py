"""Open batches in MongoDB: few, gone when they are told finished, or after 30 days."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from receipts.push.batches import OpenBatch
from yizhan_runtime import Index, Mongo

BATCHES: Final = "batches"
_KEPT_S: Final = 30 * 86_400


class MongoBatches:
    """Implements BatchStore."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        await self._mongo.ensure_indexes(
            BATCHES,
            [Index((("next_at", 1),)), Index((("closed_at", 1),), expire_after_s=_KEPT_S)],
        )

    async def insert_batches(self, batches: Sequence[OpenBatch]) -> None:
        documents = [
            {
                "_id": one.key,
                "account_id": one.account_id,
                "batch_id": one.batch_id,
                "message_ids": list(one.message_ids),
                "closed_at": one.closed_at,
                "next_at": one.next_at,
            }
            for one in batches
        ]
        await self._mongo.insert_new(BATCHES, documents)

    async def due_batches(self, until: datetime, limit: int) -> list[OpenBatch]:
        query = {"next_at": {"$lte": until}}
        found = await self._mongo.find(BATCHES, query, sort=(("next_at", 1),), limit=limit)
        names = ("account_id", "batch_id", "message_ids", "closed_at", "next_at")
        return [OpenBatch(*(document[name] for name in names)) for document in found]

    async def put_off_batch(self, batch: OpenBatch) -> None:
        update = {"$set": {"next_at": batch.next_at}}
        await self._mongo.update_one(BATCHES, {"_id": batch.key}, update)

    async def remove_batches(self, batches: Sequence[OpenBatch]) -> None:
        await self._mongo.delete_by_ids(BATCHES, [one.key for one in batches])
