"""The ledger in MongoDB: bulk inserts and indexed lookups. The only updates are corrections.

What each operation costs, and why nothing here is an update: docs/adr, append-only ledger. What
belongs to a message is kept by its week (``weekly``).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, Final

from receipts.ledger.adapters.collections import (
    CONTENTS,
    CURSORS,
    EARLY,
    FACTS,
    INDEXES,
    IS_SUBMITTED,
    MESSAGES,
    PUSHES,
    SETTLED,
    WEEKLY,
)
from receipts.ledger.adapters.weekly import Weekly
from receipts.ledger.consequences import SettledBy
from receipts.ledger.documents import (
    ACCEPTED_FIELDS,
    FACT_FIELDS,
    Document,
    Pushed,
    accepted_of,
    fact_of,
    keys_of_parts,
    pushed_fact,
    pushed_in,
    pushes_document,
)
from receipts.ledger.facts import Accepted, Fact, Kind
from receipts.ledger.ports import Due, Position
from receipts.ledger.weeks import Week, by_week
from yizhan_contracts.events import MessageAccepted, Status
from yizhan_runtime import Clock, Mongo

_HANDED_OVER: Final = frozenset({Kind.SUBMITTED, Kind.IN_DOUBT})
_LONGEST_VALIDITY: Final = timedelta(days=4)
"""From a message's id to its last attempt: three days, and one to spare."""
_OLDEST_MESSAGE: Final = timedelta(days=40)
"""From a message's id to a time that is kept for it: its records may come back from a DLQ, which
keeps them for 30 days."""


class MongoLedger:
    """Implements LedgerStore, SweepStore and LedgerReader."""

    def __init__(self, mongo: Mongo, clock: Clock) -> None:
        self._mongo = mongo
        self._weekly = Weekly(mongo, WEEKLY, clock)

    async def prepare(self) -> None:
        """Create the indexes that every query here stands on."""
        for collection, indexes in INDEXES.items():
            await self._mongo.ensure_indexes(collection, indexes)
        await self._weekly.prepare()

    @property
    def weekly(self) -> Weekly:
        """The parts by week, for what reads or erases them in its own way."""
        return self._weekly

    # ---- writing ----------------------------------------------------------------------

    async def insert_contents(self, documents: Sequence[Document]) -> None:
        await self._weekly.insert_new(CONTENTS, documents)

    async def insert_messages(self, documents: Sequence[Document]) -> set[str]:
        return await self._weekly.insert_new(MESSAGES, documents)

    async def insert_facts(self, documents: Sequence[Document]) -> set[str]:
        return await self._weekly.insert_new(FACTS, documents, "message_id")

    async def insert_pushes(self, said: Sequence[tuple[str, str]], at: datetime) -> None:
        """Keep that customers acknowledged the word on each of these messages."""
        for its in by_week(said, itemgetter(0)).values():
            await self._weekly.insert_new(PUSHES, [pushes_document(its, at)])

    async def insert_early(self, documents: Sequence[Document]) -> set[str]:
        return await self._mongo.insert_new(EARLY, documents)

    async def insert_settled(self, documents: Sequence[Document]) -> set[str]:
        return await self._weekly.insert_new(SETTLED, documents)

    async def remove_contents(self, message_ids: Collection[str]) -> int:
        return await self._weekly.delete_of(CONTENTS, message_ids)

    async def remove_early(self, ids: Collection[str]) -> None:
        if ids:
            await self._mongo.delete_by_ids(EARLY, ids)

    async def correct(self, message_id: str, fields: Mapping[str, Any]) -> None:
        unless = {"_id": message_id, "status": {"$ne": Status.DELIVERED.value}}
        await self._weekly.update_one(SETTLED, unless, {"$set": dict(fields)})

    async def correct_sms(self, message_id: str, sms: Mapping[str, Any]) -> None:
        unless = {"_id": message_id, "sms.status": {"$ne": Status.DELIVERED.value}}
        await self._weekly.update_one(SETTLED, unless, {"$set": {"sms": dict(sms)}})

    # ---- by ids -----------------------------------------------------------------------

    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]:
        found = await self._weekly.find_by_ids(MESSAGES, message_ids, ACCEPTED_FIELDS)
        return {message_id: accepted_of(document) for message_id, document in found.items()}

    async def events_of(self, message_ids: Collection[str]) -> dict[str, MessageAccepted]:
        found = await self._weekly.find_by_ids(CONTENTS, message_ids, ("event",))
        parse = MessageAccepted.model_validate_json
        return {message_id: parse(document["event"]) for message_id, document in found.items()}

    async def facts_of(self, message_ids: Collection[str]) -> dict[str, list[Fact]]:
        facts: dict[str, list[Fact]] = {}
        for document in await self._weekly.find_of(
            FACTS, message_ids, FACT_FIELDS, field="message_id"
        ):
            facts.setdefault(document["message_id"], []).append(fact_of(document))
        return facts

    async def facts_by_ids(
        self, fact_ids: Collection[str], fields: Sequence[str] | None = None
    ) -> dict[str, Document]:
        return await self._weekly.find_by_ids(FACTS, fact_ids, fields)

    async def pushed_of(self, message_ids: Collection[str]) -> list[Pushed]:
        """Find what customers acknowledged of these messages, in no order."""
        wanted = set(message_ids)
        found = await self._weekly.find_of(PUSHES, wanted, field="message_ids")
        return [pushed for one in found for pushed in pushed_in(one) if pushed.message_id in wanted]

    async def submitted_facts_of(
        self, message_ids: Collection[str], fields: Sequence[str]
    ) -> list[Document]:
        return await self._weekly.find_of(
            FACTS, message_ids, fields, field="message_id", also=IS_SUBMITTED
        )

    async def settled_of(
        self, message_ids: Collection[str], fields: Sequence[str] | None = None
    ) -> dict[str, Document]:
        return await self._weekly.find_by_ids(SETTLED, message_ids, fields)

    async def settlers_of(self, message_ids: Collection[str]) -> dict[str, str]:
        found = await self._weekly.find_by_ids(SETTLED, message_ids, ("settled_by",))
        return {message_id: document["settled_by"] for message_id, document in found.items()}

    # ---- by the carriers' ids ---------------------------------------------------------

    async def submitted_under(
        self, carrier_keys: Collection[str], since: datetime
    ) -> dict[str, Mapping[str, Any]]:
        found = await self._weekly.find_in(
            FACTS,
            self._weekly.weeks(since - _LONGEST_VALIDITY),
            {"carrier_key": {"$in": list(carrier_keys)}, "at": {"$gte": since}},
            fields=("carrier_key", "message_id", "n", "at", "kind", "parts"),
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

    # ---- by times ---------------------------------------------------------------------

    async def due_facts(self, after: Position, until: datetime, limit: int) -> list[Due]:
        return await self._due(FACTS, "receipt_due_at", "message_id", after, until, limit)

    async def due_messages(self, after: Position, until: datetime, limit: int) -> list[Due]:
        return await self._due(MESSAGES, "check_at", "_id", after, until, limit)

    async def _due(
        self,
        kind: str,
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
        found = await self._weekly.find_in(
            kind,
            self._weeks_since(after.at),
            query,
            sort=((field, 1), ("_id", 1)),
            limit=limit,
            fields=(field, message_field),
        )
        due = [Due(d[message_field], Position(d[field], d["_id"])) for d in found]
        return sorted(due, key=attrgetter("position"))[:limit]

    async def next_due(self, after: datetime) -> datetime | None:
        weeks = self._weeks_since(after)
        times = [
            document[field]
            for kind, field in ((FACTS, "receipt_due_at"), (MESSAGES, "check_at"))
            for document in await self._weekly.find_in(
                kind, weeks, {field: {"$gt": after}}, sort=((field, 1),), limit=1, fields=(field,)
            )
        ]
        return min(times, default=None)

    def _weeks_since(self, at: datetime) -> list[Week]:
        """Give the weeks of messages for which something may be due after ``at``."""
        return self._weekly.weeks(at - _OLDEST_MESSAGE)

    async def load_cursor(self, name: str) -> Position | None:
        found = await self._mongo.find_by_ids(CURSORS, [name])
        return Position(found[name]["at"], found[name]["last_id"]) if found else None

    async def save_cursor(self, name: str, position: Position) -> None:
        values = {"at": position.at, "last_id": position.last_id}
        await self._mongo.update_one(CURSORS, {"_id": name}, {"$set": values}, upsert=True)

    # ---- by ranges of ids -------------------------------------------------------------

    async def message_ids(self, after: str, below: str, limit: int) -> list[tuple[str, datetime]]:
        found = await self._weekly.page(MESSAGES, after, below, limit, ("check_at",))
        return [(document["_id"], document["check_at"]) for document in found]

    async def settled_ids(self, first: str, last: str) -> set[str]:
        query = {"_id": {"$gte": first, "$lte": last}}
        weeks = self._weekly.weeks_of_ids(first, last)
        found = await self._weekly.find_in(SETTLED, weeks, query, fields=("_id",))
        return {document["_id"] for document in found}

    async def settled_ids_of(
        self, account_id: str, after: str, below: str, limit: int
    ) -> list[str]:
        """Page through an account's settled messages by id, whatever their status."""
        query = {
            "account_id": account_id,
            "status": {"$in": [status.value for status in Status]},
            "_id": {"$gt": after, "$lt": below},
        }
        weeks = self._weekly.weeks_of_ids(after, below)
        found = await self._weekly.find_in_turn(
            SETTLED, weeks, query, sort=(("_id", 1),), limit=limit, fields=("_id",)
        )
        return [document["_id"] for document in found]

    async def statuses_of(self, message_ids: Collection[str]) -> dict[str, str]:
        found = await self._weekly.find_by_ids(SETTLED, message_ids, ("status",))
        return {message_id: document["status"] for message_id, document in found.items()}

    async def settled_by_full_sweep(self, since: datetime) -> list[Document]:
        query = {"settled_by": SettledBy.FULL_SWEEP.value, "settled_at": {"$gt": since}}
        return await self._weekly.find_in(SETTLED, self._weeks_since(since), query, fields=("_id",))

    async def count_early(self) -> int:
        return await self._mongo.count(EARLY, {})

    # ---- by account -------------------------------------------------------------------

    async def messages_of_account(
        self,
        account_id: str,
        after: str,
        below: str,
        limit: int,
        fields: Sequence[str],
        also: Mapping[str, Any],
    ) -> list[Document]:
        """Page through an account's messages between two ids, both excluded, oldest first."""
        return await self._weekly.find_in_turn(
            MESSAGES,
            self._weekly.weeks_of_ids(after, below),
            {"account_id": account_id, "_id": {"$gt": after, "$lt": below}, **also},
            sort=(("_id", 1),),
            limit=limit,
            fields=fields,
        )

    async def count_of_account(
        self, account_id: str, after: str, below: str, also: Mapping[str, Any]
    ) -> int:
        query = {"account_id": account_id, "_id": {"$gt": after, "$lt": below}, **also}
        return await self._weekly.count_in(MESSAGES, self._weekly.weeks_of_ids(after, below), query)

    async def texts_of(self, message_ids: Collection[str]) -> dict[str, str]:
        """Give what messages said, of those whose contents are still kept."""
        found = await self._weekly.find_by_ids(CONTENTS, message_ids, ("text",))
        return {message_id: document["text"] for message_id, document in found.items()}

    # ---- for people -------------------------------------------------------------------

    async def find_message(self, message_id: str) -> Document | None:
        return (await self._weekly.find_by_ids(MESSAGES, [message_id])).get(message_id)

    async def find_by_reference(self, account_id: str, reference: str, limit: int) -> list[str]:
        query = {"account_id": account_id, "reference": reference}
        found = await self._newest(query, self._weekly.weeks(), limit, ("_id",))
        return [document["_id"] for document in found]

    async def messages_to(
        self, phones: Collection[str], since: datetime, limit: int
    ) -> list[Document]:
        """Find the newest messages to any of these numbers."""
        query = {"recipient": {"$in": list(phones)}}
        fields = ("recipient", "account_id", "reference")
        return await self._newest(query, self._weekly.weeks(since), limit, fields)

    async def _newest(
        self, query: Document, weeks: Sequence[Week], limit: int, fields: Sequence[str]
    ) -> list[Document]:
        return await self._weekly.find_in_turn(
            MESSAGES, reversed(weeks), query, sort=(("_id", -1),), limit=limit, fields=fields
        )

    async def find_settled(self, message_id: str) -> Document | None:
        return (await self._weekly.find_by_ids(SETTLED, [message_id])).get(message_id)

    async def find_text(self, message_id: str) -> str | None:
        found = await self._weekly.find_by_ids(CONTENTS, [message_id], ("text",))
        text: str | None = found.get(message_id, {}).get("text")
        return text

    async def senders_of(self, message_ids: Collection[str]) -> dict[str, str]:
        """Find under which senders messages were handed over, each by its last attempt."""
        facts = await self.submitted_facts_of(message_ids, ("message_id", "n", "sender"))
        facts.sort(key=itemgetter("n"))
        return {fact["message_id"]: fact.get("sender", "") for fact in facts}

    async def find_facts(self, message_id: str) -> list[Document]:
        """Find all that is known of a message, what was pushed of it too."""
        pushed = [pushed_fact(one) for one in await self.pushed_of([message_id])]
        return await self._weekly.find_of(FACTS, [message_id], field="message_id") + pushed


def _by_time(document: Mapping[str, Any]) -> datetime:
    at: datetime = document["at"]
    return at
