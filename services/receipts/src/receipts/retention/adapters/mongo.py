"""Retention's own cursors, and what it takes out of replies and given-up pushes."""

from datetime import datetime, timedelta
from typing import Any, Final

from receipts.ledger.weeks import Week
from receipts.push.adapters.mongo import PARKED
from receipts.push.endpoints import About, lane_id_of
from receipts.replies.adapters.mongo import REPLIES
from receipts.retention.policy import Policy, Stage
from yizhan_runtime import Mongo

RETENTION: Final = "retention"
POLICIES: Final = "retention_policies"
"""One for each account that was given its own: few, read whole."""
_LEASE: Final = "lease"
_LATEST: Final = timedelta(days=40)
"""How much later than it was received a reply may be stored: a DLQ keeps it for 30 days."""


class MongoRetention:
    """Implements KeptBeside."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def accounts(self) -> set[str]:
        replied = await self._mongo.distinct(REPLIES, "account_id")
        lanes = await self._mongo.distinct(PARKED, "lane")
        return {*replied, *(lane.partition(":")[2] for lane in lanes)}

    async def remove_replies(
        self, stage: Stage, account_id: str, before: datetime, at: datetime
    ) -> int:
        query = {"account_id": account_id, "received_at": {"$lt": before}}
        if stage is Stage.ALL:
            return await self._mongo.delete_many(REPLIES, query)
        field = "text" if stage is Stage.CONTENTS else "phone"
        since = await self._since(stage, account_id)
        if since:
            query["received_at"] = {"$gte": since - _LATEST, "$lt": before}
        gone: dict[str, Any] = {"$set": {field: "", "erased_at": at}}
        taken = await self._mongo.update_many(REPLIES, query | {field: {"$ne": ""}}, gone)
        await self._save(f"replies-{stage}.{account_id}", {"at": before})
        return taken

    async def remove_given_up(self, account_id: str, before: datetime) -> int:
        lanes = [lane_id_of(about, account_id) for about in About]
        query = {"lane": {"$in": lanes}, "first_at": {"$lt": before}}
        return await self._mongo.delete_many(PARKED, query)

    async def is_without_numbers(self, week: Week) -> bool:
        return bool(await self._load(f"week-without-numbers.{week.name}"))

    async def save_without_numbers(self, week: Week) -> None:
        await self._save(f"week-without-numbers.{week.name}", {"is_done": True})

    async def cursor(self, stage: Stage, account_id: str) -> str:
        found = await self._load(f"{stage}.{account_id}")
        return str(found.get("last_id", ""))

    async def save_cursor(self, stage: Stage, account_id: str, last_id: str) -> None:
        await self._save(f"{stage}.{account_id}", {"last_id": last_id})

    async def policies(self) -> dict[str, Policy]:
        found = await self._mongo.find(POLICIES, {})
        return {
            document["_id"]: Policy(**{name: document[name] for name in Policy.model_fields})
            for document in found
        }

    async def save_policy(self, account_id: str, policy: Policy | None) -> None:
        if policy is None:
            await self._mongo.delete_by_ids(POLICIES, [account_id])
            return
        values = {"$set": policy.model_dump()}
        await self._mongo.update_one(POLICIES, {"_id": account_id}, values, upsert=True)

    async def lease(self, owner: str, now: datetime, until: datetime) -> bool:
        mine = {"_id": _LEASE, "$or": [{"owner": owner}, {"until": {"$lt": now}}]}
        values = {"owner": owner, "until": until}
        if await self._mongo.update_one(RETENTION, mine, {"$set": values}):
            return True
        return await self._mongo.insert_one(RETENTION, {"_id": _LEASE, **values})

    async def _since(self, stage: Stage, account_id: str) -> datetime | None:
        """Give the time before which the last run has been."""
        found = await self._load(f"replies-{stage}.{account_id}")
        at: datetime | None = found.get("at")
        return at

    async def _load(self, name: str) -> dict[str, Any]:
        found: dict[str, dict[str, Any]] = await self._mongo.find_by_ids(RETENTION, [name])
        return found.get(name, {})

    async def _save(self, name: str, values: dict[str, Any]) -> None:
        await self._mongo.update_one(RETENTION, {"_id": name}, {"$set": values}, upsert=True)
