"""One store operation for many batches: what comes while one runs goes together in the next."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, TypeVar

from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable

T = TypeVar("T")
R = TypeVar("R")


class _Round(Generic[T, R]):
    def __init__(self) -> None:
        self.items: list[T] = []
        self.followers = 0
        self.done: asyncio.Future[R] = asyncio.get_running_loop().create_future()


class Gathering(Generic[T, R]):
    """Runs ``work`` over the items of all callers that come while it is busy, or ran just now.

    The first caller of a round does the work, the others wait for it: no task of its own, and when
    there is little to do a caller pays for itself alone, at once.
    """

    def __init__(
        self, work: Callable[[Sequence[T]], Awaitable[R]], clock: Clock, interval_s: float
    ) -> None:
        self._work = work
        self._clock = clock
        self._interval_s = interval_s
        self._began_at = float("-inf")
        self._busy = asyncio.Lock()
        self._next: _Round[T, R] | None = None

    async def add(self, items: Collection[T]) -> R:
        """Have the items worked on, with others: what the work raises, all of them get."""
        if self._next is not None:
            return await self._follow(self._next, items)
        mine: _Round[T, R] = _Round()
        self._next = mine
        mine.items.extend(items)
        return await self._lead(mine)

    async def _follow(self, gathered: _Round[T, R], items: Collection[T]) -> R:
        gathered.items.extend(items)
        gathered.followers += 1
        # Shielded: one follower that is cancelled must not take the result from the others.
        return await asyncio.shield(gathered.done)

    async def _lead(self, gathered: _Round[T, R]) -> R:
        try:
            async with self._busy:
                await self._keep_interval()
                self._next = None
                result = await self._work(gathered.items)
        except BaseException as error:
            if self._next is gathered:
                self._next = None
            if gathered.followers:
                failure = error if isinstance(error, Exception) else Retryable("interrupted")
                gathered.done.set_exception(failure)
            raise
        gathered.done.set_result(result)
        return result

    async def _keep_interval(self) -> None:
        pause_s = self._began_at + self._interval_s - self._clock.monotonic()
        if pause_s > 0:
            await self._clock.sleep(pause_s)
        self._began_at = self._clock.monotonic()
