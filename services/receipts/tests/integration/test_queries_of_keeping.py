"""Every query of exports, retention and erasure stands on an index."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from services.receipts.tests.integration.profiling import profiled, scans_of
from services.receipts.tests.integration.test_queries import fill
from services.receipts.tests.unit.exporting import QUERY
from services.receipts.tests.unit.making import NOON, message_id_of

from receipts.erasure.adapters.mongo import MongoErasures
from receipts.erasure.adapters.stores import ErasedStores
from receipts.erasure.domain import Found, Subject
from receipts.exports.adapters.mongo import MongoExports
from receipts.exports.adapters.rows import LedgerRows
from receipts.exports.domain import BEGINNING, Export, Format, Shown, State
from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.weeks import Week
from receipts.push.adapters.mongo import MongoWaiting
from receipts.replies.adapters.mongo import MongoReplies
from receipts.retention.adapters.mongo import MongoRetention
from receipts.retention.policy import Stage
from yizhan_runtime import Mongo, RuntimeSettings, SystemClock
from yizhan_runtime.metrics import RuntimeMetrics

pytestmark = pytest.mark.integration

LATER = NOON + timedelta(days=1)
IDS = [message_id_of(i) for i in range(3)]
EXPORT = Export("1", QUERY, Shown(format=Format.CSV), State.RUNNING, NOON, LATER, estimated=0)


@pytest.fixture
def name(namespace: str) -> str:
    return RuntimeSettings(namespace=namespace).database("receipts")


@pytest.fixture
async def mongo(mongo_url: str, name: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(mongo_url, name, 10.0, RuntimeMetrics(CollectorRegistry()), SystemClock())
    yield mongo
    mongo.close()


@pytest.fixture
async def ledger(mongo: Mongo) -> MongoLedger:
    ledger = MongoLedger(mongo, SystemClock())
    await ledger.prepare()
    return ledger


async def test_exports_look_at_no_more_than_they_show(
    mongo: Mongo, ledger: MongoLedger, mongo_url: str, name: str
) -> None:
    exports, rows = MongoExports(mongo), LedgerRows(ledger)
    await exports.prepare()
    with profiled(mongo_url, name) as database:
        fill_ledger(database)
        database.command("profile", 2)
        for number in range(20):
            export = EXPORT._replace(export_id=str(number))
            await exports.add(export, f"key-{number}", key_stays=False)
            await exports.add_part(export.export_id, BEGINNING, LATER)
        await exports.under("key-1")
        await exports.load("1")
        await exports.list_of("acme", 10)
        assert await exports.claim("receipts-1", LATER, LATER)
        await exports.progress("1", BEGINNING, LATER)
        await exports.last_part("1")
        await exports.sizes("1")
        await exports.end("1", State.DONE, LATER)
        await exports.remove_parts("1")
        assert await rows.rows(QUERY, QUERY.after, 10, with_text=True)
        assert await rows.count(QUERY) == 2000
        assert await rows.count(QUERY.model_copy(update={"reference": "SF1"})) == 1
        assert not scans_of(database)


async def test_retention_and_erasure_look_at_no_more_than_they_take_out(
    mongo: Mongo, ledger: MongoLedger, mongo_url: str, name: str
) -> None:
    exports, replies = MongoExports(mongo), MongoReplies(mongo, ledger)
    push, erasures = MongoWaiting(mongo), MongoErasures(mongo)
    for one in (exports, replies, push, erasures):
        await one.prepare()
    eraser, beside = LedgerEraser(ledger, mongo), MongoRetention(mongo)
    erased = ErasedStores(mongo, eraser, exports)
    week, after = Week.of_time(NOON), "0" * 32
    with profiled(mongo_url, name) as database:
        fill(database)
        fill_beside(database)
        database.command("profile", 2)
        assert await eraser.accounts_in([week]) == {"acme"}
        assert await eraser.ids_of_account("acme", after, "f" * 32, 10)
        await eraser.has_open(week)
        await eraser.remove_contents(IDS)
        assert await eraser.remove_numbers(IDS, NOON) == 3
        assert await eraser.remove_all(IDS[:1], NOON) == 1
        assert "acme" in await beside.accounts()
        for stage in Stage:
            await beside.cursor(stage, "acme")
            await beside.save_cursor(stage, "acme", IDS[0])
            await beside.remove_replies(stage, "acme", NOON, NOON)
        await beside.remove_given_up("acme", NOON)
        for subject in (Subject("", "+8613800000007"), Subject("acme", "")):
            assert await erased.page(subject, after, "f" * 32, 10)
            await erased.count_replies(subject, NOON)
            await erased.remove_replies(subject, NOON, NOON)
            assert (await erased.left(subject, "f" * 32, NOON, ["1"]))["messages"] > 0
        await erased.remove_exports([Found(IDS[0], "acme")], NOON)
        await erasures.under("key")
        await erasures.claim("receipts-1", LATER, LATER)
        assert not scans_of(database)


def fill_beside(database: Any) -> None:
    """Fill what is beside the ledger."""
    numbers = range(500)
    told = {"account_id": "acme", "received_at": NOON, "text": "x"}
    database.replies.insert_many(
        {"_id": str(n), "phone": f"+861380000{n:04}", **told} for n in numbers
    )
    database.push_parked.insert_many(
        {"_id": str(n), "lane": f"results:{n}", "first_at": NOON} for n in numbers
    )
    database.export_parts.insert_many({"_id": str(n), "export_id": f"e{n}"} for n in numbers)
    database.erasures.insert_many({"_id": str(n), "key": f"k{n}"} for n in numbers)


def fill_ledger(database: Any) -> None:
    """Fill it, with what an export shows beside what is searched."""
    fill(database)
    shown = {"time_zone": "UTC", "country": "CN", "lane": "bulk", "charging_num": 1}
    for name in database.list_collection_names():
        if name.startswith("messages."):
            database[name].update_many({}, {"$set": shown | {"accepted_at": NOON}})
