"""What is updated, removed and written anew in numbers, on a real mongod."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from yizhan_runtime import Index, Mongo, SystemClock
from yizhan_runtime.errors import Permanent, Retryable
from yizhan_runtime.metrics import RuntimeMetrics

pytestmark = pytest.mark.integration


@pytest.fixture
async def mongo(mongo_url: str, namespace: str) -> AsyncIterator[Mongo]:
    metrics = RuntimeMetrics(CollectorRegistry())
    name = namespace.replace(".", "_") + "runtime"
    mongo = Mongo(mongo_url, name, 10.0, metrics, SystemClock())
    await mongo.ensure_indexes("facts", [Index((("of", 1),)), Index((("n", 1),), unique=True)])
    await mongo.insert_new("facts", [{"_id": n, "of": "ab"[n % 2], "n": n} for n in range(10)])
    yield mongo
    mongo.close()


async def test_updates_and_deletions_say_how_many(mongo: Mongo) -> None:
    assert await mongo.update_many("facts", {"of": "a"}, {"$set": {"text": ""}}) == 5
    assert await mongo.update_many("facts", {"of": "a"}, {"$set": {"text": ""}}) == 0
    assert await mongo.delete_many("facts", {"of": "b"}) == 5
    assert await mongo.count("facts", {}) == 5
    assert await mongo.distinct("facts", "of") == ["a"]
    with pytest.raises(Permanent):
        await mongo.update_many("facts", {"n": 0}, {"$set": {"n": 2}})


async def test_what_is_written_anew_replaces_all_and_keeps_the_indexes(mongo: Mongo) -> None:
    await mongo.write_anew("facts", [{"$match": {"of": "a"}}, {"$set": {"text": ""}}])
    found: list[dict[str, Any]] = await mongo.find("facts", {}, hint=(("of", 1),))
    assert [(one["_id"], one["text"]) for one in found] == [(n, "") for n in range(0, 10, 2)]
    assert not await mongo.insert_one("facts", {"_id": 20, "n": 2})


async def test_a_patient_connection_waits_longer_and_closes_by_itself(mongo: Mongo) -> None:
    slow = [{"$match": {"$expr": {"$function": _SLEEP}}}]
    hasty, patient = mongo.patient(0.2), mongo.patient(30.0)
    with pytest.raises(Retryable):
        await hasty.aggregate("facts", slow)
    assert len(await patient.aggregate("facts", slow)) == 10
    await hasty.stop()
    await patient.stop()


_SLEEP = {"body": "function() { sleep(60); return true; }", "args": [], "lang": "js"}
