"""What the push reads of the ledger, and what waits to be pushed: there, updates are allowed."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.facts import Accepted, Kind, call_requested_id, pushed_id
from receipts.push.ports import Waiting
from receipts.push.s3 import S3Status
from yizhan_runtime import Index, Mongo

WAITING: Final = "push_due"
PARKED: Final = "push_parked"
LEASES: Final = "push_leases"

INDEXES: Final[dict[str, tuple[Index, ...]]] = {
    WAITING: (Index((("account_id", 1), ("next_at", 1))),),
    PARKED: (Index((("account_id", 1), ("_id", 1))),),
}
_SETTLED_FIELDS: Final = ("recipient", "charging_num", "time_zone", "sms")


class MongoPush:
    """Implements PushStore."""

    def __init__(self, mongo: Mongo, ledger: MongoLedger) -> None:
        self._mongo = mongo
        self._ledger = ledger

    async def prepare(self) -> None:
        for collection, indexes in INDEXES.items():
            await self._mongo.ensure_indexes(collection, indexes)

    async def settled_of(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        return await self._ledger.settled_of(message_ids, _SETTLED_FIELDS)

    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]:
        return await self._ledger.accepted_of(message_ids)

    async def failed_sms_of(self, message_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        ids = [call_requested_id(message_id, sms_failed=True) for message_id in message_ids]
        found = await self._ledger.facts_by_ids(ids)
        return {document["message_id"]: document for document in found.values()}

    async def pushed_of(self, message_ids: Collection[str]) -> dict[str, set[S3Status]]:
        ids = [pushed_id(message_id, status) for message_id in message_ids for status in S3Status]
        found = await self._ledger.facts_by_ids(ids, ("message_id", "state"))
        pushed: dict[str, set[S3Status]] = {}
        for document in found.values():
            pushed.setdefault(document["message_id"], set()).add(S3Status(document["state"]))
        return pushed

    async def save_pushed(self, said: Sequence[tuple[str, S3Status]], at: datetime) -> None:
        documents = [
            {
                "_id": pushed_id(message_id, status),
                "message_id": message_id,
                "kind": Kind.PUSHED.value,
                "state": status.value,
                "at": at,
            }
            for message_id, status in said
        ]
        await self._ledger.insert_facts(documents)

    async def save_waiting(self, waiting: Sequence[Waiting]) -> None:
        await self._mongo.insert_new(WAITING, [_document(item) for item in waiting])

    async def earliest_waiting(self) -> dict[str, datetime]:
        found = await self._mongo.aggregate(
            WAITING,
            [
                {"$sort": {"account_id": 1, "next_at": 1}},
                {"$group": {"_id": "$account_id", "next_at": {"$first": "$next_at"}}},
            ],
        )
        return {document["_id"]: document["next_at"] for document in found}

    async def due_of(self, account_id: str, until: datetime, limit: int) -> list[Waiting]:
        query = {"account_id": account_id, "next_at": {"$lte": until}}
        found = await self._mongo.find(WAITING, query, sort=(("next_at", 1),), limit=limit)
        return [_waiting(document) for document in found]

    async def older_of(self, account_id: str, before: datetime, limit: int) -> list[Waiting]:
        query = {"account_id": account_id, "first_at": {"$lte": before}}
        found = await self._mongo.find(WAITING, query, limit=limit)
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

    async def remove_waiting(self, waiting: Sequence[Waiting]) -> None:
        await self._mongo.delete_by_ids(WAITING, [item.waiting_id for item in waiting])

    async def lease(self, account_id: str, owner: str, now: datetime, until: datetime) -> bool:
        mine = {"_id": account_id, "$or": [{"owner": owner}, {"until": {"$lt": now}}]}
        values = {"owner": owner, "until": until}
        if await self._mongo.update_one(LEASES, mine, {"$set": values}):
            return True
        return await self._mongo.insert_one(LEASES, {"_id": account_id} | values)

    async def count_waiting(self) -> tuple[int, int]:
        return await self._mongo.count(WAITING, {}), await self._mongo.count(PARKED, {})


def _document(item: Waiting) -> dict[str, Any]:
    return {
        "_id": item.waiting_id,
        "message_id": item.message_id,
        "status": item.status.value,
        "account_id": item.account_id,
        "next_at": item.next_at,
        "first_at": item.first_at,
        "tries": item.tries,
    }


def _waiting(document: Mapping[str, Any]) -> Waiting:
    return Waiting(
        document["message_id"],
        S3Status(document["status"]),
        document["account_id"],
        document["next_at"],
        document["first_at"],
        document["tries"],
    )
