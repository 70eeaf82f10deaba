"""The log in MongoDB: one index is walked, week by week; the rest is asked for by ``_id``."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from receipts.ledger.adapters.collections import CONTENTS, FACTS, MESSAGES, SETTLED
from receipts.ledger.adapters.weekly import Weekly, part_name
from receipts.ledger.facts import OF_ATTEMPTS
from receipts.ledger.weeks import Week
from receipts.log.budget import Budget
from receipts.log.domain import Kept, Plan, Sieve, Span, Values
from receipts.log.ports import Document, Found, Walked
from yizhan_runtime import Clock, Mongo

_PARTS_LIVE_S: Final = 10.0
_ID_ONLY: Final = ("_id",)
_KIND: Final = {Kept.MESSAGES: MESSAGES, Kept.SETTLED: SETTLED, Kept.CONTENTS: CONTENTS}
_OF_BOTH: Final = (
    "account_id",
    "recipient",
    "reference",
    "country",
    "lane",
    "charging_num",
    "test",
    "accepted_at",
)
MESSAGE_FIELDS: Final = (*_OF_BOTH, "batch_id", "template_id")
SETTLED_FIELDS: Final = (
    *_OF_BOTH,
    "status",
    "revision",
    "via",
    "reason",
    "carrier_code",
    "channel",
    "attempts",
    "delivered_at",
    "settled_at",
)
_ATTEMPT_FIELDS: Final = ("message_id", "kind", "n", "channel", "at")


class MongoLog:
    """Implements LogStore on the ledger's own indexes; it creates none."""

    def __init__(self, mongo: Mongo, weekly: Weekly, clock: Clock) -> None:
        self._mongo = mongo
        self._weekly = weekly
        self._clock = clock
        self._parts: dict[str, list[Week]] = {}
        self._looked_at = float("-inf")

    async def walk(
        self, plan: Plan, span: Span, size: int, budget: Budget, *, newest_first: bool
    ) -> Walked:
        kind = _KIND[plan.source]
        week = await self._first_week(kind, span, newest_first=newest_first)
        if week is None:
            return Walked([], None)
        inside = Span(max(span.first, week.first_id), min(span.below, week.next.first_id))
        walk = _Walk(self._mongo, part_name(kind, week), plan, budget, newest_first=newest_first)
        ids, edge = await walk.chunk(inside, size)
        return Walked(ids, _rest(span, week, edge, newest_first=newest_first))

    async def keep(self, sieve: Sieve, ids: Sequence[str], budget: Budget) -> Collection[str]:
        query: Document = {"_id": {"$in": list(ids)}} | _conditions(sieve.values)
        if sieve.text:
            query["text"] = {"$regex": re.escape(sieve.text), "$options": "i"}
        # A chunk is of one week.
        found = await self._mongo.find(
            part_name(_KIND[sieve.kind], Week.of_id(ids[0])),
            query,
            fields=_ID_ONLY,
            within_s=budget.left_s(),
        )
        there = {document["_id"] for document in found}
        return there if sieve.is_there else set(ids) - there

    async def load(self, ids: Sequence[str], *, with_text: bool) -> list[Found]:
        messages, settled, texts = await asyncio.gather(
            self._weekly.find_by_ids(MESSAGES, ids, MESSAGE_FIELDS),
            self._weekly.find_by_ids(SETTLED, ids, SETTLED_FIELDS),
            self._weekly.find_by_ids(CONTENTS, ids if with_text else (), ("text",)),
        )
        attempts = await self._attempts_of([one for one in ids if one not in settled])
        return [
            Found(
                message_id,
                messages.get(message_id) or settled[message_id],
                settled.get(message_id),
                texts.get(message_id, {}).get("text"),
                attempts.get(message_id, ()),
            )
            for message_id in ids
            if message_id in messages or message_id in settled
        ]

    async def _attempts_of(self, ids: Sequence[str]) -> dict[str, list[Document]]:
        found: dict[str, list[Document]] = {}
        also = {"kind": {"$in": [kind.value for kind in OF_ATTEMPTS]}}
        for fact in await self._weekly.find_of(
            FACTS, ids, _ATTEMPT_FIELDS, field="message_id", also=also
        ):
            found.setdefault(fact["message_id"], []).append(fact)
        return found

    async def _first_week(self, kind: str, span: Span, *, newest_first: bool) -> Week | None:
        """Give the part where the walk through a span begins, None where there is none."""
        weeks = [
            week
            for week in (await self._weeks()).get(kind, ())
            if week.first_id < span.below and span.first < week.next.first_id
        ]
        if not weeks:
            return None
        return max(weeks) if newest_first else min(weeks)

    async def _weeks(self) -> Mapping[str, list[Week]]:
        """Give the weeks that there are of each kind: others insert and drop them, too."""
        now = self._clock.monotonic()
        if now - self._looked_at > _PARTS_LIVE_S:
            parts: dict[str, list[Week]] = {}
            for kind, week in await self._weekly.parts():
                parts.setdefault(kind, []).append(week)
            self._parts, self._looked_at = parts, now
        return self._parts


class _Walk:
    """Walks the index of one part."""

    def __init__(
        self, mongo: Mongo, part: str, plan: Plan, budget: Budget, *, newest_first: bool
    ) -> None:
        self._mongo = mongo
        self._part = part
        self._key = _conditions(plan.key)
        self._also = _conditions(plan.also)
        self._budget = budget
        self._newest_first = newest_first
        self._hint = tuple((name, 1) for name in (*plan.key, "_id"))

    async def chunk(self, span: Span, size: int) -> tuple[list[str], str | None]:
        """Give the ids that match among the next ``size``, and the last of those, if there is one.

        How far a query with conditions that no index knows would read cannot be known: so where it
        has to end is found first, by the index alone.
        """
        within = {"$gte": span.first, "$lt": span.below}
        if not self._also:
            ids = await self._find(within, limit=size)
            return ids, ids[-1] if len(ids) == size else None
        edge = await self._find(within, skip=size - 1, limit=1)
        if edge:
            within |= {"$gte": edge[0]} if self._newest_first else {"$lte": edge[0]}
        return await self._find(within, self._also), edge[0] if edge else None

    async def _find(
        self,
        within: Mapping[str, str],
        also: Mapping[str, Any] | None = None,
        *,
        skip: int = 0,
        limit: int = 0,
    ) -> list[str]:
        found = await self._mongo.find(
            self._part,
            {**self._key, **(also or {}), "_id": within},
            sort=(("_id", -1 if self._newest_first else 1),),
            skip=skip,
            limit=limit,
            fields=_ID_ONLY,
            hint=self._hint,
            within_s=self._budget.left_s(),
        )
        return [document["_id"] for document in found]


def _conditions(values: Values) -> Document:
    return {
        name: {"$in": list(value)} if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def _rest(span: Span, week: Week, edge: str | None, *, newest_first: bool) -> Span | None:
    """Give what is left of a span behind a week, or behind an id of it."""
    if newest_first:
        rest = Span(span.first, edge or week.first_id)
    else:
        rest = span.after(edge) if edge else Span(week.next.first_id, span.below)
    return rest if rest.first < rest.below else None
