"""Claims and outcomes in MongoDB: ``_id`` is the attempt id, its uniqueness is what sends once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from carrier_adapter.domain.claims import Claim, ClaimKind, Outcome
from carrier_adapter.receiving.replies import ReplyPart, ReplyPlace, part_id
from yizhan_runtime.mongo import Index, Mongo

CLAIMS = "claims"
OUTCOMES = "outcomes"
REPLY_PARTS = "reply_parts"


class MongoAttemptStore:
    """Inserts and ``$in`` lookups by ``_id`` only: no other index is needed."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def insert_claims(self, claims: Sequence[Claim]) -> Collection[str]:
        return await self._mongo.insert_new(CLAIMS, [_of_claim(claim) for claim in claims])

    async def load_claims(self, attempt_ids: Iterable[str]) -> dict[str, Claim]:
        found = await self._mongo.find_by_ids(CLAIMS, attempt_ids)
        return {attempt_id: _to_claim(document) for attempt_id, document in found.items()}

    async def insert_outcomes(self, outcomes: Sequence[Outcome]) -> Collection[str]:
        documents = [{"_id": one.attempt_id, "facts": list(one.facts)} for one in outcomes]
        return await self._mongo.insert_new(OUTCOMES, documents)

    async def load_outcomes(self, attempt_ids: Iterable[str]) -> dict[str, Outcome]:
        found = await self._mongo.find_by_ids(OUTCOMES, attempt_ids)
        return {
            attempt_id: Outcome(attempt_id, tuple(bytes(fact) for fact in document["facts"]))
            for attempt_id, document in found.items()
        }

    async def claims_page(self, after: str, below: str, limit: int) -> list[Claim]:
        query = {"_id": {"$gt": after, "$lt": below}}
        found = await self._mongo.find(CLAIMS, query, sort=[("_id", 1)], limit=limit)
        return [_to_claim(document) for document in found]

    async def with_outcome(self, attempt_ids: Collection[str]) -> set[str]:
        return set(await self._mongo.find_by_ids(OUTCOMES, attempt_ids, ["_id"]))

    async def count_claims(self, after: str, below: str) -> dict[str, int]:
        query = {"_id": {"$gt": after, "$lt": below}, "kind": ClaimKind.SENT.value}
        by_channel = {"$group": {"_id": "$channel", "count": {"$sum": 1}}}
        found = await self._mongo.aggregate(CLAIMS, [{"$match": query}, by_channel])
        return {document["_id"]: document["count"] for document in found}

    async def count_outcomes(self, after: str, below: str) -> int:
        return await self._mongo.count(OUTCOMES, {"_id": {"$gt": after, "$lt": below}})

    async def drop_before(self, message_id: str, most: int) -> int:
        return await self._drop(CLAIMS, message_id, most) + await self._drop(
            OUTCOMES, message_id, most
        )

    async def _drop(self, collection: str, message_id: str, most: int) -> int:
        old = await self._mongo.find(
            collection, {"_id": {"$lt": message_id}}, sort=[("_id", 1)], limit=most, fields=["_id"]
        )
        return await self._mongo.delete_by_ids(collection, [document["_id"] for document in old])


class MongoReplyParts:
    """Parts of long replies, few and short-lived: each under its reply's key and its number."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def prepare(self) -> None:
        """Make the index that left-over parts are found by."""
        await self._mongo.ensure_indexes(REPLY_PARTS, [Index((("at", 1),))])

    async def put_parts(self, parts: Sequence[ReplyPart]) -> None:
        new = {part.part_id: part for part in parts}
        there = await self._mongo.insert_new(REPLY_PARTS, [_of_part(part) for part in new.values()])
        if not there:
            return
        kept = await self._mongo.find_by_ids(REPLY_PARTS, there)
        # Handsets count from 0 to 255 and begin again: another text is another reply.
        changed = [new[key] for key, document in kept.items() if document["text"] != new[key].text]
        for part in changed:
            numbers = range(1, part.place.total + 1)
            await self.drop_parts([part_id(part.key, number) for number in numbers])
        if changed:
            keys = {part.key for part in changed}
            again = [_of_part(part) for part in new.values() if part.key in keys]
            await self._mongo.insert_new(REPLY_PARTS, again)

    async def load_parts(self, part_ids: Iterable[str]) -> list[ReplyPart]:
        found = await self._mongo.find_by_ids(REPLY_PARTS, part_ids)
        return [_to_part(document) for document in found.values()]

    async def load_parts_before(self, at: datetime, most: int) -> list[ReplyPart]:
        found = await self._mongo.find(
            REPLY_PARTS, {"at": {"$lt": at}}, sort=[("at", 1)], limit=most
        )
        return [_to_part(document) for document in found]

    async def drop_parts(self, part_ids: Collection[str]) -> None:
        await self._mongo.delete_by_ids(REPLY_PARTS, part_ids)


def _of_part(part: ReplyPart) -> dict[str, Any]:
    return {
        "_id": part.part_id,
        "key": part.key,
        "place": list(part.place),
        "channel": part.channel,
        "carrier_account": part.carrier_account,
        "sender": part.sender,
        "recipient": part.recipient,
        "text": part.text,
        "at": part.at,
    }


def _to_part(document: Mapping[str, Any]) -> ReplyPart:
    return ReplyPart(
        document["key"],
        ReplyPlace(*document["place"]),
        document["channel"],
        document["carrier_account"],
        document["sender"],
        document["recipient"],
        document["text"],
        document["at"],
    )


def _of_claim(claim: Claim) -> dict[str, Any]:
    return {
        "_id": claim.attempt_id,
        "n": claim.n,
        "channel": claim.channel,
        "incarnation": claim.incarnation,
        "kind": claim.kind.value,
        "at": claim.at,
    }


def _to_claim(document: Mapping[str, Any]) -> Claim:
    return Claim(
        document["_id"],
        document["n"],
        document["channel"],
        document["incarnation"],
        ClaimKind(document["kind"]),
        document["at"],
    )
