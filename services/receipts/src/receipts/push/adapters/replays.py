"""Replays in MongoDB: few, and slow: ordinary documents with ordinary updates."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from receipts.push.endpoints import About
from receipts.push.replays import Progress, Replay, Source
from yizhan_runtime import Index, Mongo

REPLAYS: Final = "push_replays"
_KEPT_S: Final = 90 * 86_400
_RUNNING: Final = {"progress": Progress.RUNNING.value}

INDEXES: Final = (
    Index((("created_at", 1),), partial=_RUNNING),
    Index((("account_id", 1), ("created_at", -1))),
    Index((("moved_at", 1),), expire_after_s=_KEPT_S),
)


class MongoReplays:
    """Implements ReplayStore."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        await self._mongo.ensure_indexes(REPLAYS, INDEXES)

    async def add(self, job: Replay) -> None:
        await self._mongo.insert_one(REPLAYS, {"_id": job.replay_id, **_document(job)})

    async def save(self, job: Replay) -> bool:
        query = {"_id": job.replay_id, **_RUNNING}
        return bool(await self._mongo.update_one(REPLAYS, query, {"$set": _document(job)}))

    async def find(self, replay_id: str) -> Replay | None:
        found = await self._mongo.find_by_ids(REPLAYS, [replay_id])
        return _replay(found[replay_id]) if found else None

    async def running(self, limit: int) -> Sequence[Replay]:
        found = await self._mongo.find(REPLAYS, _RUNNING, sort=(("created_at", 1),), limit=limit)
        return [_replay(document) for document in found]

    async def of_account(self, account_id: str, limit: int) -> Sequence[Replay]:
        found = await self._mongo.find(
            REPLAYS, {"account_id": account_id}, sort=(("created_at", -1),), limit=limit
        )
        return [_replay(document) for document in found]


def _document(job: Replay) -> dict[str, Any]:
    return {
        "account_id": job.account_id,
        "about": job.about.value,
        "source": job.source.value,
        "since": job.since,
        "until": job.until,
        "status": job.status,
        "created_at": job.created_at,
        "moved_at": job.moved_at,
        "after": job.after,
        "items": job.items,
        "progress": job.progress.value,
        "why": job.why,
    }


def _replay(document: Mapping[str, Any]) -> Replay:
    return Replay(
        document["_id"],
        document["account_id"],
        About(document["about"]),
        Source(document["source"]),
        document["since"],
        document["until"],
        document["status"],
        document["created_at"],
        document["moved_at"],
        document["after"],
        document["items"],
        Progress(document["progress"]),
        document["why"],
    )
