"""Counting the ledger by ranges of ids: the balance, and what it was in closed slices of time."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from receipts.ledger.adapters.collections import FACTS, MESSAGES, SETTLED
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.balance import ACCEPTED, Cell
from receipts.ledger.conservation import MessageRow, SettledRow
from receipts.ledger.documents import Document
from yizhan_contracts.events import AttemptOutcome
from yizhan_runtime import Mongo

BALANCES: Final = "balances"
_LAST_ID: Final = "f" * 32
_FINISHED: Final = {"$in": [outcome.value for outcome in AttemptOutcome]}


class MongoBalance:
    """Implements BalanceStore and ConservationStore."""

    def __init__(self, mongo: Mongo, ledger: MongoLedger) -> None:
        self._mongo = mongo
        self._weekly = ledger.weekly

    async def settled_rows(self, after: str, below: str, limit: int) -> list[SettledRow]:
        fields = ("country", "lane", "status")
        found = await self._weekly.page(SETTLED, after, below, limit, fields)
        return [SettledRow(d["_id"], d["country"], d["lane"], d["status"]) for d in found]

    async def message_rows(self, after: str, below: str, limit: int) -> list[MessageRow]:
        fields = ("country", "lane", "check_at")
        found = await self._weekly.page(MESSAGES, after, below, limit, fields)
        return [MessageRow(d["_id"], d["country"], d["lane"], d["check_at"]) for d in found]

    async def owners_of_facts(self, after: str, below: str, limit: int) -> list[str]:
        fields = ("message_id",)
        found = await self._weekly.page(FACTS, after, below, limit, fields, field="message_id")
        return list(dict.fromkeys(document["message_id"] for document in found))

    async def count_attempts(self, after: str, below: str) -> dict[str, dict[str, int]]:
        found = await self._weekly.aggregate_in(
            FACTS,
            self._weekly.weeks_of_ids(after, below),
            [
                {"$match": {"message_id": {"$gt": after, "$lt": below}, "kind": _FINISHED}},
                {"$group": {"_id": ["$channel", "$kind"], "count": {"$sum": 1}}},
            ],
        )
        counts: dict[str, Counter[str]] = {}
        for document in found:
            channel, kind = document["_id"]
            counts.setdefault(channel, Counter())[kind] += document["count"]
        return {channel: dict(its) for channel, its in counts.items()}

    async def next_id(self, first: str) -> str | None:
        found = [
            document["_id"]
            for kind in (MESSAGES, SETTLED)
            for document in await self._weekly.find_in_turn(
                kind,
                self._weekly.weeks_of_ids(first, _LAST_ID),
                {"_id": {"$gte": first}},
                sort=(("_id", 1),),
                limit=1,
                fields=("_id",),
            )
        ]
        return min(found, default=None)

    async def count_settled(self, after: str, below: str) -> dict[Cell, int]:
        return await self._count_cells(SETTLED, after, below, "$status")

    async def count_messages(self, after: str, below: str) -> dict[Cell, int]:
        return await self._count_cells(MESSAGES, after, below, {"$literal": ACCEPTED})

    async def _count_cells(
        self, kind: str, after: str, below: str, status: str | Document
    ) -> dict[Cell, int]:
        found = await self._weekly.aggregate_in(
            kind,
            self._weekly.weeks_of_ids(after, below),
            [
                {"$match": {"_id": {"$gte": after, "$lt": below}}},
                {"$group": {"_id": ["$country", "$lane", status], "count": {"$sum": 1}}},
            ],
        )
        counts: Counter[Cell] = Counter()
        for document in found:
            counts[Cell(*document["_id"])] += document["count"]
        return counts

    async def insert_balances(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(BALANCES, documents)

    async def balances_since(self, first: str) -> list[Document]:
        return await self._mongo.find(BALANCES, {"_id": {"$gte": first}})
