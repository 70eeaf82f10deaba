"""MongoDB, behind one file: the driver (motor) is in its last year and must be replaceable here.

Every call is bounded, written with majority, read from the primary. Library errors become ours, by
what is to be done about them: Retryable, but for what would be refused again just the same.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson.codec_options import CodecOptions
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import IndexModel, ReadPreference, ReturnDocument, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Misconfigured, Permanent, Retryable, TooSlow, YizhanError
from yizhan_runtime.metrics import RuntimeMetrics

_E11000 = 11000
_OUT_OF_TIME = frozenset({50})
"""MaxTimeMSExpired."""
_NOT_LET_IN = frozenset({13, 18, 8000})
"""Unauthorized, AuthenticationFailed, and what hosted MongoDBs say for it."""
_OTHER_INDEX = frozenset({85, 86})
"""IndexOptionsConflict, IndexKeySpecsConflict."""
_NEVER = frozenset({2, 9, 14, 40, 52, 57, 66, 121, 10334, _E11000, 17280, 17419, 17420})
"""What the document, the query or the update itself is refused for: bad values, fields that may not
be or may not change, validation, size, another document's unique key."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Index:
    """An index that a service creates at its start."""

    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    partial: Mapping[str, Any] | None = None
    expire_after_s: int | None = None

    def model(self) -> IndexModel:
        options: dict[str, Any] = {"unique": self.unique}
        if self.partial is not None:
            options["partialFilterExpression"] = dict(self.partial)
        if self.expire_after_s is not None:
            options["expireAfterSeconds"] = self.expire_after_s
        return IndexModel(list(self.keys), **options)


class Mongo:
    """One service's own database."""

    def __init__(
        self, url: str, database: str, timeout_s: float, metrics: RuntimeMetrics, clock: Clock
    ) -> None:
        self._client: AsyncIOMotorClient[Any] = AsyncIOMotorClient(
            url,
            tz_aware=True,
            tzinfo=UTC,
            serverSelectionTimeoutMS=int(timeout_s * 1000),
            connectTimeoutMS=int(timeout_s * 1000),
            socketTimeoutMS=int(timeout_s * 1000),
            retryWrites=True,
            appname=database,
        )
        self._database = self._client.get_database(
            database,
            codec_options=CodecOptions(tz_aware=True, tzinfo=UTC),
            write_concern=WriteConcern("majority", wtimeout=int(timeout_s * 1000)),
            read_concern=ReadConcern("local"),
            read_preference=ReadPreference.PRIMARY,
        )
        self._named = (url, database)
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._clock = clock

    def patient(self, timeout_s: float) -> "Mongo":
        """Give another connection to the same database, for what takes long by its nature."""
        return Mongo(*self._named, timeout_s, self._metrics, self._clock)

    async def ping(self) -> None:
        """Ask for an answer. Raises Retryable while MongoDB is away."""
        async with self._bounded("admin", "ping"):
            await self._database.command("ping")

    async def clock_offset_s(self) -> float:
        """Give this clock minus mongod's, in seconds; the round trip is taken as symmetric."""
        before = self._clock.now()
        async with self._bounded("admin", "hello"):
            told: datetime = (await self._database.command("hello"))["localTime"].replace(
                tzinfo=UTC
            )
        after = self._clock.now()
        return ((before + (after - before) / 2) - told).total_seconds()

    async def ensure_indexes(self, collection: str, indexes: Sequence[Index]) -> None:
        """Create what is not there, at start: every query of a service is backed by one of them."""
        if indexes:
            async with self._bounded(collection, "index"):
                await self._database[collection].create_indexes(
                    [index.model() for index in indexes]
                )

    async def collection_names(self) -> list[str]:
        """Name the collections that there are."""
        async with self._bounded("", "list"):
            return list(await self._database.list_collection_names())

    async def drop(self, collection: str) -> None:
        """Drop a collection with its indexes and all that is in it."""
        async with self._bounded(collection, "drop"):
            await self._database[collection].drop()

    async def insert_new(self, collection: str, documents: Sequence[Mapping[str, Any]]) -> set[Any]:
        """Insert documents, each once, and give the ``_id``s that were there already.

        A repeat says *stored*, not *followed up*: what follows from it is still to be done. After
        Retryable any part of them may be there: insert the same again. Raises Permanent when one
        cannot be stored (the others may have been).
        """
        if not documents:
            return set()
        async with self._bounded(collection, "insert"):
            try:
                await self._database[collection].insert_many(list(documents), ordered=False)
            except BulkWriteError as error:
                return existing_ids(error)
        return set()

    async def find_by_ids(
        self, collection: str, ids: Iterable[Any], fields: Sequence[str] | None = None
    ) -> dict[Any, Document]:
        """Load documents by ``_id`` in one query, those that exist."""
        wanted = list(ids)
        if not wanted:
            return {}
        found = await self.find(collection, {"_id": {"$in": wanted}}, fields=fields)
        return {document["_id"]: document for document in found}

    async def find(  # noqa: PLR0913 - options, by keyword
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        fields: Sequence[str] | None = None,
        hint: Sequence[tuple[str, int]] | None = None,
        skip: int = 0,
        within_s: float | None = None,
    ) -> list[Document]:
        """Load the documents of a query that an index backs.

        Raises TooSlow where MongoDB needs longer than ``within_s``.
        """
        async with self._bounded(collection, "find"):
            cursor = self._database[collection].find(
                query, projection=list(fields) if fields else None, limit=limit, skip=skip
            )
            if within_s is not None:
                cursor = cursor.max_time_ms(max(int(within_s * 1000), 1))
            if sort:
                cursor = cursor.sort(list(sort))
            if hint:
                cursor = cursor.hint(list(hint))
            return await cursor.to_list(length=None)

    async def insert_one(self, collection: str, document: Mapping[str, Any]) -> bool:
        """Insert one document. False: its ``_id``, or a unique key of it, was there already."""
        async with self._bounded(collection, "insert"):
            try:
                await self._database[collection].insert_one(dict(document))
            except DuplicateKeyError:
                return False
        return True

    async def update_one(
        self,
        collection: str,
        query: Mapping[str, Any],
        update: Mapping[str, Any],
        *,
        upsert: bool = False,
    ) -> int:
        """Update one document; give how many matched. Rare by design: it costs eight inserts."""
        async with self._bounded(collection, "update"):
            target = self._database[collection]
            try:
                result = await target.update_one(query, update, upsert=upsert)
            except DuplicateKeyError:
                if not upsert:
                    raise
                # Two upserts of one document: the second finds what the first has made.
                result = await target.update_one(query, update, upsert=upsert)
        return int(result.matched_count)

    async def find_one_and_update(
        self,
        collection: str,
        query: Mapping[str, Any],
        update: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        upsert: bool = False,
    ) -> Document | None:
        """Update one document and give it as it is then; None: the query found none.

        After Retryable it may be done or not: the query must tell a repeat apart.
        """
        async with self._bounded(collection, "update"):
            found: Document | None = await self._database[collection].find_one_and_update(
                query, update, upsert=upsert, return_document=ReturnDocument.AFTER
            )
        return found

    async def delete_by_ids(self, collection: str, ids: Iterable[Any]) -> int:
        wanted = list(ids)
        if not wanted:
            return 0
        async with self._bounded(collection, "delete"):
            result = await self._database[collection].delete_many({"_id": {"$in": wanted}})
        return int(result.deleted_count)

    async def update_many(
        self, collection: str, query: Mapping[str, Any], update: Mapping[str, Any]
    ) -> int:
        """Update all that a query finds; give how many changed. In paced batches: it costs."""
        async with self._bounded(collection, "update"):
            result = await self._database[collection].update_many(query, update)
        return int(result.modified_count)

    async def write_anew(self, collection: str, stages: Sequence[Mapping[str, Any]]) -> None:
        """Replace a collection by what stages make of its documents, at once; its indexes stay.

        An update of each would cost ten times as much. What is written to it meanwhile is lost:
        only for what nobody writes to any more.
        """
        async with self._bounded(collection, "rewrite"):
            pipeline = [*stages, {"$out": collection}]
            await self._database[collection].aggregate(pipeline).to_list(length=None)

    async def delete_many(self, collection: str, query: Mapping[str, Any]) -> int:
        """Delete all that a query finds; give how many. In paced batches."""
        async with self._bounded(collection, "delete"):
            result = await self._database[collection].delete_many(query)
        return int(result.deleted_count)

    async def distinct(self, collection: str, field: str) -> list[Any]:
        """Give the values that an indexed field has, by skipping along the index."""
        async with self._bounded(collection, "distinct"):
            return list(await self._database[collection].distinct(field))

    async def count(self, collection: str, query: Mapping[str, Any]) -> int:
        async with self._bounded(collection, "count"):
            return int(await self._database[collection].count_documents(query))

    async def aggregate(
        self, collection: str, pipeline: Sequence[Mapping[str, Any]]
    ) -> list[Document]:
        async with self._bounded(collection, "aggregate"):
            return await self._database[collection].aggregate(list(pipeline)).to_list(length=None)

    def close(self) -> None:
        self._client.close()

    async def stop(self) -> None:
        """Close it, as a hook of a service's end."""
        self.close()

    @asynccontextmanager
    async def _bounded(self, collection: str, operation: str) -> AsyncIterator[None]:
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except (PyMongoError, BSONError, OverflowError, TimeoutError) as error:
            self._metrics.mongo_failures.labels(operation).inc()
            raise translated(error, f"MongoDB {operation} on {collection}") from error
        self._metrics.mongo_seconds.labels(kind_of(collection), operation).observe(
            self._clock.monotonic() - begun
        )


def kind_of(collection: str) -> str:
    """Give what stands before the dot: ``messages.20261123`` is one part of ``messages``."""
    return collection.partition(".")[0]


def existing_ids(error: BulkWriteError) -> set[Any]:
    """Give the ids of a bulk insert that were there; raise it where anything else failed too."""
    details = error.details or {}
    failures = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or not all(map(_is_repeat, failures)):
        raise error
    return {item["op"]["_id"] for item in failures}


def _is_repeat(failure: Mapping[str, Any]) -> bool:
    """Tell a document that is there from one that another's unique key keeps out."""
    if failure.get("code") != _E11000:
        return False
    pattern = failure.get("keyPattern")
    return pattern is None or set(pattern) == {"_id"}


def translated(error: Exception, what: str) -> YizhanError:
    """Decide what is to be done about a driver's error. Its own words quote documents: left out."""
    name, codes = type(error).__name__, _codes(error)
    if isinstance(error, BSONError | OverflowError) or (codes and codes <= _NEVER):
        return Permanent(f"{what} is refused: {name} {_listed(codes)}".rstrip())
    if codes & _OUT_OF_TIME:
        return TooSlow(f"{what} took longer than it was given")
    if codes & _NOT_LET_IN:
        return Misconfigured(f"{what}: MongoDB does not let us in. Look at YIZHAN_MONGO_URL")
    if codes & _OTHER_INDEX:
        return Misconfigured(
            f"{what}: an index of that name or those keys is there, with options "
            "that are not ours. Drop it, and start again"
        )
    return Retryable(f"{what} failed: {name} {_listed(codes)}".rstrip())


def _codes(error: Exception) -> frozenset[int]:
    """Give the server's codes, of a bulk write those of its failures that are no repeats."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        if details.get("writeConcernErrors"):
            return frozenset()  # it may be done again, whatever else was refused
        failures = [one for one in details.get("writeErrors", []) if not _is_repeat(one)]
        return frozenset(int(one.get("code") or 0) for one in failures)
    code = error.code if isinstance(error, OperationFailure) else None
    return frozenset() if code is None else frozenset({code})


def _listed(codes: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(codes)))
