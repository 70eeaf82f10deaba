"""Calls in MongoDB: one collection, everything by ``_id``."""

from collections.abc import Iterable, Mapping
from typing import Any

from voice_fallback.domain.story import Chain, Outcome, Ring, RingResult, Story, parse_ref
from yizhan_contracts.events import CallOutcome
from yizhan_runtime.mongo import Mongo

CALLS = "calls"
_RESULT = ".result"
_OUTCOME = ".outcome"
_AFTER = "/"
"""Sorts behind ``-`` and ``.``: the end of the range that is a story."""


class MongoCallStore:
    """Inserts, lookups and ranges by ``_id`` only: no other index is needed."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def insert_chain(self, chain: Chain) -> bool:
        return await self._insert(
            chain.message_id,
            kind="chain",
            incarnation=chain.incarnation,
            account_id=chain.account_id,
            country=chain.country,
            at=chain.at,
        )

    async def insert_ring(self, ring: Ring) -> bool:
        return await self._insert(
            ring.ref, kind="ring", incarnation=ring.incarnation, provider=ring.provider, at=ring.at
        )

    async def insert_result(self, result: RingResult) -> bool:
        return await self._insert(
            result.ref + _RESULT,
            kind="result",
            provider=result.provider,
            outcome=result.outcome.value,
            code=result.code,
            provider_call_id=result.provider_call_id,
            at=result.at,
        )

    async def insert_outcome(self, outcome: Outcome) -> bool:
        return await self._insert(
            outcome.message_id + _OUTCOME,
            kind="outcome",
            outcome=outcome.outcome.value,
            fact=outcome.fact,
        )

    async def load_story(self, message_id: str) -> Story:
        found = await self._mongo.find(
            CALLS, {"_id": {"$gte": message_id, "$lt": message_id + _AFTER}}, sort=[("_id", 1)]
        )
        of_kind = {kind: [d for d in found if d["kind"] == kind] for kind in ("ring", "result")}
        chain = next((_chain(d) for d in found if d["kind"] == "chain"), None)
        outcome = next((_outcome(message_id, d) for d in found if d["kind"] == "outcome"), None)
        rings = {ring.k: ring for ring in map(_ring, of_kind["ring"])}
        results = {parse_ref(result.ref)[1]: result for result in map(_result, of_kind["result"])}
        return Story(chain, rings, results, outcome)

    async def load_results(self, refs: Iterable[str]) -> dict[str, RingResult]:
        found = await self._mongo.find_by_ids(CALLS, [ref + _RESULT for ref in refs])
        return {result.ref: result for result in map(_result, found.values())}

    async def drop_before(self, message_id: str, most: int) -> int:
        old = await self._mongo.find(
            CALLS, {"_id": {"$lt": message_id}}, sort=[("_id", 1)], limit=most, fields=["_id"]
        )
        return await self._mongo.delete_by_ids(CALLS, [document["_id"] for document in old])

    async def _insert(self, name: str, **fields: object) -> bool:
        return not await self._mongo.insert_new(CALLS, [{"_id": name, **fields}])


def _chain(document: Mapping[str, Any]) -> Chain:
    return Chain(
        document["_id"],
        document["incarnation"],
        document["account_id"],
        document["country"],
        document["at"],
    )


def _ring(document: Mapping[str, Any]) -> Ring:
    message_id, k = parse_ref(document["_id"])
    return Ring(message_id, k, document["incarnation"], document["provider"], document["at"])


def _result(document: Mapping[str, Any]) -> RingResult:
    return RingResult(
        document["_id"].removesuffix(_RESULT),
        document["provider"],
        CallOutcome(document["outcome"]),
        document["code"],
        document["provider_call_id"],
        document["at"],
    )


def _outcome(message_id: str, document: Mapping[str, Any]) -> Outcome:
    return Outcome(message_id, CallOutcome(document["outcome"]), bytes(document["fact"]))
