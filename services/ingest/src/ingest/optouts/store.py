"""Opt-outs in MongoDB: what was said (``stop_facts``, inserted once), and what holds (``stops``).

A batch of messages costs one ``$in`` over ``_id`` (5 us a number): with millions of opt-outs
that is cheaper than each process holding them, and in force the moment it is written.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ingest.optouts.domain import EVERYONE, Action, Said, Stop, Who, stop_id
from yizhan_runtime.mongo import Document, Index, Mongo

STOPS = "stops"
FACTS = "stop_facts"


class MongoStops:
    """Implements ``domain.Stops``, and keeps what is said."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def ensure_indexes(self) -> None:
        """Create what the list is read by."""
        await self._mongo.ensure_indexes(STOPS, [Index((("scope", 1), ("changed_at", 1)))])

    async def find(self, wanted: Collection[Who]) -> Mapping[Who, tuple[Stop, ...]]:
        ids = {
            stop_id(scope, number)
            for account_id, number in wanted
            for scope in (account_id, EVERYONE)
        }
        if not ids:
            return {}
        found = await self._mongo.find_by_ids(STOPS, ids)
        if not found:
            return {}
        stops = {key: stop_of(document) for key, document in found.items()}
        held = {
            (account_id, number): _held(stops, account_id, number) for account_id, number in wanted
        }
        return {who: theirs for who, theirs in held.items() if theirs}

    async def say(self, said: Said, now: datetime) -> Stop:
        """Keep what is said, then let it hold. Idempotent: say it again after a crash."""
        await self._mongo.insert_new(FACTS, [_fact(said)])
        update: Document = {
            "$max": {said.action.value: said.at},
            "$set": {"changed_at": now},
            "$setOnInsert": {"scope": said.scope, "number": said.number},
        }
        if said.action is Action.OPT_OUT:
            update["$set"]["opted_out_by"] = said.by
        await self._mongo.update_one(STOPS, {"_id": said.stop_id}, update, upsert=True)
        return await self.look(said.scope, said.number)

    async def look(self, scope: str, number: str) -> Stop:
        """Give what holds for a number in one scope."""
        key = stop_id(scope, number)
        found = await self._mongo.find_by_ids(STOPS, [key])
        return stop_of(found[key]) if key in found else Stop(scope, number, {})

    async def facts(self, scope: str, number: str, limit: int = 100) -> list[Said]:
        """Give what was said of a number in one scope, the oldest first."""
        key = stop_id(scope, number)
        query = {"_id": {"$gt": f"{key}|", "$lt": f"{key}}}"}}
        found = await self._mongo.find(FACTS, query, sort=[("_id", 1)], limit=limit)
        return [_said(document) for document in found]

    async def listed(
        self, scope: str, since: datetime, limit: int
    ) -> Sequence[tuple[Stop, datetime]]:
        """Give what changed in a scope since a moment, that moment included, the oldest first."""
        query = {"scope": scope, "changed_at": {"$gte": since}}
        found = await self._mongo.find(STOPS, query, sort=[("changed_at", 1)], limit=limit)
        return [(stop_of(document), document["changed_at"]) for document in found]


def _held(stops: Mapping[str, Stop], account_id: str, number: str) -> tuple[Stop, ...]:
    keys = (stop_id(account_id, number), stop_id(EVERYONE, number))
    return tuple(stops[key] for key in keys if key in stops)


def stop_of(document: Document) -> Stop:
    """Read a document back."""
    last = {action: document[action.value] for action in Action if action.value in document}
    return Stop(document["scope"], document["number"], last, document.get("opted_out_by", ""))


def _fact(said: Said) -> Document:
    at_ms = int(said.at.timestamp() * 1000)
    return {
        "_id": f"{said.stop_id}|{at_ms:013d}|{said.action}",
        "scope": said.scope,
        "number": said.number,
        "action": said.action.value,
        "by": said.by,
        "at": said.at,
        "reason": said.reason,
    }


def _said(document: Document) -> Said:
    return Said(
        document["scope"],
        document["number"],
        Action(document["action"]),
        document["by"],
        document["at"],
        document["reason"],
    )
