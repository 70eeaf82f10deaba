"""Ingest's database: what made messages, what was answered, what shipments are judged by.

``inputs``: one per input; ``answers``: one per keyed request with many recipients; ``marks``.

Append-only. A document is inserted once under an ``_id`` that its content determines. ``inputs``
costs one secondary index, on the message id: it serves the lookup by id and, since ids sort by
time, retention too.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from ingest.ports import Input, Mark
from ingest.quota.ports import Paid
from ingest.quota.wallet import OpenLease
from ingest.requests.many import Answer
from yizhan_contracts import ids
from yizhan_contracts.events import MessageAccepted, OriginKind
from yizhan_runtime.mongo import Document, Index, Mongo

INPUTS = "inputs"
MARKS = "marks"
ANSWERS = "answers"
_DONE = ".done"
_BEFORE, _AFTER = timedelta(minutes=2), timedelta(seconds=30)
"""An id is drawn before its request waits for a round, and is paid for until its lease ends."""
_STEP = timedelta(seconds=10)

ANSWERS_KEPT_S = 11 * 86_400
"""As long as inputs are, by default: a repeat after that is a new request."""

MARKS_KEPT_S = 90 * 86_400
"""Longer than shipments travel; without its mark a very late milestone is told, no more."""


class MongoInputs:
    """Implements ``ports.Inputs``."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def ensure_indexes(self) -> None:
        """Create what the queries need."""
        await self._mongo.ensure_indexes(
            INPUTS, [Index((("message_id", 1),), partial=_HAS_MESSAGE)]
        )

    async def find(self, input_ids: Collection[str]) -> Mapping[str, Input]:
        if not input_ids:
            return {}
        found = await self._mongo.find_by_ids(INPUTS, input_ids)
        return {input_id: _input_of(document) for input_id, document in found.items()}

    async def add(self, inputs: Sequence[Input]) -> Collection[str]:
        return await self._mongo.insert_new(INPUTS, [_document_of(item) for item in inputs])

    async def add_done(self, input_ids: Sequence[str]) -> None:
        await self._mongo.insert_new(INPUTS, [{"_id": input_id + _DONE} for input_id in input_ids])

    async def find_done(self, input_ids: Collection[str]) -> Collection[str]:
        wanted = [input_id + _DONE for input_id in input_ids]
        found = await self._mongo.find_by_ids(INPUTS, wanted, ["_id"])
        return {document_id.removesuffix(_DONE) for document_id in found}

    async def find_message(self, message_id: str) -> Input | None:
        found = await self._mongo.find(INPUTS, {"message_id": message_id}, limit=1)
        return _input_of(found[0]) if found else None

    async def drop_before(self, message_id: str, limit: int) -> int:
        query = {"message_id": {"$lt": message_id}}
        found = await self._mongo.find(
            INPUTS, query, sort=[("message_id", 1)], limit=limit, fields=["_id"]
        )
        old = [document["_id"] for document in found]
        # The note goes first: an input without it would only be published again, which does no
        # harm.
        await self._mongo.delete_by_ids(INPUTS, [input_id + _DONE for input_id in old])
        return await self._mongo.delete_by_ids(INPUTS, old)

    async def paid_by(self, leases: Sequence[OpenLease]) -> Sequence[Paid]:
        """Find what leases paid for, among the messages whose ids were drawn while they were good.

        A walk over the index of message ids instead of an index more: only a crash asks.
        """
        if not leases:
            return ()
        at = min(lease.taken_at for lease in leases) - _BEFORE
        end = max(lease.until for lease in leases) + _AFTER
        lease_ids = [lease.lease_id for lease in leases]
        found: list[Paid] = []
        while at < end:
            found += await self._paid_between(at, at + _STEP, lease_ids)
            at += _STEP
        return found

    async def _paid_between(
        self, begin: datetime, end: datetime, lease_ids: Sequence[str]
    ) -> Sequence[Paid]:
        first, last = (ids.first_message_id(int(at.timestamp() * 1000)) for at in (begin, end))
        query = {"message_id": {"$gte": first, "$lt": last}, "lease": {"$in": lease_ids}}
        fields = ["lease", "units", "is_request"]
        return [
            Paid(one["_id"], one["lease"], one["units"], one.get("is_request", False))
            for one in await self._mongo.find(
                INPUTS, query, fields=fields, hint=[("message_id", 1)]
            )
        ]

    async def leases_of(self, message_ids: Collection[str]) -> Mapping[str, tuple[str, int]]:
        """Give lease and units by message id, of those that were paid for."""
        query = {"message_id": {"$in": list(message_ids)}}
        fields = ["message_id", "lease", "units"]
        found = await self._mongo.find(INPUTS, query, fields=fields)
        return {one["message_id"]: (one["lease"], one["units"]) for one in found if "lease" in one}

    async def forget(self, input_ids: Collection[str]) -> None:
        await self._mongo.delete_by_ids(INPUTS, input_ids)


class MongoMarks:
    """Implements ``ports.Marks``."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def ensure_indexes(self) -> None:
        """Create what ages marks out."""
        await self._mongo.ensure_indexes(
            MARKS, [Index((("set_at", 1),), expire_after_s=MARKS_KEPT_S)]
        )

    async def find(self, mark_ids: Collection[str]) -> Mapping[str, Mark]:
        if not mark_ids:
            return {}
        found = await self._mongo.find_by_ids(MARKS, mark_ids)
        return {mark_id: _mark_of(document) for mark_id, document in found.items()}

    async def add(self, marks: Sequence[Mark]) -> Collection[str]:
        return await self._mongo.insert_new(MARKS, [_document_of_mark(mark) for mark in marks])


class MongoAnswers:
    """Implements ``many.Answers``."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def ensure_indexes(self) -> None:
        """Create what ages answers out."""
        await self._mongo.ensure_indexes(
            ANSWERS, [Index((("given_at", 1),), expire_after_s=ANSWERS_KEPT_S)]
        )

    async def find(self, answer_id: str) -> Answer | None:
        found = await self._mongo.find(ANSWERS, {"_id": answer_id}, limit=1)
        return _answer_of(found[0]) if found else None

    async def add(self, answer: Answer) -> bool:
        document = {
            "_id": answer.answer_id,
            "body_hash": answer.body_hash,
            "body": answer.body,
            "given_at": answer.given_at,
        }
        return await self._mongo.insert_one(ANSWERS, document)


def _answer_of(document: Document) -> Answer:
    return Answer(document["_id"], document["body_hash"], document["body"], document["given_at"])


_HAS_MESSAGE = {"message_id": {"$exists": True}}


def _document_of(item: Input) -> Document:
    document: Document = {
        "_id": item.input_id,
        "message_id": item.message.message_id,
        "message": item.message.model_dump_json(),
        "begun_at": item.begun_at,
    }
    if item.body_hash:
        document["body_hash"] = item.body_hash
    if item.lease:
        document["lease"] = item.lease
        document["units"] = item.message.charging_num
        if item.message.origin.kind is OriginKind.API:
            document["is_request"] = True
    return document


def _input_of(document: Document) -> Input:
    begun_at: datetime = document["begun_at"]
    return Input(
        document["_id"],
        MessageAccepted.model_validate_json(document["message"]),
        begun_at,
        document.get("body_hash", ""),
        document.get("lease", ""),
    )


def _mark_of(document: Document) -> Mark:
    return Mark(document["_id"], document["owner"], document["occurred_at"], document["set_at"])


def _document_of_mark(mark: Mark) -> Document:
    return {
        "_id": mark.mark_id,
        "owner": mark.owner,
        "occurred_at": mark.occurred_at,
        "set_at": mark.set_at,
    }
