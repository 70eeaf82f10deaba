"""Collections that are kept in a part for each week: ``messages.20261123`` and its like.

A part has its indexes before anything is in it. Asking one that is not there costs a round trip
and finds nothing, so which there are need not be known exactly: only where to begin.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from receipts.ledger.documents import Document
from receipts.ledger.weeks import Week, between, by_week
from yizhan_runtime import Clock, Index, Mongo

_DOT: Final = "."
_ANY: Final[Mapping[str, Any]] = {}


def part_name(kind: str, week: Week) -> str:
    """Name the collection of a week."""
    return f"{kind}{_DOT}{week.name}"


class Weekly:
    """Writes each document to the part of its message's week, and asks the parts that matter."""

    def __init__(self, mongo: Mongo, indexes: Mapping[str, Sequence[Index]], clock: Clock) -> None:
        self._mongo = mongo
        self._indexes = indexes
        self._clock = clock
        self._made: set[tuple[str, Week]] = set()
        self._oldest = Week.of_time(clock.now())

    async def prepare(self) -> None:
        """Find out which weeks there are, and make the parts of this one and the next."""
        await self.parts()
        now = Week.of_time(self._clock.now())
        for week in (now, now.next):
            await asyncio.gather(*(self._make(kind, week) for kind in self._indexes))

    async def parts(self) -> list[tuple[str, Week]]:
        """List the parts that are there, with their kinds; remembers which is the oldest."""
        found = [
            (kind, week)
            for name in await self._mongo.collection_names()
            for kind, _, last in (name.partition(_DOT),)
            for week in (Week.named(last),)
            if kind in self._indexes and week is not None
        ]
        self._oldest = min((week for _, week in found), default=self._oldest)
        return found

    async def drop(self, kind: str, week: Week) -> None:
        """Drop a part with all that is in it."""
        await self._mongo.drop(part_name(kind, week))
        self._made.discard((kind, week))

    def weeks(self, since: datetime | None = None, until: datetime | None = None) -> list[Week]:
        """Give the weeks between two times, the oldest first: none before or after what there is.

        An id may have been drawn by a clock that is a little ahead: hence up to tomorrow's week.
        """
        last = Week.of_time(self._clock.now()).next
        first = self._oldest if since is None else max(self._oldest, Week.of_time(since))
        return list(between(first, last if until is None else min(last, Week.of_time(until))))

    def weeks_of_ids(self, first: str, last: str) -> list[Week]:
        """Give the weeks that a range of ids lies in, the oldest first."""
        newest = Week.of_time(self._clock.now()).next
        return list(between(max(self._oldest, Week.of_id(first)), min(newest, Week.of_id(last))))

    async def insert_new(
        self, kind: str, documents: Sequence[Document], id_field: str = "_id"
    ) -> set[str]:
        """Insert documents, each once, and give the ``_id``s that were there already."""
        sorted_in = by_week(documents, itemgetter(id_field))
        found = await asyncio.gather(
            *(self._insert(kind, week, its) for week, its in sorted_in.items())
        )
        return set().union(*found)

    async def _insert(self, kind: str, week: Week, documents: Sequence[Document]) -> set[str]:
        await self._make(kind, week)
        return await self._mongo.insert_new(part_name(kind, week), documents)

    async def _make(self, kind: str, week: Week) -> None:
        if (kind, week) not in self._made:
            await self._mongo.ensure_indexes(part_name(kind, week), self._indexes[kind])
            self._made.add((kind, week))
            self._oldest = min(self._oldest, week)

    async def find_of(
        self,
        kind: str,
        wanted: Collection[str],
        fields: Sequence[str] | None = None,
        *,
        field: str = "_id",
        also: Mapping[str, Any] = _ANY,
    ) -> list[Document]:
        """Load the documents whose ``field``, an id that begins with a message's, is wanted.

        ``also`` is what else they must say, as MongoDB writes it.
        """
        return await self._gather(
            self._mongo.find(part_name(kind, week), {field: {"$in": its}, **also}, fields=fields)
            for week, its in by_week(wanted, str).items()
        )

    async def find_by_ids(
        self, kind: str, wanted: Collection[str], fields: Sequence[str] | None = None
    ) -> dict[str, Document]:
        """Load documents by ``_id``, those that exist."""
        return {document["_id"]: document for document in await self.find_of(kind, wanted, fields)}

    async def find_in(
        self,
        kind: str,
        weeks: Iterable[Week],
        query: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        fields: Sequence[str] | None = None,
        hint: Sequence[tuple[str, int]] | None = None,
    ) -> list[Document]:
        """Ask some weeks at once. Sorted and limited within each: the caller merges."""
        return await self._gather(
            self._mongo.find(
                part_name(kind, week), query, sort=sort, limit=limit, fields=fields, hint=hint
            )
            for week in weeks
        )

    async def aggregate_in(
        self, kind: str, weeks: Iterable[Week], pipeline: Sequence[Mapping[str, Any]]
    ) -> list[Document]:
        """Have some weeks counted at once: the caller adds up what each gives."""
        return await self._gather(
            self._mongo.aggregate(part_name(kind, week), pipeline) for week in weeks
        )

    async def page(
        self,
        kind: str,
        after: str,
        below: str,
        limit: int,
        fields: Sequence[str],
        *,
        field: str = "_id",
    ) -> list[Document]:
        """Page through documents by an id that begins with a message's, both ends excluded."""
        return await self.find_in_turn(
            kind,
            self.weeks_of_ids(after, below),
            {field: {"$gt": after, "$lt": below}},
            sort=((field, 1),),
            limit=limit,
            fields=fields,
        )

    async def find_in_turn(
        self,
        kind: str,
        weeks: Iterable[Week],
        query: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]],
        limit: int,
        fields: Sequence[str] | None = None,
    ) -> list[Document]:
        """Ask week after week until there are enough: for what is sorted as the weeks are given."""
        found: list[Document] = []
        for week in weeks:
            found += await self._mongo.find(
                part_name(kind, week), query, sort=sort, limit=limit - len(found), fields=fields
            )
            if len(found) >= limit:
                break
        return found

    async def count_in(self, kind: str, weeks: Iterable[Week], query: Mapping[str, Any]) -> int:
        """Count in some weeks, one after the other: each takes as long as its index is."""
        return sum([await self._mongo.count(part_name(kind, week), query) for week in weeks])

    async def update_one(
        self, kind: str, query: Mapping[str, Any], update: Mapping[str, Any]
    ) -> int:
        """Update the document that ``query`` names by its ``_id``; give how many matched."""
        week = Week.of_id(query["_id"])
        return await self._mongo.update_one(part_name(kind, week), query, update)

    async def update_of(
        self,
        kind: str,
        ids: Collection[str],
        update: Mapping[str, Any],
        *,
        also: Mapping[str, Any] = _ANY,
    ) -> int:
        """Update documents by ``_id``, those that say ``also``; give how many changed."""
        return sum(
            [
                await self._mongo.update_many(
                    part_name(kind, week), {"_id": {"$in": its}, **also}, update
                )
                for week, its in by_week(ids, str).items()
            ]
        )

    async def delete_of(self, kind: str, ids: Collection[str], *, field: str = "_id") -> int:
        """Delete documents by an id that begins with a message's; give how many there were."""
        return sum(
            [
                await self._mongo.delete_many(part_name(kind, week), {field: {"$in": its}})
                for week, its in by_week(ids, str).items()
            ]
        )

    async def distinct(self, kind: str, week: Week, field: str) -> list[Any]:
        """Give the values that the first field of an index has in a part."""
        return await self._mongo.distinct(part_name(kind, week), field)

    async def _gather(self, finding: Iterable[Any]) -> list[Document]:
        return list(chain.from_iterable(await asyncio.gather(*finding)))
