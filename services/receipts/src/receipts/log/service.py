"""Searching: a page within a time, or everything in order for who has time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from receipts.log.budget import Budget
from receipts.log.domain import Plan, Query, Span, plan_of, span_of
from receipts.log.ports import Found, LogStore
from receipts.metrics import Metrics
from yizhan_runtime import Clock, TooSlow

BUDGET_S: Final = 0.8
"""For finding; showing what was found comes on top. Then a search stops, and says how far it is."""
_AT_ONCE: Final = 4
"""Searches with filters that run at a time: the others wait, and mongod has other work to do."""
_FIRST_CHUNK: Final = 250
_LARGEST_CHUNK: Final = 8_000
_SHORT_S: Final = 0.05
_LONG_S: Final = 0.12
"""A chunk that takes less than the one is followed by a larger one, more than the other by a
smaller one: it is between chunks that time is over."""


class Page(NamedTuple):
    """Some of what was searched for, newest first."""

    rows: list[Found]
    position: str | None
    """From where to go on, None at the end of the range."""
    searched_until: str | None
    """Set where time was over: nothing older than this id has been looked at."""


class Batch(NamedTuple):
    """Some of all that was searched for, oldest first, and the position behind it."""

    rows: list[Found]
    position: str


class MessageLog:
    """Answers queries. Raises BadQuery, and Retryable while MongoDB is away."""

    def __init__(
        self, store: LogStore, clock: Clock, metrics: Metrics, budget_s: float = BUDGET_S
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._budget_s = budget_s
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def search(
        self, query: Query, limit: int, position: str | None = None, *, with_text: bool = False
    ) -> Page:
        """Give up to ``limit`` messages, those before ``position``, as far as time allows.

        What comes in meanwhile changes no page that follows: they are older than the one before.
        """
        plan, span = plan_of(query), span_of(query)
        begun = self._clock.monotonic()
        search = _Search(plan, span.before(position) if position else span)
        await self._look(search, limit + 1)
        rows = await self._store.load(search.found[:limit], with_text=with_text)
        page = search.page(rows, limit)
        self._metrics.record_search(
            plan.by, self._clock.monotonic() - begun, is_complete=page.searched_until is None
        )
        return page

    async def _look(self, search: "_Search", enough: int) -> None:
        """Look for what an index tells at once, else in turn. Waiting is part of the time."""
        budget = Budget(self._clock, self._budget_s)
        if search.plan.is_by_index_alone:
            await self._walk(search, enough, enough, budget)
            return
        try:
            await asyncio.wait_for(self._turns.acquire(), budget.left_s())
        except (TimeoutError, TooSlow):
            return
        try:
            await self._walk(search, enough, _FIRST_CHUNK, budget)
        finally:
            self._turns.release()

    async def _walk(self, search: "_Search", enough: int, size: int, budget: Budget) -> None:
        """Walk until there is enough, or the range or the time is over."""
        while search.left is not None and len(search.found) < enough:
            begun = self._clock.monotonic()
            try:
                await self._step(search, search.left, size, budget)
            except TooSlow:
                return
            size = _next_size(size, self._clock.monotonic() - begun)

    async def all_rows(
        self, query: Query, after: str = "", *, page: int = 1_000, with_text: bool = False
    ) -> AsyncIterator[Batch]:
        """Give all messages of a query, oldest first, those behind ``after``, whatever it takes.

        The position behind each batch is where to begin again after a crash: nothing is given
        twice, and nothing is left out but what comes in behind the position.
        """
        plan, span = plan_of(query), span_of(query)
        search = _Search(plan, span.after(after) if after else span, newest_first=False)
        while search.left is not None:
            await self._step(search, search.left, page, Budget(self._clock, None))
            ids, search.found = search.found, []
            if ids:
                yield Batch(await self._store.load(ids, with_text=with_text), ids[-1])

    async def _step(self, search: "_Search", span: Span, size: int, budget: Budget) -> None:
        """Look at one chunk. After an error the search is where it was."""
        walked = await self._store.walk(
            search.plan, span, size, budget, newest_first=search.newest_first
        )
        ids = walked.ids
        for sieve in search.plan.sieves:
            kept = await self._store.keep(sieve, ids, budget) if ids else ()
            ids = [message_id for message_id in ids if message_id in kept]
        search.found += ids
        search.left = walked.rest


def _next_size(size: int, took_s: float) -> int:
    if took_s > _LONG_S:
        return max(size // 2, _FIRST_CHUNK)
    return min(2 * size, _LARGEST_CHUNK) if took_s < _SHORT_S else size


class _Search:
    """How far a search has come."""

    def __init__(self, plan: Plan, span: Span, *, newest_first: bool = True) -> None:
        self.plan = plan
        self.newest_first = newest_first
        self.found: list[str] = []
        self.left: Span | None = span if span.first < span.below else None

    def page(self, rows: list[Found], limit: int) -> Page:
        """Give the page that these rows, the first ones found, are."""
        if len(self.found) > limit:
            return Page(rows, self.found[limit - 1], None)
        until = self.left.below if self.left is not None else None
        return Page(rows, until, until)
