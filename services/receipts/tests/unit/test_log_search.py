"""Pages of a search: all of it, in order, once; and an honest end where time is over."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.receipts.tests.unit.edge import MemoryLog
from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.world import METRICS, TurnedClock

from receipts.log.budget import Budget
from receipts.log.domain import IN_FLIGHT, Plan, Query, Sieve, Span
from receipts.log.ports import Walked
from receipts.log.service import MessageLog
from yizhan_runtime import SystemClock

ACCOUNTS, TEMPLATES, STATUSES = ("acme", "other"), ("t1", "t2"), ("delivered", "failed", "")
MESSAGES = st.lists(
    st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(TEMPLATES), st.sampled_from(STATUSES)),
    max_size=60,
)
QUERIES = st.sampled_from(
    [
        Query(account_id="acme"),
        Query(account_id="acme", status="failed"),
        Query(account_id="acme", status=IN_FLIGHT),
        Query(account_id="acme", template_id="t1"),
        Query(account_id="acme", template_id="t1", status="delivered"),
        Query(account_id="acme", text="包裹2"),
        Query(account_id="acme", since=NOON + timedelta(milliseconds=20)),
        Query(account_id="acme", until=NOON + timedelta(milliseconds=20)),
    ]
)


class House:
    """Messages in memory, found by a search and by looking at each of them."""

    def __init__(self, clock: TurnedClock | None = None) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.settled: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, dict[str, Any]] = {}
        self.clock = clock or TurnedClock()
        self.store = MemoryLog(self.messages, self.settled, self.contents, {})
        self.log = MessageLog(self.store, self.clock, METRICS)

    def add(self, number: int, account: str, template: str, status: str) -> None:
        message_id = message_id_of(number)
        self.messages[message_id] = {"account_id": account, "template_id": template}
        self.contents[message_id] = {"text": f"您的包裹{number % 3}已到达"}
        if status:
            self.settled[message_id] = {"account_id": account, "status": status}

    def matching(self, query: Query) -> list[str]:
        span = (query.since or NOON, query.until or NOON + timedelta(days=1))
        return sorted(
            (
                one
                for number, one in enumerate(map(message_id_of, range(200)))
                if one in self.messages
                and self.messages[one]["account_id"] == query.account_id
                and query.template_id in ("", self.messages[one]["template_id"])
                and query.status in ("", self.settled.get(one, {}).get("status", IN_FLIGHT))
                and query.text in self.contents[one]["text"]
                and span[0] <= NOON + timedelta(milliseconds=number) < span[1]
            ),
            reverse=True,
        )


@settings(deadline=None)
@given(MESSAGES, QUERIES, st.integers(1, 7), st.randoms(use_true_random=False))
async def test_pages_are_all_of_it_in_order_once_though_messages_come_in(
    messages: list[tuple[str, str, str]], query: Query, limit: int, draw: Random
) -> None:
    house = House()
    numbers = draw.sample(range(100), len(messages))
    for number, one in zip(numbers, messages, strict=True):
        house.add(number, *one)
    wanted = house.matching(query)
    found: list[str] = []
    position = None
    while True:
        page = await house.log.search(query, limit, position)
        assert len(page.rows) <= limit
        found += [row.message_id for row in page.rows]
        # The newest are above every position: they are none of this search's business.
        house.add(100 + draw.randrange(100), "acme", "t1", "failed")
        if page.position is None:
            break
        position = page.position
    newer = set(found) - set(wanted)
    assert [one for one in found if one not in newer] == wanted
    assert all(one > max(wanted, default="") or one >= message_id_of(100) for one in newer)
    assert len(set(found)) == len(found)


@settings(deadline=None)
@given(MESSAGES, QUERIES, st.integers(1, 7))
async def test_all_rows_are_given_oldest_first_from_any_position(
    messages: list[tuple[str, str, str]], query: Query, page: int
) -> None:
    house = House()
    for number, one in enumerate(messages):
        house.add(number, *one)
    wanted = house.matching(query)[::-1]
    batches = [batch async for batch in house.log.all_rows(query, page=page)]
    assert [row.message_id for batch in batches for row in batch.rows] == wanted
    for batch in batches:
        rest = [one async for one in house.log.all_rows(query, batch.position, page=page)]
        after = [one for one in wanted if one > batch.position]
        assert [row.message_id for one in rest for row in one.rows] == after


class SlowStore(MemoryLog):
    """Each chunk takes a time, and texts take longer."""

    def __init__(self, house: House) -> None:
        super().__init__(house.messages, house.settled, house.contents, {})
        self._clock = house.clock

    async def walk(
        self, plan: Plan, span: Span, size: int, budget: Budget, *, newest_first: bool
    ) -> Walked:
        self._clock.turn(0.1)
        return await super().walk(plan, span, min(size, 10), budget, newest_first=newest_first)

    async def keep(self, sieve: Sieve, ids: Sequence[str], budget: Budget) -> Collection[str]:
        self._clock.turn(0.2)
        return await super().keep(sieve, ids, budget)


async def test_a_search_stops_when_its_time_is_over_and_goes_on_from_there() -> None:
    house = House()
    for number in range(100):
        house.add(number, "acme", "t1", "delivered")
    log = MessageLog(SlowStore(house), house.clock, METRICS)
    query = Query(account_id="acme", text="包裹1")
    page = await log.search(query, 50)
    assert page.searched_until == page.position == message_id_of(80)
    found = [row.message_id for row in page.rows]
    assert found == [one for one in house.matching(query) if one >= message_id_of(80)]
    while page.position is not None:
        page = await log.search(query, 50, page.position)
        found += [row.message_id for row in page.rows]
    assert found == house.matching(query)


class CountingStore(MemoryLog):
    """Takes a time for each entry, and remembers how many it was asked to look at."""

    def __init__(self, house: House, entry_s: float) -> None:
        super().__init__(house.messages, house.settled, house.contents, {})
        self.sizes: list[int] = []
        self._clock = house.clock
        self._entry_s = entry_s

    async def walk(
        self, plan: Plan, span: Span, size: int, budget: Budget, *, newest_first: bool
    ) -> Walked:
        self.sizes.append(size)
        walked = await super().walk(plan, span, min(size, 10), budget, newest_first=newest_first)
        self._clock.turn(size * self._entry_s)
        return walked


@pytest.mark.parametrize(
    ("entry_s", "sizes"),
    [
        (0.0, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000]),
        (0.000_06, [250, 500, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]),
        (0.001, [250, 250, 250, 250]),
    ],
)
async def test_chunks_are_as_large_as_they_are_quick(entry_s: float, sizes: list[int]) -> None:
    house = House()
    for number in range(100):
        house.add(number, "acme", "t1", "delivered")
    store = CountingStore(house, entry_s)
    log = MessageLog(store, house.clock, METRICS)
    await log.search(Query(account_id="acme", template_id="none"), 10)
    # The last look finds that nothing is left, or that time is over.
    assert store.sizes[: len(sizes)] == sizes
    assert len(store.sizes) <= len(sizes) + 1


class BusyStore(MemoryLog):
    """Lets nobody go on, and counts who is in."""

    def __init__(self, house: House) -> None:
        super().__init__(house.messages, house.settled, house.contents, {})
        self.inside = 0
        self.go_on = asyncio.Event()

    async def walk(
        self, plan: Plan, span: Span, size: int, budget: Budget, *, newest_first: bool
    ) -> Walked:
        self.inside += 1
        if not plan.is_by_index_alone:
            await self.go_on.wait()
        return await super().walk(plan, span, size, budget, newest_first=newest_first)


async def test_few_searches_with_filters_run_at_once_and_those_by_an_index_do_not_wait() -> None:
    house = House()
    house.add(1, "acme", "t1", "delivered")
    store = BusyStore(house)
    log = MessageLog(store, SystemClock(), METRICS, budget_s=0.2)
    filtered, plain = Query(account_id="acme", template_id="t1"), Query(account_id="acme")
    running = [asyncio.create_task(log.search(filtered, 10)) for _ in range(10)]
    # Those who get no turn in their time say so, with where to go on.
    done, waiting = await asyncio.wait(running, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 6:
        more, waiting = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert store.inside == 4
    assert all(one.result().searched_until is not None for one in done)
    assert len((await log.search(plain, 10)).rows) == 1
    store.go_on.set()
    await asyncio.gather(*waiting)
    page = await log.search(filtered, 10)
    assert (len(page.rows), page.searched_until) == (1, None)


async def test_a_search_without_any_time_says_that_nothing_was_looked_at() -> None:
    house = House()
    house.add(1, "acme", "t1", "delivered")
    log = MessageLog(house.store, house.clock, METRICS, budget_s=0.0)
    page = await log.search(Query(account_id="acme"), 10)
    assert page.rows == []
    assert page.searched_until is not None
    assert (await house.log.search(Query(account_id="acme"), 10, page.position)).rows


@pytest.mark.parametrize("limit", [1, 3, 10])
async def test_a_full_page_is_complete_and_says_where_to_go_on(limit: int) -> None:
    house = House()
    for number in range(10):
        house.add(number, "acme", "t1", "delivered")
    page = await house.log.search(Query(account_id="acme"), limit)
    assert page.searched_until is None
    assert (page.position is None) == (limit == 10)
