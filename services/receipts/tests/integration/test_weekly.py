"""The ledger over several weeks: found wherever it lies, in order, and gone with its week."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from services.receipts.tests.unit.making import RECIPIENT, finished, message

from receipts.ledger import documents as docs
from receipts.ledger.adapters.collections import MESSAGES
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.adapters.weekly import Weekly, part_name
from receipts.ledger.deadlines import Deadlines
from receipts.ledger.ports import Position
from receipts.ledger.weeks import Week
from yizhan_contracts import ids
from yizhan_contracts.events import AttemptOutcome
from yizhan_runtime import Index, Mongo, RuntimeSettings, SystemClock
from yizhan_runtime.metrics import RuntimeMetrics

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
NOW = CLOCK.now()
TIMES = [NOW - timedelta(days=days) for days in (16, 15, 9, 8, 1, 0)]
IDS = [ids.new_message_id(RECIPIENT, int(at.timestamp() * 1000)) for at in TIMES]
BEGINNING = Position(datetime(1970, 1, 1, tzinfo=UTC), "")


@pytest.fixture
async def mongo(mongo_url: str, namespace: str) -> AsyncIterator[Mongo]:
    name = RuntimeSettings(namespace=namespace).database("receipts")
    mongo = Mongo(mongo_url, name, 10.0, RuntimeMetrics(CollectorRegistry()), CLOCK)
    yield mongo
    mongo.close()


@pytest.fixture
async def ledger(mongo: Mongo) -> MongoLedger:
    ledger = MongoLedger(mongo, CLOCK)
    await ledger.prepare()
    sent = [message(i, accepted_at=at, valid_until=at) for i, at in zip(IDS, TIMES, strict=True)]
    await ledger.insert_contents([docs.content_document(one, b"{}") for one in sent])
    await ledger.insert_messages([docs.message_document(one, one.valid_until) for one in sent])
    submitted = [
        finished(AttemptOutcome.SUBMITTED, of=one, finished_at=at, carrier_message_id=f"c{at:%j}")
        for one, at in zip(sent, TIMES, strict=True)
    ]
    facts = [
        docs.attempt_fact(one, at, Deadlines()) for one, at in zip(submitted, TIMES, strict=True)
    ]
    await ledger.insert_facts(facts)
    return ledger


async def test_what_lies_in_several_weeks_is_found_by_ids_and_in_order(ledger: MongoLedger) -> None:
    assert (await ledger.accepted_of(IDS)).keys() == set(IDS)
    assert (await ledger.facts_of(IDS)).keys() == set(IDS)
    page = await ledger.message_ids(IDS[0][:12], "f" * 12, 4)
    assert [message_id for message_id, _ in page] == IDS[:4]
    rest = await ledger.message_ids(page[-1][0], "f" * 12, 4)
    assert [message_id for message_id, _ in rest] == IDS[4:]
    assert await ledger.find_by_reference("acme", "SF1234567890", 4) == IDS[:1:-1]


async def test_what_is_due_comes_in_order_over_the_weeks_page_by_page(ledger: MongoLedger) -> None:
    seen, after = [], BEGINNING
    while due := await ledger.due_messages(after, NOW, 4):
        seen += [item.message_id for item in due]
        after = due[-1].position
    assert seen == IDS
    facts = await ledger.due_facts(BEGINNING, NOW + timedelta(days=1), 10)
    assert [item.message_id for item in facts] == IDS


async def test_a_carriers_id_is_looked_for_in_the_weeks_that_count(ledger: MongoLedger) -> None:
    keys = [f"carrier-a:c{at:%j}" for at in TIMES]
    found = await ledger.submitted_under(keys, NOW - timedelta(days=9, hours=1))
    assert {fact["message_id"] for fact in found.values()} == set(IDS[2:])


async def test_another_process_finds_what_is_there_and_a_dropped_week_is_gone(
    ledger: MongoLedger, mongo: Mongo
) -> None:
    weekly = Weekly(mongo, {MESSAGES: (Index((("account_id", 1),)),)}, CLOCK)
    oldest = Week.of_id(IDS[0])
    assert (MESSAGES, oldest) in await weekly.parts()
    assert weekly.weeks()[0] == oldest
    await weekly.drop(MESSAGES, oldest)
    assert part_name(MESSAGES, oldest) not in await mongo.collection_names()
    left: dict[str, Any] = await ledger.accepted_of(IDS)
    assert left.keys() == {i for i in IDS if Week.of_id(i) != oldest}
