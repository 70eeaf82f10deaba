"""What waits to be pushed, and what was given up: here, updates are allowed."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.push.endpoints import About, lane_id_of
from receipts.push.ports import Waiting
from yizhan_runtime import Index, Mongo

WAITING: Final = "push_due"
PARKED: Final = "push_parked"
LEASES: Final = "push_leases"

INDEXES: Final[dict[str, tuple[Index, ...]]] = {
    WAITING: (
        Index((("lane", 1), ("next_at", 1))),
        Index((("lane", 1), ("first_at", 1))),
    ),
    PARKED: (Index((("lane", 1), ("first_at", 1))),),
}


class MongoWaiting:
    """Implements WaitingStore."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        for collection, indexes in INDEXES.items():
            await self._mongo.ensure_indexes(collection, indexes)

    async def save_waiting(self, waiting: Sequence[Waiting]) -> None:
        await self._mongo.insert_new(WAITING, [_document(item) for item in waiting])

    async def earliest_waiting(self) -> dict[str, datetime]:
        # A scan over distinct lanes: what waits in one costs nothing.
        found = await self._mongo.aggregate(
            WAITING,
            [
                {"$sort": {"lane": 1, "next_at": 1}},
                {"$group": {"_id": "$lane", "next_at": {"$first": "$next_at"}}},
            ],
        )
        return {document["_id"]: document["next_at"] for document in found}

    async def due_of(self, lane_id: str, until: datetime, limit: int) -> list[Waiting]:
        query = {"lane": lane_id, "next_at": {"$lte": until}}
        found = await self._mongo.find(WAITING, query, sort=(("next_at", 1),), limit=limit)
        return [_waiting(document) for document in found]

    async def older_of(self, lane_id: str, before: datetime, limit: int) -> list[Waiting]:
        query = {"lane": lane_id, "first_at": {"$lte": before}}
        found = await self._mongo.find(WAITING, query, sort=(("first_at", 1),), limit=limit)
        return [_waiting(document) for document in found]

    async def put_off(self, waiting: Sequence[Waiting]) -> None:
        await asyncio.gather(
            *(
                self._mongo.update_one(
                    WAITING,
                    {"_id": item.waiting_id},
                    {"$set": {"next_at": item.next_at, "tries": item.tries}},
                )
                for item in waiting
            )
        )

    async def park(self, waiting: Sequence[Waiting], at: datetime) -> None:
        parked = [_document(item) | {"parked_at": at} for item in waiting]
        await self._mongo.insert_new(PARKED, parked)
        await self.remove_waiting(waiting)

    async def parked_of(
        self, lane_id: str, since: datetime, until: datetime, status: str, limit: int
    ) -> list[Waiting]:
        query: dict[str, Any] = {"lane": lane_id, "first_at": {"$gte": since, "$lt": until}}
        if status:
            query["status"] = status
        found = await self._mongo.find(PARKED, query, sort=(("first_at", 1),), limit=limit)
        return [_waiting(document) for document in found]

    async def unpark(self, waiting: Sequence[Waiting]) -> None:
        await self.save_waiting(waiting)
        await self._mongo.delete_by_ids(PARKED, [item.waiting_id for item in waiting])

    async def remove_waiting(self, waiting: Sequence[Waiting]) -> None:
        await self._mongo.delete_by_ids(WAITING, [item.waiting_id for item in waiting])

    async def lease(self, lane_id: str, owner: str, now: datetime, until: datetime) -> bool:
        mine = {"_id": lane_id, "$or": [{"owner": owner}, {"until": {"$lt": now}}]}
        values = {"owner": owner, "until": until}
        if await self._mongo.update_one(LEASES, mine, {"$set": values}):
            return True
        return await self._mongo.insert_one(LEASES, {"_id": lane_id} | values)

    async def count_waiting(self) -> tuple[int, int]:
        return await self._mongo.count(WAITING, {}), await self._mongo.count(PARKED, {})


def _document(item: Waiting) -> dict[str, Any]:
    return {
        "_id": item.waiting_id,
        "subject_id": item.subject_id,
        "status": item.status,
        "lane": lane_id_of(item.about, item.account_id),
        "about": item.about.value,
        "account_id": item.account_id,
        "next_at": item.next_at,
        "first_at": item.first_at,
        "tries": item.tries,
    }


def _waiting(document: Mapping[str, Any]) -> Waiting:
    return Waiting(
        document["subject_id"],
        document["status"],
        About(document["about"]),
        document["account_id"],
        document["next_at"],
        document["first_at"],
        document["tries"],
    )
