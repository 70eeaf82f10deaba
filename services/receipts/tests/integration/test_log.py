"""The log on a real mongod: every combination of filters finds what looking at each row finds."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry
from services.receipts.tests.unit.making import NOON, message
from services.receipts.tests.unit.world import METRICS

from receipts.ledger.adapters.collections import WEEKLY
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.adapters.weekly import Weekly
from receipts.ledger.consequences import SettledBy
from receipts.ledger.decisions import SmsVerdict, Verdict
from receipts.ledger.documents import (
    Document,
    accepted_of,
    content_document,
    message_document,
    settled_document,
)
from receipts.log.adapters.mongo import MongoLog
from receipts.log.adapters.pushes import MongoWaitingPushes
from receipts.log.domain import IN_FLIGHT, BadQuery, Query
from receipts.log.service import MessageLog
from receipts.push.adapters.mongo import PARKED, WAITING
from yizhan_contracts import ids
from yizhan_contracts.events import Lane, Medium, Origin, OriginKind, Status, TemplateUse
from yizhan_contracts.reasons import Reason
from yizhan_runtime import Mongo, RuntimeSettings, SystemClock
from yizhan_runtime.metrics import RuntimeMetrics

pytestmark = pytest.mark.integration

COUNT: Final = 700
WEEKS: Final = 3
SINCE, UNTIL = NOON - timedelta(days=9), NOON - timedelta(days=1)
ENDS: Final = (
    (Status.DELIVERED, Reason.NONE, "DELIVRD"),
    (Status.FAILED, Reason.NUMBER_VACANT, "MK:1"),
    (Status.FAILED, Reason.BLACKLISTED, ""),
    (Status.UNKNOWN, Reason.RECEIPT_OVERDUE, ""),
)
# What each filter asks for, and where a row says it.
FILTERS: Final[dict[str, tuple[Any, str]]] = {
    "status": ("failed", "status"),
    "reason": ("number-vacant", "reason"),
    "carrier_code": ("MK:1", "carrier_code"),
    "channel": ("b", "channel"),
    "template_id": ("t1", "template_id"),
    "country": ("HK", "country"),
    "lane": ("bulk", "lane"),
    "text": ("包裹(1", "text"),
    "since": (SINCE, "at"),
    "until": (UNTIL, "at"),
}
DRIVERS: Final[tuple[dict[str, str], ...]] = (
    {"account_id": "acme"},
    {"account_id": "acme", "reference": "ref-1"},
    {"account_id": "acme", "batch_id": "batch-1"},
    {"phone": "+8613800000001"},
    {"phone": "+8613800000001", "account_id": "acme", "batch_id": "batch-0"},
)


class Rows:
    """Messages of three weeks, in MongoDB and in a list."""

    def __init__(self, ledger: MongoLedger, log: MessageLog) -> None:
        self.ledger = ledger
        self.log = log
        self.rows: list[dict[str, Any]] = []

    async def fill(self, seed: int) -> None:
        draw = Random(seed)
        messages: list[Document] = []
        contents: list[Document] = []
        settled: list[Document] = []
        for number in range(COUNT):
            at = NOON - timedelta(weeks=WEEKS) * draw.random()
            event = message(
                ids.new_message_id("+8613800000001", int(at.timestamp() * 1000)),
                account_id=draw.choice(("acme", "other")),
                recipient=f"+861380000000{draw.randrange(3)}",
                reference=f"ref-{draw.randrange(3)}",
                country=draw.choice(("CN", "HK")),
                lane=draw.choice((Lane.BULK, Lane.STANDARD)),
                text=f"【驿站】您的包裹({number % 3})已到达",
                template=TemplateUse(
                    template_id=draw.choice(("t1", "t2")), version=1, language="zh"
                ),
                origin=Origin(
                    kind=OriginKind.API, batch_id=f"batch-{draw.randrange(3)}", arrived_at=at
                ),
                accepted_at=at,
            )
            document = message_document(event, at)
            messages.append(document)
            contents.append(content_document(event, b""))
            row = document | {"at": at, "text": event.text, "status": IN_FLIGHT}
            if draw.random() < 0.9:
                status, reason, code = draw.choice(ENDS)
                sms = SmsVerdict(status, reason, code)
                channel = draw.choice("ab")
                verdict = Verdict(status, Medium.SMS, reason, code, channel, 1, None, sms)
                by = SettledBy.RECORD.value
                settled.append(settled_document(accepted_of(document), verdict, at, by))
                row |= settled[-1]
            self.rows.append(row)
        await self.ledger.insert_messages(messages)
        await self.ledger.insert_contents(contents)
        await self.ledger.insert_settled(settled)

    def matching(self, asked: Mapping[str, Any]) -> list[str]:
        """Look at every row."""
        return sorted(
            (
                row["_id"]
                for row in self.rows
                if all(_is_so(row, name, value) for name, value in asked.items())
            ),
            reverse=True,
        )

    async def found(self, asked: Mapping[str, Any], limit: int = 500) -> list[str]:
        """Search, page by page."""
        found: list[str] = []
        position = None
        while True:
            page = await self.log.search(Query(**asked), limit, position)
            assert page.searched_until is None
            found += [row.message_id for row in page.rows]
            if page.position is None:
                return found
            position = page.position


CHECKS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "text": lambda said, part: part in said,
    "since": lambda at, since: at >= since,
    "until": lambda at, until: at < until,
}


def _is_so(row: Mapping[str, Any], name: str, value: Any) -> bool:
    field = {"phone": "recipient"}.get(name) or FILTERS.get(name, (None, name))[1]
    check = CHECKS.get(name)
    return check(row[field], value) if check else row.get(field) == value


@pytest.fixture
async def rows(mongo_url: str, namespace: str) -> AsyncIterator[Rows]:
    name = RuntimeSettings(namespace=namespace).database("receipts")
    clock = SystemClock()
    mongo = Mongo(mongo_url, name, 10.0, RuntimeMetrics(CollectorRegistry()), clock)
    ledger = MongoLedger(mongo, clock)
    await ledger.prepare()
    # Ten seconds a search: this is about what is found, on whatever machine.
    store = MongoLog(mongo, Weekly(mongo, WEEKLY, clock), clock)
    log = MessageLog(store, clock, METRICS, budget_s=10.0)
    rows = Rows(ledger, log)
    yield rows
    mongo.close()


@pytest.mark.slow
async def test_every_combination_of_filters_finds_what_is_so(rows: Rows) -> None:
    await rows.fill(seed=1)
    names = [set(some) for n in range(4) for some in itertools.combinations(FILTERS, n)]
    names += [set(FILTERS), set(FILTERS) - {"reason", "carrier_code"}]
    some_found = 0
    for driver, filters in itertools.product(DRIVERS, names):
        asked = driver | {name: FILTERS[name][0] for name in filters}
        wanted = rows.matching(asked)
        assert await rows.found(asked) == wanted, asked
        some_found += bool(wanted)
    assert some_found > len(names)


@pytest.mark.parametrize("filters", [{}, {"text": "包裹(2"}, {"template_id": "t2"}])
async def test_what_is_in_flight_is_found_whatever_else_is_asked(
    rows: Rows, filters: dict[str, str]
) -> None:
    await rows.fill(seed=2)
    for driver in DRIVERS:
        asked = driver | filters | {"status": IN_FLIGHT}
        assert await rows.found(asked) == rows.matching(asked), asked


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_join_across_weeks(rows: Rows, limit: int) -> None:
    await rows.fill(seed=3)
    for asked in (DRIVERS[0], DRIVERS[3], DRIVERS[0] | {"status": "delivered", "text": "包裹"}):
        assert await rows.found(asked, limit) == rows.matching(asked)


async def test_all_rows_come_oldest_first_and_go_on_from_a_position(rows: Rows) -> None:
    await rows.fill(seed=4)
    asked: dict[str, Any] = {"account_id": "acme", "country": "CN"}
    wanted = rows.matching(asked)[::-1]
    batches = [batch async for batch in rows.log.all_rows(Query(**asked), page=50, with_text=True)]
    found = [row for batch in batches for row in batch.rows]
    assert [row.message_id for row in found] == wanted
    assert all(row.text and row.message["country"] == "CN" for row in found)
    middle = batches[len(batches) // 2].position
    rest = [one async for one in rows.log.all_rows(Query(**asked), middle, page=50)]
    assert [r.message_id for b in rest for r in b.rows] == [one for one in wanted if one > middle]


async def test_a_text_is_searched_to_the_letter_and_never_as_a_pattern(rows: Rows) -> None:
    await rows.fill(seed=5)
    for text, is_found in (
        ("包裹(0)已", True),
        ("包裹.0.已", False),
        (".*", False),
        ("驿站】您", True),
        ("(", True),
    ):
        found = await rows.found({"account_id": "acme", "text": text})
        assert bool(found) == is_found, text


async def test_what_waits_to_be_pushed_of_a_message_is_found_and_nothing_elses(
    rows: Rows, mongo_url: str, namespace: str
) -> None:
    await rows.fill(seed=6)
    one, other = rows.rows[0]["_id"], rows.rows[1]["_id"]
    name = RuntimeSettings(namespace=namespace).database("receipts")
    mongo = Mongo(mongo_url, name, 10.0, RuntimeMetrics(CollectorRegistry()), SystemClock())
    waiting = {"status": "1", "first_at": NOON, "next_at": NOON, "tries": 2}
    await mongo.insert_new(WAITING, [waiting | {"_id": f"{of}.1"} for of in (one, other)])
    parked = waiting | {"status": "0", "parked_at": NOON}
    await mongo.insert_new(PARKED, [parked | {"_id": f"{one}.0"}])
    assert await MongoWaitingPushes(mongo).of_message(one) == [waiting, parked]
    mongo.close()


async def test_what_cannot_be_meant_is_refused_before_mongodb_is_asked(rows: Rows) -> None:
    with pytest.raises(BadQuery):
        await rows.log.search(Query(batch_id="batch-1"), 10)
