"""Ingest's collections ``counters`` (messages a day and month) and ``slots`` (per recipient)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ingest.limits.frequency import Slot
from yizhan_runtime.mongo import Index, Mongo

COUNTERS = "counters"
SLOTS = "slots"
_AFTER_END = 86_400
"""Seconds that what is over is kept."""


class MongoCounters:
    """Implements ``limits.allowance.Counters``."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def ensure_indexes(self) -> None:
        """Create what ages counters out."""
        index = Index((("ends_at", 1),), expire_after_s=_AFTER_END)
        await self._mongo.ensure_indexes(COUNTERS, [index])

    async def drawn(self, counter: str, ends_at: datetime) -> int:
        found = await self._mongo.find(COUNTERS, {"_id": counter}, limit=1)
        if not found:
            fresh = {"_id": counter, "drawn": 0, "ends_at": ends_at}
            await self._mongo.insert_new(COUNTERS, [fresh])
            found = await self._mongo.find(COUNTERS, {"_id": counter}, limit=1)
        return int(found[0]["drawn"])

    async def draw(self, counter: str, drawn: int, units: int) -> bool:
        query = {"_id": counter, "drawn": drawn}
        return bool(await self._mongo.update_one(COUNTERS, query, {"$inc": {"drawn": units}}))

    async def give_back(self, left: Mapping[str, int]) -> None:
        for counter, units in left.items():
            await self._mongo.update_one(COUNTERS, {"_id": counter}, {"$inc": {"drawn": -units}})


class MongoSlots:
    """Implements ``limits.frequency.Slots``."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def ensure_indexes(self) -> None:
        """Create what ages slots out."""
        index = Index((("ends_at", 1),), expire_after_s=_AFTER_END)
        await self._mongo.ensure_indexes(SLOTS, [index])

    async def owners(self, slot_ids: Collection[str]) -> Mapping[str, str]:
        found = await self._mongo.find_by_ids(SLOTS, slot_ids, ["owner"])
        return {slot_id: document["owner"] for slot_id, document in found.items()}

    async def add(self, slots: Sequence[Slot]) -> Collection[str]:
        documents = [{"_id": s.slot_id, "owner": s.owner, "ends_at": s.ends_at} for s in slots]
        return await self._mongo.insert_new(SLOTS, documents)
