"""Group commit: the requests that wait are stored and published together.

Nothing is delayed on purpose: an idle service handles one request at once; while a round is under
way the next one fills up by itself. Another begins beside it when enough wait to be worth it: a
round costs a millisecond of CPU, however few are in it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from yizhan_runtime.errors import Fatal, Retryable

I = TypeVar("I")  # noqa: E741 - what goes in
O = TypeVar("O")  # noqa: E741 - what comes out

Round = Callable[[Sequence[I]], Awaitable[Sequence[O | Exception]]]
"""Handles items together and gives an outcome for each, in order."""


class Full(Exception):
    """So many wait already that this one would not be served in time."""


class Collector(Generic[I, O]):
    """Serves many callers with one round after another. ``run`` must be running."""

    def __init__(
        self,
        handle: Round[I, O],
        *,
        max_round: int,
        max_waiting: int,
        max_rounds: int = 2,
        min_beside: int = 1,
        observe: Callable[[int, int], None] = lambda _round, _waiting: None,
    ) -> None:
        self._handle = handle
        self._max_round = max_round
        self._max_waiting = max_waiting
        self._max_rounds = max_rounds
        self._min_beside = min_beside
        self._observe = observe
        self._waiting: deque[tuple[I, asyncio.Future[O]]] = deque()
        self._changed = asyncio.Event()
        self._rounds: set[asyncio.Task[None]] = set()
        self._fatal: Fatal | None = None
        self._closed = False

    async def submit(self, item: I, timeout_s: float) -> O:
        """Hand an item over and wait for its outcome.

        Raises Full, TimeoutError (its fate is then unknown, unless it was still waiting: then
        nothing was done), or what the round raised.
        """
        if self._closed:
            raise Retryable("the service is stopping")
        if len(self._waiting) >= self._max_waiting:
            raise Full
        outcome: asyncio.Future[O] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, outcome))
        self._changed.set()
        async with asyncio.timeout(timeout_s):
            return await outcome

    async def run(self) -> None:
        """Run rounds for ever. A cancellation lets those in hand end and refuses the rest."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._fatal is not None:
                    raise self._fatal
                while self._may_begin():
                    self._begin_round()
        finally:
            self._closed = True
            _fail([future for _, future in self._waiting], Retryable("the service is stopping"))
            if self._rounds:
                await asyncio.wait(self._rounds)

    def _may_begin(self) -> bool:
        if not self._rounds:
            return bool(self._waiting)
        return len(self._rounds) < self._max_rounds and len(self._waiting) >= self._min_beside

    def _begin_round(self) -> None:
        taken = self._take()
        if not taken:
            return
        self._observe(len(taken), len(self._waiting))
        items, futures = [item for item, _ in taken], [future for _, future in taken]
        task = asyncio.create_task(self._round(items, futures))
        self._rounds.add(task)
        task.add_done_callback(self._end_round)

    def _end_round(self, task: asyncio.Task[None]) -> None:
        self._rounds.discard(task)
        self._changed.set()

    def _take(self) -> list[tuple[I, asyncio.Future[O]]]:
        """Take what waits; whoever has given up gets no message."""
        taken: list[tuple[I, asyncio.Future[O]]] = []
        while self._waiting and len(taken) < self._max_round:
            item, outcome = self._waiting.popleft()
            if not outcome.done():
                taken.append((item, outcome))
        return taken

    async def _round(self, items: list[I], futures: list[asyncio.Future[O]]) -> None:
        try:
            outcomes = await self._handle(items)
        except Fatal as error:
            self._fatal = error
            _fail(futures, error)
        except Exception as error:  # noqa: BLE001 - the HTTP edge answers and logs it
            _fail(futures, error)
        else:
            _settle(futures, outcomes)


def _settle(futures: Sequence["asyncio.Future[O]"], outcomes: Sequence[O | Exception]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if isinstance(outcome, Exception):
            _fail([future], outcome)
        elif not future.done():
            future.set_result(outcome)


def _fail(futures: Sequence["asyncio.Future[O]"], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
