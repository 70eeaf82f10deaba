"""What the push reads of the ledger, and that it writes down there what was acknowledged."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.facts import Accepted, Kind, call_requested_id, pushed_id
from receipts.push.s3 import S3Status

_SETTLED_FIELDS: Final = ("recipient", "charging_num", "time_zone", "sms")


class MongoResults:
    """Implements ResultStore."""

    def __init__(self, ledger: MongoLedger) -> None:
        self._ledger = ledger

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

    async def settled_ids_of(
        self, account_id: str, after: str, below: str, limit: int
    ) -> list[str]:
        return await self._ledger.settled_ids_of(account_id, after, below, limit)
