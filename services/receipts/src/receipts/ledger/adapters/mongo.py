"""The ledger in MongoDB: bulk inserts and indexed lookups. The only updates are corrections.

What each operation costs, and why nothing here is an update: docs/adr, append-only ledger.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.ledger.balance import ACCEPTED, Cell
from receipts.ledger.consequences import SettledBy
from receipts.ledger.conservation import MessageRow, SettledRow
from receipts.ledger.documents import (
    ACCEPTED_FIELDS,
    FACT_FIELDS,
    Document,
    accepted_of,
    fact_of,
    keys_of_parts,
)
from receipts.ledger.facts import Accepted, Fact, Kind
from receipts.ledger.feeds import Handed
from receipts.ledger.ports import Due, Position
from yizhan_contracts.events import AttemptOutcome, MessageAccepted, Status
from yizhan_runtime import Index, Mongo

MESSAGES: Final = "messages"
FACTS: Final = "facts"
EARLY: Final = "early_receipts"
UNMATCHED: Final = "unmatched_receipts"
SETTLED: Final = "settled"
CURSORS: Final = "cursors"
BALANCES: Final = "balances"

_HANDED_OVER: Final = frozenset({Kind.SUBMITTED, Kind.IN_DOUBT})
_FINISHED: Final = {"$in": [kind.value for kind in AttemptOutcome]}
_EXISTS: Final = {"$exists": True}
_OF_CHANNEL: Final = (("channel", 1), ("receipt_due_at", 1))
_SUBMITTED: Final = {"kind": Kind.SUBMITTED.value}
_UNMATCHED_KEPT_S: Final = 30 * 86_400

INDEXES: Final[dict[str, tuple[Index, ...]]] = {
    MESSAGES: (
        Index((("check_at", 1), ("_id", 1))),
        Index((("account_id", 1), ("reference", 1), ("_id", 1))),
    ),
    FACTS: (
        Index((("message_id", 1),)),
        Index((("carrier_key", 1),), partial={"carrier_key": _EXISTS}),
        Index((("receipt_due_at", 1), ("_id", 1)), partial={"receipt_due_at": _EXISTS}),
        Index(_OF_CHANNEL, partial=_SUBMITTED),
    ),
    EARLY: (
        Index((("carrier_key", 1),)),
        Index((("stored_at", 1), ("_id", 1))),
    ),
    UNMATCHED: (
        Index((("aged_at", -1),), expire_after_s=_UNMATCHED_KEPT_S),
        Index((("channel", 1), ("aged_at", -1))),
    ),
    SETTLED: (
        Index((("account_id", 1), ("status", 1), ("_id", 1))),
        Index((("settled_at", 1),), partial={"settled_by": SettledBy.FULL_SWEEP.value}),
    ),
}


class MongoLedger:
    """Implements LedgerStore, SweepStore and LedgerReader."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        for collection, indexes in INDEXES.items():
            await self._mongo.ensure_indexes(collection, indexes)

    async def insert_messages(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(MESSAGES, documents)

    async def insert_facts(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(FACTS, documents)

    async def insert_early(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(EARLY, documents)

    async def insert_settled(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(SETTLED, documents)

    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]:
        found = await self._mongo.find_by_ids(MESSAGES, message_ids, ACCEPTED_FIELDS)
        return {message_id: accepted_of(document) for message_id, document in found.items()}

    async def events_of(self, message_ids: Collection[str]) -> dict[str, MessageAccepted]:
        found = await self._mongo.find_by_ids(MESSAGES, message_ids, ("event",))
        parse = MessageAccepted.model_validate_json
        return {message_id: parse(document["event"]) for message_id, document in found.items()}

    async def facts_of(self, message_ids: Collection[str]) -> dict[str, list[Fact]]:
        query = {"message_id": {"$in": list(message_ids)}}
        facts: dict[str, list[Fact]] = {}
        for document in await self._mongo.find(FACTS, query, fields=FACT_FIELDS):
            facts.setdefault(document["message_id"], []).append(fact_of(document))
        return facts

    async def settled_of(self, message_ids: Collection[str]) -> dict[str, Document]:
        return await self._mongo.find_by_ids(SETTLED, message_ids)

    async def submitted_under(
        self, carrier_keys: Collection[str], since: datetime
    ) -> dict[str, Mapping[str, Any]]:
        query = {"carrier_key": {"$in": list(carrier_keys)}, "at": {"$gte": since}}
        found = await self._mongo.find(
            FACTS, query, fields=("carrier_key", "message_id", "n", "at", "kind", "parts")
        )
        newest: dict[str, Mapping[str, Any]] = {}
        for document in sorted(found, key=_by_time):
            if document["kind"] in _HANDED_OVER:
                newest |= dict.fromkeys(keys_of_parts(document), document)
        return newest

    async def early_under(
        self, carrier_keys: Collection[str], since: datetime
    ) -> list[Mapping[str, Any]]:
        query = {"carrier_key": {"$in": list(carrier_keys)}, "stored_at": {"$gte": since}}
        return list(await self._mongo.find(EARLY, query))

    async def remove_early(self, ids: Collection[str]) -> None:
        if ids:
            await self._mongo.delete_by_ids(EARLY, ids)

    async def aged_early(self, before: datetime, limit: int) -> list[Document]:
        return await self._mongo.find(
            EARLY,
            {"stored_at": {"$lt": before}},
            sort=(("stored_at", 1), ("_id", 1)),
            limit=limit,
        )

    async def insert_unmatched(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(UNMATCHED, documents)

    async def find_unmatched(self, channel: str, before: datetime, limit: int) -> list[Document]:
        query = {"aged_at": {"$lt": before}} | ({"channel": channel} if channel else {})
        return await self._mongo.find(UNMATCHED, query, sort=(("aged_at", -1),), limit=limit)

    async def correct(self, message_id: str, fields: Mapping[str, Any]) -> None:
        unless = {"_id": message_id, "status": {"$ne": Status.DELIVERED.value}}
        await self._mongo.update_one(SETTLED, unless, {"$set": dict(fields)})

    async def correct_sms(self, message_id: str, sms: Mapping[str, Any]) -> None:
        unless = {"_id": message_id, "sms.status": {"$ne": Status.DELIVERED.value}}
        await self._mongo.update_one(SETTLED, unless, {"$set": {"sms": dict(sms)}})

    async def due_facts(self, after: Position, until: datetime, limit: int) -> list[Due]:
        return await self._due(FACTS, "receipt_due_at", "message_id", after, until, limit)

    async def due_messages(self, after: Position, until: datetime, limit: int) -> list[Due]:
        return await self._due(MESSAGES, "check_at", "_id", after, until, limit)

    async def _due(
        self,
        collection: str,
        field: str,
        message_field: str,
        after: Position,
        until: datetime,
        limit: int,
    ) -> list[Due]:
        query = {
            "$or": [
                {field: after.at, "_id": {"$gt": after.last_id}},
                {field: {"$gt": after.at, "$lte": until}},
            ]
        }
        found = await self._mongo.find(
            collection,
            query,
            sort=((field, 1), ("_id", 1)),
            limit=limit,
            fields=(field, message_field),
        )
        return [Due(d[message_field], Position(d[field], d["_id"])) for d in found]

    async def next_due(self, after: datetime) -> datetime | None:
        times = [
            document[field]
            for collection, field in ((FACTS, "receipt_due_at"), (MESSAGES, "check_at"))
            for document in await self._mongo.find(
                collection, {field: {"$gt": after}}, sort=((field, 1),), limit=1, fields=(field,)
            )
        ]
        return min(times, default=None)

    async def handed_over(
        self, channel: str, since: datetime, until: datetime, limit: int, *, newest: bool
    ) -> list[Handed]:
        query = _SUBMITTED | {"channel": channel, "receipt_due_at": {"$gte": since, "$lt": until}}
        found = await self._mongo.find(
            FACTS,
            query,
            sort=(("receipt_due_at", -1 if newest else 1),),
            limit=limit,
            fields=("message_id", "n", "at", "receipt_due_at"),
            hint=_OF_CHANNEL,
        )
        return [Handed(d["message_id"], d["n"], d["at"], d["receipt_due_at"]) for d in found]

    async def heard_of(self, message_ids: Collection[str]) -> set[tuple[str, int]]:
        query = {"message_id": {"$in": list(message_ids)}, "kind": Kind.RECEIPT.value}
        found = await self._mongo.find(FACTS, query, fields=("message_id", "n"))
        return {(document["message_id"], document["n"]) for document in found}

    async def load_cursor(self, name: str) -> Position | None:
        found = await self._mongo.find_by_ids(CURSORS, [name])
        return Position(found[name]["at"], found[name]["last_id"]) if found else None

    async def save_cursor(self, name: str, position: Position) -> None:
        values = {"at": position.at, "last_id": position.last_id}
        await self._mongo.update_one(CURSORS, {"_id": name}, {"$set": values}, upsert=True)

    async def message_ids(self, after: str, below: str, limit: int) -> list[tuple[str, datetime]]:
        query = {"_id": {"$gt": after, "$lt": below}}
        found = await self._mongo.find(
            MESSAGES, query, sort=(("_id", 1),), limit=limit, fields=("check_at",)
        )
        return [(document["_id"], document["check_at"]) for document in found]

    async def settlers_of(self, message_ids: Collection[str]) -> dict[str, str]:
        found = await self._mongo.find_by_ids(SETTLED, message_ids, ("settled_by",))
        return {message_id: document["settled_by"] for message_id, document in found.items()}

    async def settled_ids(self, first: str, last: str) -> set[str]:
        query = {"_id": {"$gte": first, "$lte": last}}
        return {d["_id"] for d in await self._mongo.find(SETTLED, query, fields=("_id",))}

    async def settled_rows(self, after: str, below: str, limit: int) -> list[SettledRow]:
        found = await self._page(SETTLED, after, below, limit, ("country", "lane", "status"))
        return [SettledRow(d["_id"], d["country"], d["lane"], d["status"]) for d in found]

    async def message_rows(self, after: str, below: str, limit: int) -> list[MessageRow]:
        found = await self._page(MESSAGES, after, below, limit, ("country", "lane", "check_at"))
        return [MessageRow(d["_id"], d["country"], d["lane"], d["check_at"]) for d in found]

    async def _page(
        self, collection: str, after: str, below: str, limit: int, fields: Sequence[str]
    ) -> list[Document]:
        query = {"_id": {"$gt": after, "$lt": below}}
        return await self._mongo.find(
            collection, query, sort=(("_id", 1),), limit=limit, fields=fields
        )

    async def owners_of_facts(self, after: str, below: str, limit: int) -> list[str]:
        found = await self._mongo.find(
            FACTS,
            {"message_id": {"$gt": after, "$lt": below}},
            sort=(("message_id", 1),),
            limit=limit,
            fields=("message_id",),
        )
        return list(dict.fromkeys(document["message_id"] for document in found))

    async def count_attempts(self, after: str, below: str) -> dict[str, dict[str, int]]:
        found = await self._mongo.aggregate(
            FACTS,
            [
                {"$match": {"message_id": {"$gt": after, "$lt": below}, "kind": _FINISHED}},
                {"$group": {"_id": ["$channel", "$kind"], "count": {"$sum": 1}}},
            ],
        )
        counts: dict[str, dict[str, int]] = {}
        for document in found:
            channel, kind = document["_id"]
            counts.setdefault(channel, {})[kind] = document["count"]
        return counts

    async def next_id(self, first: str) -> str | None:
        query = {"_id": {"$gte": first}}
        found = [
            document["_id"]
            for collection in (MESSAGES, SETTLED)
            for document in await self._mongo.find(
                collection, query, sort=(("_id", 1),), limit=1, fields=("_id",)
            )
        ]
        return min(found, default=None)

    async def count_settled(self, after: str, below: str) -> dict[Cell, int]:
        return await self._count_cells(SETTLED, after, below, "$status")

    async def count_messages(self, after: str, below: str) -> dict[Cell, int]:
        return await self._count_cells(MESSAGES, after, below, {"$literal": ACCEPTED})

    async def _count_cells(
        self, collection: str, after: str, below: str, status: str | Document
    ) -> dict[Cell, int]:
        found = await self._mongo.aggregate(
            collection,
            [
                {"$match": {"_id": {"$gte": after, "$lt": below}}},
                {"$group": {"_id": ["$country", "$lane", status], "count": {"$sum": 1}}},
            ],
        )
        return {Cell(*document["_id"]): document["count"] for document in found}

    async def insert_balances(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(BALANCES, documents)

    async def balances_since(self, first: str) -> list[Document]:
        return await self._mongo.find(BALANCES, {"_id": {"$gte": first}})

    async def settled_by_full_sweep(self, since: datetime) -> list[Document]:
        query = {"settled_by": SettledBy.FULL_SWEEP.value, "settled_at": {"$gt": since}}
        return await self._mongo.find(SETTLED, query, fields=("_id",))

    async def count_early(self) -> int:
        return await self._mongo.count(EARLY, {})

    async def find_message(self, message_id: str) -> Document | None:
        return (await self._mongo.find_by_ids(MESSAGES, [message_id])).get(message_id)

    async def find_by_reference(self, account_id: str, reference: str, limit: int) -> list[str]:
        query = {"account_id": account_id, "reference": reference}
        found = await self._mongo.find(
            MESSAGES, query, sort=(("_id", -1),), limit=limit, fields=("_id",)
        )
        return [document["_id"] for document in found]

    async def find_settled(self, message_id: str) -> Document | None:
        return (await self._mongo.find_by_ids(SETTLED, [message_id])).get(message_id)

    async def find_facts(self, message_id: str) -> list[Document]:
        return await self._mongo.find(FACTS, {"message_id": message_id})


def _by_time(document: Mapping[str, Any]) -> datetime:
    at: datetime = document["at"]
    return at
