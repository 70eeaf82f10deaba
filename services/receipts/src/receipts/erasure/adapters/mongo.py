"""Erasures in MongoDB. The number is in the document until it is done, and not after."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from receipts.erasure.domain import Erasure, Found, Planned, State, Subject, Where
from yizhan_runtime import Index, Mongo

ERASURES: Final = "erasures"
_EXISTS: Final = {"$exists": True}
INDEXES: Final = (
    Index((("key", 1),), unique=True, partial={"key": _EXISTS}),
    Index((("due_at", 1),), partial={"due_at": _EXISTS}),
)
_CANDIDATES: Final = 5


class MongoErasures:
    """Implements ErasureStore."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        await self._mongo.ensure_indexes(ERASURES, INDEXES)

    async def add(self, erasure: Erasure, key: str) -> bool:
        return await self._mongo.insert_one(
            ERASURES,
            {
                "_id": erasure.erasure_id,
                "key": key,
                "account_id": erasure.subject.account_id,
                "phone": erasure.subject.phone,
                "phone_hash": erasure.phone_hash,
                "asked_by": erasure.asked_by,
                "requested_at": erasure.requested_at,
                "below_id": erasure.below_id,
                "state": erasure.state.value,
                "due_at": erasure.requested_at,
                "export_ids": [],
                "waiting_ids": [],
            },
        )

    async def under(self, key: str) -> Erasure | None:
        found = await self._mongo.find(ERASURES, {"key": key}, limit=1)
        return _erasure(found[0]) if found else None

    async def load(self, erasure_id: str) -> Erasure | None:
        found = await self._mongo.find_by_ids(ERASURES, [erasure_id])
        return _erasure(found[erasure_id]) if found else None

    async def claim(self, owner: str, now: datetime, until: datetime) -> Erasure | None:
        due = await self._mongo.find(
            ERASURES,
            {"due_at": {"$lte": now}},
            sort=(("due_at", 1),),
            limit=_CANDIDATES,
            fields=("due_at",),
        )
        for candidate in due:
            taken = {"$set": {"due_at": until, "owner": owner, "state": State.RUNNING.value}}
            if found := await self._mongo.find_one_and_update(ERASURES, candidate, taken):
                return _erasure(found)
        return None

    async def plan(self, erasure_id: str, planned: Planned, until: datetime) -> None:
        pairs = [list(found) for found in planned.found]
        values = {"planned": {"found": pairs, "contents": planned.contents}, "due_at": until}
        await self._set(erasure_id, {"$set": values})

    async def count(self, erasure_id: str, planned: Planned, export_ids: Collection[str]) -> None:
        removed = {Where.MESSAGES: len(planned.found), Where.CONTENTS: planned.contents}
        # Whoever comes second with this page finds another plan, or none.
        mine = {"_id": erasure_id, "planned.found": [list(found) for found in planned.found]}
        await self._mongo.update_one(
            ERASURES,
            mine,
            {
                "$inc": {f"removed.{where}": count for where, count in removed.items()},
                "$addToSet": {"export_ids": {"$each": list(export_ids)}},
                "$unset": {"planned": ""},
            },
        )

    async def count_beside(
        self, erasure_id: str, replies: int, export_ids: Collection[str]
    ) -> None:
        await self._set(
            erasure_id,
            {
                "$max": {f"removed.{Where.REPLIES}": replies},
                "$addToSet": {"export_ids": {"$each": list(export_ids)}},
            },
        )

    async def wait(self, erasure_id: str, until: datetime, waiting_ids: Collection[str]) -> None:
        values = {
            "state": State.WAITING.value,
            "due_at": until,
            "waiting_ids": list(waiting_ids),
        }
        await self._set(erasure_id, {"$set": values})

    async def finish(self, erasure_id: str, left: Mapping[str, int], at: datetime) -> None:
        values = {
            "state": State.DONE.value,
            "left": dict(left),
            "done_at": at,
            "waiting_ids": [],
            "phone": "",
        }
        await self._set(erasure_id, {"$set": values, "$unset": {"key": "", "due_at": ""}})

    async def _set(self, erasure_id: str, update: Mapping[str, Any]) -> None:
        await self._mongo.update_one(ERASURES, {"_id": erasure_id}, update)


def _erasure(document: Mapping[str, Any]) -> Erasure:
    get = document.get
    removed = dict(get("removed", {}))
    export_ids = tuple(document["export_ids"])
    return Erasure(
        erasure_id=document["_id"],
        subject=Subject(document["account_id"], document["phone"]),
        phone_hash=document["phone_hash"],
        asked_by=document["asked_by"],
        requested_at=document["requested_at"],
        below_id=document["below_id"],
        state=State(document["state"]),
        planned=_planned(get("planned")),
        removed={where: removed.get(where, 0) for where in Where}
        | {Where.EXPORTS: len(export_ids)},
        export_ids=export_ids,
        waiting_ids=tuple(document["waiting_ids"]),
        left=get("left"),
        done_at=get("done_at"),
    )


def _planned(document: Mapping[str, Any] | None) -> Planned | None:
    if document is None:
        return None
    return Planned(tuple(Found(*pair) for pair in document["found"]), document["contents"])
