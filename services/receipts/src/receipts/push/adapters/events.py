"""Announced events in MongoDB: inserted, never changed; both collections age out."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.push.events import Announced, EventType
from receipts.push.ports import Place
from yizhan_runtime import Index, Mongo

EVENTS: Final = "push_events"
SAID: Final = "push_said"
KEPT_S: Final = 30 * 86_400
"""So far back can be replayed."""

INDEXES: Final[dict[str, tuple[Index, ...]]] = {
    EVENTS: (
        Index((("account_id", 1), ("position", 1))),
        Index((("kept_at", 1),), expire_after_s=KEPT_S),
    ),
    SAID: (Index((("at", 1),), expire_after_s=KEPT_S),),
}


class MongoEvents:
    """Implements EventStore."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        for collection, indexes in INDEXES.items():
            await self._mongo.ensure_indexes(collection, indexes)

    async def insert_announced(self, announced: Sequence[Announced], at: datetime) -> None:
        await self._mongo.insert_new(EVENTS, [_document(one, at) for one in announced])

    async def announced_of(self, event_ids: Collection[str]) -> dict[str, Announced]:
        found = await self._mongo.find_by_ids(EVENTS, event_ids)
        return {event_id: _announced(document) for event_id, document in found.items()}

    async def said_of(self, event_ids: Collection[str]) -> set[str]:
        return set(await self._mongo.find_by_ids(SAID, event_ids, ("_id",)))

    async def save_said(self, event_ids: Sequence[str], at: datetime) -> None:
        await self._mongo.insert_new(SAID, [{"_id": one, "at": at} for one in event_ids])

    async def page(self, account_id: str, after: str, below: str, limit: int) -> list[Place]:
        query = {"account_id": account_id, "position": {"$gt": after, "$lt": below}}
        found = await self._mongo.find(
            EVENTS, query, sort=(("position", 1),), limit=limit, fields=("position",)
        )
        return [Place(document["position"], document["_id"]) for document in found]


def _document(one: Announced, at: datetime) -> dict[str, Any]:
    return {
        "_id": one.event_id,
        "account_id": one.account_id,
        "type": one.type.value,
        "at": one.at,
        "data": dict(one.data),
        "source_id": one.source_id,
        "position": one.position(at),
        "kept_at": at,
    }


def _announced(document: Mapping[str, Any]) -> Announced:
    return Announced(
        document["_id"],
        document["account_id"],
        EventType(document["type"]),
        document["at"],
        document["data"],
        document["source_id"],
    )
