"""Retention on a real MongoDB: what is due goes, what is open stays, whatever interrupts it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo import MongoClient
from services.receipts.tests.integration.conftest import count
from services.receipts.tests.integration.keeping import id_at, keep, reply
from services.receipts.tests.unit.world import TurnedClock

from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.adapters.weekly import part_name
from receipts.ledger.weeks import Week
from receipts.metrics import Metrics
from receipts.push.adapters.mongo import MongoWaiting
from receipts.push.endpoints import About
from receipts.push.ports import Waiting
from receipts.replies.adapters.mongo import MongoReplies
from receipts.retention.adapters.mongo import MongoRetention
from receipts.retention.policy import Policies, Policy
from receipts.retention.service import Retention, RetentionTerms
from yizhan_runtime import Mongo, Retryable, RuntimeSettings
from yizhan_runtime.metrics import RuntimeMetrics

pytestmark = pytest.mark.integration

POLICIES = Policies(
    default=Policy(contents_days=30, numbers_days=60, all_days=120),
    accounts={"brief": Policy(contents_days=10, numbers_days=20, all_days=50)},
)
TERMS = RetentionTerms(page=2, share=1.0)


class Keeping:
    """Retention over one database, with a clock that is turned."""

    def __init__(self, mongo: Mongo, database: str) -> None:
        self.mongo = mongo
        self.database = database
        self.clock = TurnedClock()
        self.ledger = MongoLedger(mongo, self.clock)
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.retention = self.instance("receipts-1")
        self.replies = MongoReplies(mongo, self.ledger)
        self.push = MongoWaiting(mongo)

    def instance(self, owner: str, eraser: LedgerEraser | None = None) -> Retention:
        kept = MongoRetention(self.mongo)
        ledger = eraser or LedgerEraser(self.ledger, self.mongo)
        return Retention(ledger, kept, POLICIES, self.clock, self.metrics, owner, TERMS)

    def id_of(self, days: float, number: int = 0) -> str:
        """Give an id that was drawn so many days ago."""
        return id_at(self.clock.now() - timedelta(days=days), number)

    async def contents(self) -> int:
        return await count(self.mongo, "contents")

    async def numbers(self) -> int:
        return await count(self.mongo, "messages", recipient={"$ne": ""})


@pytest.fixture
async def keeping(mongo_url: str, namespace: str) -> AsyncIterator[Keeping]:
    name = RuntimeSettings(namespace=namespace).database("receipts")
    clock = TurnedClock()
    mongo = Mongo(mongo_url, name, 10.0, RuntimeMetrics(CollectorRegistry()), clock)
    keeping = Keeping(mongo, name)
    await keeping.ledger.prepare()
    await keeping.replies.prepare()
    await keeping.push.prepare()
    yield keeping
    mongo.close()


async def test_whole_weeks_go_contents_first_and_the_numbers_in_between(keeping: Keeping) -> None:
    for number, days in enumerate((5, 25, 38, 70, 130)):
        await keep(keeping.ledger, keeping.id_of(days, number))
    assert await keeping.retention.turn()
    assert await keeping.contents() == 2
    assert await count(keeping.mongo, "messages") == 4
    assert await keeping.numbers() == 3
    assert await count(keeping.mongo, "settled", recipient={"$ne": ""}) == 3
    assert await count(keeping.mongo, "facts") == await count(keeping.mongo, "settled") == 4
    shown = await keeping.ledger.find_message(keeping.id_of(70, 3))
    assert shown is not None
    assert shown["recipient"] == ""
    assert (await keeping.ledger.accepted_of([keeping.id_of(70, 3)])).keys()


async def test_a_week_that_is_written_anew_keeps_its_indexes_and_all_but_the_numbers(
    keeping: Keeping, mongo_url: str
) -> None:
    of_week = [keeping.id_of(75, number) for number in range(5)]
    for message_id in of_week:
        await keep(keeping.ledger, message_id, account_id="acme")
    names = [part_name(kind, Week.of_id(of_week[0])) for kind in ("messages", "settled")]
    with MongoClient[Any](mongo_url) as client:
        database = client[keeping.database]
        before = [database[name].index_information() for name in names]
        kept = [list(database[name].find()) for name in names]
        await keeping.retention.turn()
        assert [database[name].index_information() for name in names] == before
        at = keeping.clock.now().replace(microsecond=0, tzinfo=None)
        without = [[d | {"recipient": "", "erased_at": at} for d in its] for its in kept]
        assert [list(database[name].find()) for name in names] == without
    assert (
        keeping.registry.get_sample_value(
            "yizhan_retention_removed_total", {"what": "numbers-week"}
        )
        == 1
    )
    await keeping.retention.turn()
    assert (
        keeping.registry.get_sample_value(
            "yizhan_retention_removed_total", {"what": "numbers-week"}
        )
        == 1
    )


async def test_an_open_message_keeps_its_number_and_no_others_of_its_week(
    keeping: Keeping,
) -> None:
    open_id, settled_id = keeping.id_of(75, 1), keeping.id_of(75, 2)
    await keep(keeping.ledger, open_id, is_settled=False)
    await keep(keeping.ledger, settled_id)
    await keeping.retention.turn()
    accepted = await keeping.ledger.accepted_of([open_id, settled_id])
    assert accepted[open_id].recipient
    assert not accepted[settled_id].recipient
    await keep(keeping.ledger, open_id)
    await keeping.retention.turn()
    assert await keeping.numbers() == 0


async def test_an_account_with_a_shorter_time_loses_its_own_and_nobody_elses(
    keeping: Keeping,
) -> None:
    for number, days in enumerate((5, 11, 12, 13, 25, 52)):
        await keep(keeping.ledger, keeping.id_of(days, number), account_id="brief")
        await keep(keeping.ledger, keeping.id_of(days, 100 + number), account_id="acme")
    await keeping.retention.turn()
    left = {"account_id": "brief"}
    assert await count(keeping.mongo, "messages", **left) == 5
    assert await count(keeping.mongo, "messages", **left, recipient={"$ne": ""}) == 4
    assert await count(keeping.mongo, "messages", account_id="acme", recipient={"$ne": ""}) == 6
    brief = [keeping.id_of(days, number) for number, days in enumerate((5, 11, 12, 13, 25))]
    assert (await keeping.ledger.texts_of(brief)).keys() == {brief[0]}


async def test_what_is_open_stays_with_its_week_and_goes_once_it_has_settled(
    keeping: Keeping,
) -> None:
    mine = keeping.id_of(130)
    await keep(keeping.ledger, mine, is_settled=False)
    brief = keeping.id_of(15, 1)
    await keep(keeping.ledger, brief, is_settled=False, account_id="brief")
    later = keeping.id_of(14, 2)
    await keep(keeping.ledger, later, account_id="brief")
    await keeping.retention.turn()
    assert (await keeping.ledger.texts_of([mine, brief, later])).keys() == {mine, brief}
    assert keeping.registry.get_sample_value("yizhan_retention_weeks_kept") == 1
    for message_id, account in ((mine, "acme"), (brief, "brief")):
        await keep(keeping.ledger, message_id, account_id=account)
    await keeping.retention.turn()
    assert not await keeping.ledger.texts_of([mine, brief, later])
    assert await keeping.ledger.find_message(mine) is None


async def test_another_instance_goes_on_where_one_died(keeping: Keeping) -> None:
    numbers = range(9)
    for number in numbers:
        await keep(keeping.ledger, keeping.id_of(15, number), account_id="brief")

    class Dying(LedgerEraser):
        """Dies with the third page, when its contents are gone and its cursor is not saved."""

        pages = 0

        async def remove_contents(self, message_ids: object) -> int:
            taken = await super().remove_contents(message_ids)  # type: ignore[arg-type]
            self.pages += 1
            if self.pages == 3:
                raise Retryable("dead")
            return taken

    with pytest.raises(Retryable, match="dead"):
        await keeping.instance("receipts-2", Dying(keeping.ledger, keeping.mongo)).turn()
    assert await keeping.contents() == 3
    assert not await keeping.retention.turn()
    keeping.clock.turn(601)
    assert await keeping.retention.turn()
    assert await keeping.contents() == 0


async def test_a_policy_that_an_account_is_given_holds_from_the_next_run_on(
    keeping: Keeping,
) -> None:
    mine = keeping.id_of(15)
    await keep(keeping.ledger, mine)
    await keeping.retention.turn()
    assert await keeping.contents() == 1
    kept = MongoRetention(keeping.mongo)
    await kept.save_policy("acme", Policy(contents_days=14, numbers_days=14, all_days=30))
    await keeping.retention.turn()
    assert (await keeping.contents(), await keeping.numbers()) == (0, 0)
    await kept.save_policy("acme", None)
    assert await kept.policies() == {}


async def test_replies_lose_their_text_then_their_number_and_then_go(keeping: Keeping) -> None:
    now = keeping.clock.now()
    ages = (5, 35, 65, 125)
    await keeping.replies.insert_replies(
        [reply(f"r{days}", now - timedelta(days=days)) for days in ages]
    )
    await keeping.replies.insert_replies([reply("none", now - timedelta(days=35), account_id="")])
    for days in (119, 121):
        at = now - timedelta(days=days)
        waiting = Waiting(keeping.id_of(days), "1", About.RESULTS, "acme", at, at)
        await keeping.push.park([waiting], now)
    await keeping.retention.turn()
    newest = (("received_at", -1),)
    found = await keeping.mongo.find("replies", {"account_id": "acme"}, sort=newest)
    kept = [(one["_id"], bool(one["text"]), bool(one["phone"])) for one in found]
    assert kept == [("r5", True, True), ("r35", False, True), ("r65", False, False)]
    assert await count(keeping.mongo, "replies", account_id="", text="") == 1
    assert await count(keeping.mongo, "push_parked") == 1
    late = reply("late", now - timedelta(days=33))
    await keeping.replies.insert_replies([late])
    keeping.clock.turn(60)
    await keeping.retention.turn()
    assert await count(keeping.mongo, "replies", _id="late", text="") == 1
