"""Every query of the push stands on an index, and what waits in a lane costs the look nothing."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo import MongoClient
from services.receipts.tests.unit.making import NOON, message_id_of

from receipts.ledger.adapters.mongo import MongoLedger
from receipts.push.adapters.batches import MongoBatches
from receipts.push.adapters.endpoints import ENDPOINTS, MongoEndpoints
from receipts.push.adapters.events import MongoEvents
from receipts.push.adapters.mongo import MongoWaiting
from receipts.push.adapters.replays import MongoReplays
from receipts.push.adapters.results import MongoResults
from receipts.push.batches import OpenBatch
from receipts.push.endpoints import About, Endpoint, Wishes
from receipts.push.events import Announced, EventType
from receipts.push.ports import Waiting
from receipts.push.replays import Replay, Source, position_of
from receipts.push.s3 import S3Status
from yizhan_runtime import Mongo, RuntimeSettings, SystemClock
from yizhan_runtime.feed import Feed
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.vault import Vault

pytestmark = pytest.mark.integration

IDS = [message_id_of(i) for i in range(3)]
RESULTS = About.RESULTS
WAITING = [Waiting(i, S3Status.FAILURE, RESULTS, "acme", NOON, NOON) for i in IDS]
LATER = NOON + timedelta(days=1)
JOB = Replay("r1", "acme", RESULTS, Source.KNOWN, NOON, LATER, "", NOON, NOON, position_of(NOON))
BATCH = OpenBatch("acme", "b1", IDS, NOON, NOON)
EVENT = Announced("evt_1", "acme", EventType.ACCOUNT_LOW, NOON, {"left": 1})


async def test_every_query_is_backed_by_an_index(mongo_url: str, namespace: str) -> None:
    name = RuntimeSettings(namespace=namespace).database("receipts")
    mongo = Mongo(mongo_url, name, 10.0, RuntimeMetrics(CollectorRegistry()), SystemClock())
    database: Any = MongoClient(mongo_url)[name]
    await ask_all(mongo, database)
    database.command("profile", 0)
    asked = list(database["system.profile"].find({"ns": {"$ne": "admin.$cmd"}}))
    scans = [
        (entry["ns"], entry["command"])
        for entry in asked
        if "COLLSCAN" in entry.get("planSummary", "")
        and "system" not in entry["ns"]
        and entry.get("docsExamined", 0) > 0
    ]
    looks = [entry for entry in asked if entry.get("command", {}).get("aggregate") == "push_due"]
    sorts = [entry for entry in asked if entry.get("hasSortStage")]
    database.client.close()
    mongo.close()
    assert not scans
    assert not sorts
    # Two lanes with 500 each: one key of each is looked at, and a little more.
    assert [entry["keysExamined"] < 10 for entry in looks] == [True]


async def ask_all(mongo: Mongo, database: Any) -> None:
    ledger, clock = MongoLedger(mongo, SystemClock()), SystemClock()
    results, waiting = MongoResults(ledger), MongoWaiting(mongo)
    events, replays = MongoEvents(mongo), MongoReplays(mongo)
    endpoints = MongoEndpoints(mongo, Vault([], "NONE"), clock)
    feed = Feed(mongo, ENDPOINTS, lambda _document: None, clock)
    batches = MongoBatches(mongo)
    for prepare in (ledger, waiting, events, replays, endpoints, batches):
        await prepare.prepare()
    wishes = Wishes.model_validate({"url": "https://example.com/x"})
    for number in range(50):
        await endpoints.add(Endpoint(f"a{number}", wishes))
    fill(database)
    await feed.load()
    database.command("profile", 2)
    await feed.refresh()
    await results.settled_of(IDS)
    await results.failed_sms_of(IDS)
    await results.pushed_of(IDS)
    await results.settled_ids_of("acme", IDS[0], IDS[-1], 10)
    await waiting.save_waiting(WAITING)
    await waiting.earliest_waiting()
    await waiting.due_of("results:acme", LATER, 10)
    await waiting.older_of("results:acme", LATER, 10)
    await waiting.put_off(WAITING)
    await waiting.park(WAITING, NOON)
    parked = await waiting.parked_of("results:acme", NOON, LATER, "1", 10)
    assert {one.subject_id for one in parked} == set(IDS)
    await waiting.unpark(parked)
    await waiting.lease("results:acme", "me", NOON, LATER)
    await events.insert_announced([EVENT], NOON)
    await events.announced_of(["evt_1"])
    await events.save_said(["evt_1"], NOON)
    await events.said_of(["evt_1"])
    assert await events.page("acme", position_of(NOON), position_of(LATER), 10)
    await replays.add(JOB)
    assert await replays.running(10) == [JOB]
    assert await replays.save(JOB.moved(IDS[0], 1, LATER))
    assert await replays.of_account("acme", 10)
    assert len(await endpoints.page("a1", 10)) == 10
    await endpoints.find(["a1"])
    await ledger.statuses_of(IDS)
    await batches.insert_batches([BATCH])
    assert await batches.due_batches(NOON, 10) == [BATCH]
    await batches.put_off_batch(BATCH._replace(next_at=LATER))
    assert await batches.due_batches(NOON, 10) == []
    await batches.remove_batches([BATCH])


def fill(database: Any) -> None:
    """Put in enough that a plan matters."""
    database.settled.insert_many(
        {"_id": message_id_of(i), "account_id": "acme", "status": "unknown", "settled_at": NOON}
        for i in range(2000)
    )
    database.facts.insert_many(
        {"_id": f"{message_id_of(i)}.other", "message_id": message_id_of(i)} for i in range(2000)
    )
    database.push_due.insert_many(
        {
            "_id": f"{i}.{account}",
            "subject_id": f"other-{i}",
            "status": "1",
            "lane": f"results:{account}",
            "about": "results",
            "account_id": account,
            "next_at": NOON,
            "first_at": NOON,
            "tries": 0,
        }
        for i, account in itertools.product(range(500), ("acme", "other"))
    )
    database.push_parked.insert_many(
        {"_id": f"{i}.p", "lane": "results:other", "first_at": NOON} for i in range(500)
    )
    database.push_events.insert_many(
        {"_id": f"evt_o{i}", "account_id": "other", "position": str(i), "kept_at": NOON}
        for i in range(500)
    )
