"""Group commit: the requests that wait are stored and published together.

Nothing is delayed on purpose: an idle service handles one request at once; while a round is under
way the next one fills up by itself.
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
        observe: Callable[[int, int], None] = lambda _round, _waiting: None,
    ) -> None:
        self._handle = handle
        self._max_round = max_round
        self._max_waiting = max_waiting
        self._observe = observe
        self._waiting: deque[tuple[I, asyncio.Future[O]]] = deque()
        self._arrived = asyncio.Event()
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
        self._arrived.set()
        async with asyncio.timeout(timeout_s):
            return await outcome

    async def run(self) -> None:
        """Run rounds for ever. A cancellation lets the round in hand end and refuses the rest."""
        try:
            while True:
                await self._arrived.wait()
                taken = self._take()
                if not self._waiting:
                    self._arrived.clear()
                if taken:
                    await self._round(taken)
        finally:
            self._closed = True
            _fail([f for _, f in self._waiting], Retryable("the service is stopping"))

    def _take(self) -> list[tuple[I, asyncio.Future[O]]]:
        """Take what waits; whoever has given up gets no message."""
        taken: list[tuple[I, asyncio.Future[O]]] = []
        while self._waiting and len(taken) < self._max_round:
            item, outcome = self._waiting.popleft()
            if not outcome.done():
                taken.append((item, outcome))
        return taken

    async def _round(self, taken: list[tuple[I, asyncio.Future[O]]]) -> None:
        self._observe(len(taken), len(self._waiting))
        futures = [future for _, future in taken]
        items = [item for item, _ in taken]
        work = asyncio.create_task(self._outcomes(items, futures))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await work
            raise

    async def _outcomes(self, items: list[I], futures: list[asyncio.Future[O]]) -> None:
        try:
            outcomes = await self._handle(items)
        except Fatal as error:
            _fail(futures, error)
            raise
        except Exception as error:  # noqa: BLE001 - the HTTP edge answers and logs it
            _fail(futures, error)
            return
        for future, outcome in zip(futures, outcomes, strict=True):
            if isinstance(outcome, Exception):
                _fail([future], outcome)
            elif not future.done():
                future.set_result(outcome)


def _fail(futures: Sequence["asyncio.Future[O]"], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
