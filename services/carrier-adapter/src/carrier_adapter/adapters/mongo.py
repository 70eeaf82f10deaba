"""Claims and outcomes in MongoDB: ``_id`` is the attempt id, its uniqueness is what sends once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from carrier_adapter.domain.claims import Claim, ClaimKind, Outcome
from yizhan_runtime.mongo import Mongo

CLAIMS = "claims"
OUTCOMES = "outcomes"


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

    async def drop_before(self, message_id: str, most: int) -> int:
        return await self._drop(CLAIMS, message_id, most) + await self._drop(
            OUTCOMES, message_id, most
        )

    async def _drop(self, collection: str, message_id: str, most: int) -> int:
        old = await self._mongo.find(
            collection, {"_id": {"$lt": message_id}}, sort=[("_id", 1)], limit=most, fields=["_id"]
        )
        return await self._mongo.delete_by_ids(collection, [document["_id"] for document in old])


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
