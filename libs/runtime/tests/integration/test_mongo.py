"""MongoDB on a real mongod: repeats, partial inserts, refusals."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from yizhan_runtime import Index, Mongo, SystemClock, TooSlow
from yizhan_runtime.errors import Misconfigured, Permanent, Retryable
from yizhan_runtime.metrics import RuntimeMetrics

pytestmark = pytest.mark.integration


def connect(url: str, database: str, timeout_s: float = 10.0) -> Mongo:
    return Mongo(url, database, timeout_s, RuntimeMetrics(CollectorRegistry()), SystemClock())


@pytest.fixture
async def mongo(mongo_url: str, namespace: str) -> AsyncIterator[Mongo]:
    mongo = connect(mongo_url, namespace.replace(".", "_") + "runtime")
    yield mongo
    mongo.close()


def documents(*names: str) -> list[dict[str, Any]]:
    return [{"_id": name, "n": 1} for name in names]


async def test_a_repeat_is_told_and_the_rest_is_stored(mongo: Mongo) -> None:
    assert await mongo.insert_new("facts", documents("a", "b")) == set()
    assert await mongo.insert_new("facts", documents("b", "c", "a", "d")) == {"a", "b"}
    assert set(await mongo.find_by_ids("facts", "abcdx")) == {"a", "b", "c", "d"}
    assert await mongo.insert_new("facts", []) == set()


async def test_the_same_id_twice_in_one_insert_is_a_repeat(mongo: Mongo) -> None:
    assert await mongo.insert_new("facts", documents("a", "a", "b")) == {"a"}
    assert await mongo.count("facts", {}) == 2


async def test_another_documents_unique_key_is_no_repeat(mongo: Mongo) -> None:
    await mongo.ensure_indexes("facts", [Index((("ref", 1),), unique=True)])
    await mongo.insert_new("facts", [{"_id": "a", "ref": 1}])
    with pytest.raises(Permanent):
        await mongo.insert_new("facts", [{"_id": "b", "ref": 1}, {"_id": "c", "ref": 2}])
    assert set(await mongo.find_by_ids("facts", "abc")) == {"a", "c"}


async def test_what_cannot_be_stored_is_permanent(mongo: Mongo) -> None:
    for value in (object(), 2**70, "x" * 17_000_000):
        with pytest.raises(Permanent):
            await mongo.insert_new("facts", [{"_id": "a", "value": value}])


async def test_two_upserts_of_one_document_at_once_both_succeed(mongo: Mongo) -> None:
    updates = (
        mongo.update_one("cursors", {"_id": "one"}, {"$set": {"n": n}}, upsert=True)
        for n in range(30)
    )
    await asyncio.gather(*updates)
    assert await mongo.count("cursors", {}) == 1


async def test_indexes_are_made_once_and_a_conflict_is_named(mongo: Mongo) -> None:
    await mongo.ensure_indexes("facts", [Index((("n", 1),))])
    await mongo.ensure_indexes("facts", [Index((("n", 1),))])
    with pytest.raises(Misconfigured, match="an index of that name"):
        await mongo.ensure_indexes("facts", [Index((("n", 1),), unique=True)])


async def test_a_mongod_that_is_away_is_retryable_in_time() -> None:
    away = connect("mongodb://127.0.0.1:1", "nowhere", timeout_s=0.5)
    with pytest.raises(Retryable, match="MongoDB insert on facts failed"):
        await away.insert_new("facts", documents("a"))
    away.close()


async def test_the_clocks_of_one_machine_agree(mongo: Mongo) -> None:
    assert abs(await mongo.clock_offset_s()) < 1.0


async def test_a_query_that_takes_longer_than_it_was_given_is_too_slow(mongo: Mongo) -> None:
    await mongo.insert_new("facts", documents("a", "b"))
    dawdling = {"$where": "sleep(200) || true"}
    with pytest.raises(TooSlow, match="longer than it was given"):
        await mongo.find("facts", dawdling, within_s=0.05)
    assert len(await mongo.find("facts", dawdling, within_s=10.0)) == 2


async def test_a_query_may_begin_behind_the_first_documents(mongo: Mongo) -> None:
    await mongo.insert_new("facts", documents("a", "b", "c"))
    found = await mongo.find("facts", {}, sort=(("_id", -1),), skip=1, limit=1, fields=("_id",))
    assert found == [{"_id": "b"}]
