"""Exports and their parts in MongoDB: any instance serves them, and carries them on."""

import asyncio
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bson.binary import Binary

from receipts.exports.domain import Export, ExportQuery, Part, PartSize, Shown, State
from yizhan_runtime import Index, Mongo

EXPORTS: Final = "exports"
PARTS: Final = "export_parts"
_EXISTS: Final = {"$exists": True}

INDEXES: Final[dict[str, tuple[Index, ...]]] = {
    EXPORTS: (
        Index((("key", 1),), unique=True, partial={"key": _EXISTS}),
        Index((("served_at", 1),), partial={"state": State.RUNNING.value}),
        Index((("account_id", 1), ("created_at", -1))),
        Index((("expires_at", 1),), expire_after_s=0),
    ),
    PARTS: (
        Index((("export_id", 1), ("n", 1))),
        Index((("expires_at", 1),), expire_after_s=0),
    ),
}
_CANDIDATES: Final = 5
_SIZES: Final = ("n", "rows", "raw_size")
_PROGRESS: Final = ("n", "last_id", "is_last", "rows", "scanned", "raw_size")
_TOTALS: Final = ("total_rows", "total_scanned", "total_size")


class MongoExports:
    """Implements ExportStore."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def prepare(self) -> None:
        """Create the indexes that queries stand on; those on ``expires_at`` remove what expires."""
        for collection, indexes in INDEXES.items():
            await self._mongo.ensure_indexes(collection, indexes)

    # ---- exports ----------------------------------------------------------------------

    async def add(self, export: Export, key: str, *, key_stays: bool) -> bool:
        document = _document(export) | {"key": key, "key_stays": key_stays}
        return await self._mongo.insert_one(EXPORTS, document)

    async def under(self, key: str) -> Export | None:
        found = await self._mongo.find(EXPORTS, {"key": key}, limit=1)
        return _export(found[0]) if found else None

    async def load(self, export_id: str) -> Export | None:
        found = await self._mongo.find_by_ids(EXPORTS, [export_id])
        return _export(found[export_id]) if found else None

    async def list_of(self, account_id: str, limit: int) -> list[Export]:
        found = await self._mongo.find(
            EXPORTS, {"account_id": account_id}, sort=(("created_at", -1),), limit=limit
        )
        return [_export(document) for document in found]

    async def claim(self, owner: str, now: datetime, until: datetime) -> Export | None:
        waiting = await self._mongo.find(
            EXPORTS,
            {"state": State.RUNNING.value, "served_at": {"$lte": now}},
            sort=(("served_at", 1),),
            limit=_CANDIDATES,
            fields=("served_at",),
        )
        for candidate in waiting:
            # While it is served, its time is the lease's end: nobody else finds it before.
            mine = candidate | {"state": State.RUNNING.value}
            taken = {"$set": {"served_at": until, "owner": owner}, "$inc": {"tries": 1}}
            if found := await self._mongo.find_one_and_update(EXPORTS, mine, taken):
                return _export(found)
        return None

    async def progress(self, export_id: str, part: Part, now: datetime) -> bool:
        told = {
            "rows": part.total_rows,
            "scanned": part.total_scanned,
            "size": part.total_size,
            "parts": part.n,
            "served_at": now,
            "tries": 0,
        }
        running = {"_id": export_id, "state": State.RUNNING.value}
        return await self._mongo.update_one(EXPORTS, running, {"$set": told}) > 0

    async def end(self, export_id: str, state: State, at: datetime, error: str = "") -> bool:
        told = {"state": state.value, "done_at": at, "error": error}
        if state is not State.DONE:
            live = {"_id": export_id, "state": {"$in": [State.RUNNING, State.DONE]}}
            update = {"$set": told, "$unset": {"key": ""}}
            return await self._mongo.update_one(EXPORTS, live, update) > 0
        running = {"_id": export_id, "state": State.RUNNING.value}
        is_done = await self._mongo.update_one(EXPORTS, running, {"$set": told}) > 0
        unless_kept = {"_id": export_id, "key_stays": False}
        await self._mongo.update_one(EXPORTS, unless_kept, {"$unset": {"key": ""}})
        return is_done

    async def erase(
        self, account_id: str, message_ids: Collection[str] | None, since: datetime
    ) -> list[str]:
        """Remove the files of an account's exports that may show messages; None: all of them.

        Gives their ids, also of those that were erased since a time: a repeat gives the same.
        """
        exports = await self._mongo.find(
            EXPORTS,
            {"account_id": account_id},
            sort=(("created_at", -1),),
            fields=("first_id", "below_id", "state", "done_at"),
        )
        erased = []
        for export in exports:
            ids = (export["first_id"], export["below_id"])
            if message_ids is None or any(ids[0] < one < ids[1] for one in message_ids):
                state, is_live = export["state"], export["state"] in (State.RUNNING, State.DONE)
                if is_live:
                    await self.end(export["_id"], State.ERASED, since)
                # Also of one that was cancelled: who did it may have died before the parts went.
                removed = await self.remove_parts(export["_id"])
                is_again = state == State.ERASED and export["done_at"] >= since
                if is_live or is_again or removed:
                    erased.append(export["_id"])
        return erased

    async def count_parts_of(self, export_ids: Collection[str]) -> int:
        return await self._mongo.count(PARTS, {"export_id": {"$in": list(export_ids)}})

    # ---- parts ------------------------------------------------------------------------

    async def last_part(self, export_id: str) -> Part | None:
        found = await self._mongo.find(
            PARTS,
            {"export_id": export_id},
            sort=(("n", -1),),
            limit=1,
            fields=(*_PROGRESS, *_TOTALS),
        )
        return _part(found[0]) if found else None

    async def add_part(self, export_id: str, part: Part, expires_at: datetime) -> bool:
        document = part._asdict() | {
            "_id": _part_id(export_id, part.n),
            "export_id": export_id,
            "data": Binary(part.data),
            "expires_at": expires_at,
        }
        return await self._mongo.insert_one(PARTS, document)

    async def remove_part(self, export_id: str, n: int) -> None:
        await self._mongo.delete_by_ids(PARTS, [_part_id(export_id, n)])

    async def remove_parts(self, export_id: str) -> int:
        found = await self._mongo.find(PARTS, {"export_id": export_id}, fields=("_id",))
        return await self._mongo.delete_by_ids(PARTS, [document["_id"] for document in found])

    async def sizes(self, export_id: str) -> Sequence[PartSize]:
        found = await self._mongo.find(
            PARTS, {"export_id": export_id}, sort=(("n", 1),), fields=_SIZES
        )
        return [PartSize(*(document[name] for name in _SIZES)) for document in found]

    async def data(self, export_id: str, n: int) -> bytes | None:
        part_id = _part_id(export_id, n)
        found = await self._mongo.find_by_ids(PARTS, [part_id], ("data",))
        return await asyncio.to_thread(zlib.decompress, found[part_id]["data"]) if found else None


def _part_id(export_id: str, n: int) -> str:
    return f"{export_id}.{n:06}"


def _part(document: Mapping[str, Any]) -> Part:
    return Part(**{name: document[name] for name in (*_PROGRESS, *_TOTALS)}, data=b"")


def _document(export: Export) -> dict[str, Any]:
    return {
        "_id": export.export_id,
        "account_id": export.query.account_id,
        "query": export.query.model_dump_json(),
        "shown": export.shown.model_dump_json(),
        "state": export.state.value,
        "created_at": export.created_at,
        "expires_at": export.expires_at,
        "served_at": export.created_at,
        "estimated": export.estimated,
        "first_id": export.query.after,
        "below_id": export.query.below,
        "tries": 0,
    }


def _export(document: Mapping[str, Any]) -> Export:
    get = document.get
    return Export(
        export_id=document["_id"],
        query=ExportQuery.model_validate_json(document["query"]),
        shown=Shown.model_validate_json(document["shown"]),
        state=State(document["state"]),
        created_at=document["created_at"],
        expires_at=document["expires_at"],
        estimated=document["estimated"],
        rows=get("rows", 0),
        parts=get("parts", 0),
        size=get("size", 0),
        done_at=get("done_at"),
        error=get("error", ""),
        tries=get("tries", 0),
        scanned=get("scanned", 0),
    )
