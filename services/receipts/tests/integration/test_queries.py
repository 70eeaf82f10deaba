"""Every query of the ledger stands on an index: none looks at more than it needs."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo import MongoClient
from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.world import METRICS

from receipts.ledger.adapters.balance import MongoBalance
from receipts.ledger.adapters.feeds import MongoFeeds
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.adapters.unmatched import MongoUnmatched
from receipts.ledger.adapters.weekly import part_name
from receipts.ledger.ports import Position
from receipts.ledger.weeks import Week
from receipts.log.adapters.mongo import MongoLog
from receipts.log.adapters.pushes import MongoWaitingPushes
from receipts.log.domain import Query
from receipts.log.service import MessageLog
from receipts.replies.adapters.mongo import MongoReplies
from receipts.replies.searching import ReplySearch, Wanted
from yizhan_runtime import Mongo, RuntimeSettings, SystemClock
from yizhan_runtime.metrics import RuntimeMetrics

pytestmark = pytest.mark.integration

WEEK = Week.of_time(NOON)
IDS = [message_id_of(i) for i in range(3)]
PHONE = "+8613800001111"


async def test_every_query_is_backed_by_an_index(mongo_url: str, namespace: str) -> None:
    name = RuntimeSettings(namespace=namespace).database("receipts")
    metrics = RuntimeMetrics(CollectorRegistry())
    mongo = Mongo(mongo_url, name, 10.0, metrics, SystemClock())
    ledger = MongoLedger(mongo, SystemClock())
    await ledger.prepare()
    replies = MongoReplies(mongo, ledger)
    await replies.prepare()
    database: Any = MongoClient(mongo_url)[name]
    fill(database)
    database.command("profile", 2)
    later = NOON + timedelta(days=1)
    await ledger.accepted_of([])
    await ledger.facts_of(IDS)
    await ledger.settled_of(IDS)
    await ledger.submitted_under(["a:1", "a:2"], NOON - timedelta(days=7))
    await ledger.early_under(["a:1", "a:2"], NOON - timedelta(days=7))
    await ledger.remove_early(["a:1:delivered"])
    await ledger.correct(IDS[0], {"status": "delivered"})
    await ledger.correct_sms(IDS[0], {"status": "delivered"})
    await ledger.due_facts(Position(NOON, "0"), later, 10)
    await ledger.due_messages(Position(NOON, "0"), later, 10)
    await ledger.next_due(NOON)
    await look_for_what_is_missing(mongo, ledger)
    await ledger.message_ids(IDS[0], IDS[-1], 10)
    await ledger.settlers_of(IDS)
    await ledger.settled_ids(IDS[0], IDS[-1])
    await ledger.settled_by_full_sweep(NOON)
    await count_all(MongoBalance(mongo, ledger))
    await ledger.find_by_reference("acme", "SF1", 10)
    await ledger.find_facts(IDS[0])
    await ledger.messages_to(["+8613800001111"], NOON - timedelta(days=7), 10)
    await replies.sent_to(["+8613800001111", "+8613800001112"], NOON - timedelta(days=7))
    await search_the_log(mongo, ledger, replies)
    await trace(mongo, ledger)
    database.command("profile", 0)
    scans = [
        (entry["ns"], entry["command"])
        for entry in database["system.profile"].find({"ns": {"$ne": "admin.$cmd"}})
        if "COLLSCAN" in entry.get("planSummary", "")
        and "system" not in entry["ns"]
        # An upsert by _id of a collection that is still empty.
        and entry.get("docsExamined", 0) > 0
    ]
    database.client.close()
    mongo.close()
    assert not scans


async def count_all(balance: MongoBalance) -> None:
    await balance.settled_rows(IDS[0], IDS[-1], 10)
    await balance.message_rows(IDS[0], IDS[-1], 10)
    await balance.owners_of_facts(IDS[0], IDS[-1], 10)
    await balance.count_attempts(IDS[0], IDS[-1])
    await balance.next_id(IDS[0])
    await balance.count_settled(IDS[0], IDS[-1])
    await balance.count_messages(IDS[0], IDS[-1])
    await balance.insert_balances([{"_id": "2026", "begin": 0, "counts": []}])
    await balance.balances_since("2026")


async def look_for_what_is_missing(mongo: Mongo, ledger: MongoLedger) -> None:
    feeds, unmatched = MongoFeeds(ledger), MongoUnmatched(mongo, ledger)
    await unmatched.prepare()
    later = NOON + timedelta(days=1)
    for newest in (True, False):
        await feeds.handed_over("a", NOON, later, 10, newest=newest)
    await feeds.heard_of(IDS)
    await unmatched.aged_early(later, 10)
    for channel in ("", "a"):
        await unmatched.find_unmatched(channel, later, 10)


async def search_the_log(mongo: Mongo, ledger: MongoLedger, reply_store: MongoReplies) -> None:
    """Ask in every way: each walk names its index, so without it MongoDB would refuse."""
    clock = SystemClock()
    log = MessageLog(MongoLog(mongo, ledger.weekly, clock), clock, METRICS)
    ways: tuple[dict[str, str], ...] = (
        {},
        {"phone": PHONE},
        {"reference": "SF7"},
        {"batch_id": "batch-1"},
    )
    filters: tuple[dict[str, str], ...] = (
        {},
        {"status": "unknown"},
        {"status": "in-flight"},
        {"reason": "roaming", "channel": "a", "template_id": "t", "country": "CN"},
        {"text": "包裹"},
    )
    for way, some in itertools.product(ways, filters):
        query = Query(account_id="acme", **way, **some)  # type: ignore[arg-type]
        page = await log.search(query, 10, with_text=True)
        assert page.searched_until is None
        async for _ in log.all_rows(query, page=500):
            pass
    search = ReplySearch(reply_store, clock)
    for wanted in (
        Wanted(phone=PHONE),
        Wanted(account_id="acme", since=NOON, text="x"),
        Wanted(message_id=IDS[0]),
        Wanted(conversation_id="f" * 32),
    ):
        await search.search(wanted, 10)


async def trace(mongo: Mongo, ledger: MongoLedger) -> None:
    """Ask what is asked of single messages."""
    await ledger.find_text(IDS[0])
    await ledger.senders_of(IDS)
    await MongoWaitingPushes(mongo).of_message(IDS[0])


def fill(database: Any) -> None:
    """Put in enough that a plan matters."""
    numbers = range(2000)
    database[part_name("messages", WEEK)].insert_many(
        {
            "_id": message_id_of(i),
            "account_id": "acme",
            "reference": f"SF{i}",
            "batch_id": f"batch-{i % 3}",
            "recipient": f"+861380000{i:04}",
            "country": "CN",
            "lane": "standard",
            "charging_num": 1,
            "test": False,
            "accepted_at": NOON,
            "check_at": NOON,
        }
        for i in numbers
    )
    database[part_name("facts", WEEK)].insert_many(
        {
            "_id": f"{message_id_of(i)}-1.submitted.{i}",
            "message_id": message_id_of(i),
            "kind": "submitted",
            "channel": "a",
            "n": 1,
            "at": NOON,
            "carrier_key": f"a:{i}",
            "receipt_due_at": NOON + timedelta(seconds=i),
        }
        for i in numbers
    )
    database[part_name("contents", WEEK)].insert_many(
        {"_id": message_id_of(i), "text": "您的包裹已到达"} for i in numbers
    )
    database.replies.insert_many(
        {
            "_id": f"mo-{i}",
            "account_id": "acme",
            "phone": f"+861380000{i:04}",
            "message_id": message_id_of(i),
            "conversation_id": f"{i:032}",
            "text": "好的",
            "received_at": NOON,
        }
        for i in numbers
    )
    database.early_receipts.insert_many(
        {"_id": f"b:{i}:delivered", "carrier_key": f"b:{i}", "stored_at": NOON} for i in numbers
    )
    database.unmatched_receipts.insert_many(
        {"_id": f"b:{i}:delivered", "channel": "ab"[i % 2], "aged_at": NOON} for i in numbers
    )
    database[part_name("settled", WEEK)].insert_many(
        {
            "_id": message_id_of(i),
            "account_id": "acme",
            "country": "CN",
            "lane": "standard",
            "status": "unknown",
            "reason": "receipt-overdue",
            "carrier_code": "",
            "channel": "a",
            "via": "sms",
            "attempts": 1,
            "revision": 1,
            "sms": {"status": "unknown"},
            "settled_by": "full-sweep" if i % 100 == 0 else "record",
            "settled_at": NOON,
        }
        for i in numbers
    )
