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

from receipts.exports.adapters.mongo import MongoExports
from receipts.exports.adapters.rows import LedgerRows
from receipts.exports.domain import BEGINNING, Export, Format, Shown, State
from receipts.ledger.adapters.mongo import MongoLedger
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


def fill_ledger(database: Any) -> None:
    """Fill it, with what an export shows beside what is searched."""
    fill(database)
    shown = {"time_zone": "UTC", "country": "CN", "lane": "bulk", "charging_num": 1}
    for name in database.list_collection_names():
        if name.startswith("messages."):
            database[name].update_many({}, {"$set": shown | {"accepted_at": NOON}})
