"""Delivers statements to callback URLs: in batches, several at a time, again until taken.

At-least-once: a batch counts as sent when the other end answered 200 and is repeated until then,
with exponential backoff and jitter, for minutes. One URL that is down delays no other.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp

from yizhan_simulators.clock import Clock
from yizhan_simulators.timers import Timers

log = logging.getLogger(__name__)

RETRY_FOR_S = 900.0
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MOST_S = 5.0
_AT_A_TIME = 4
_EARLY_WITHIN_S = 2.0
_TIMEOUT = aiohttp.ClientTimeout(total=10)

Post = Callable[[str, bytes], Awaitable[bool]]
"""Posts a JSON body to a URL; True when it was taken."""


class Statement(Protocol):
    """Something to be said to a callback URL at a time."""

    @property
    def due(self) -> float: ...

    @property
    def callback(self) -> str: ...


T = TypeVar("T", bound=Statement)
T_contra = TypeVar("T_contra", bound=Statement, contravariant=True)


class Outcomes(Protocol[T_contra]):
    """Who wants to know what became of statements."""

    def is_owed(self, statement: T_contra, /) -> bool:
        """Say whether it must still be said."""
        ...

    def done(self, statements: Sequence[T_contra], outcome: str, /) -> None:
        """Take note that these were `sent` or `given_up`."""
        ...


class Courier(Generic[T]):
    """Brings statements to their callbacks when they are due."""

    def __init__(
        self,
        *,
        post: Post,
        encode: Callable[[Sequence[T]], bytes],
        outcomes: Outcomes[T],
        batch_most: int,
        rng: Random,
        clock: Clock,
        retry_for_s: float = RETRY_FOR_S,
    ) -> None:
        self.post = post
        self.encode = encode
        self.outcomes = outcomes
        self.batch_most = batch_most
        self.rng = rng
        self.clock = clock
        self.retry_for_s = retry_for_s
        self._timers: Timers[T] = Timers(self._enqueue, clock)
        self._lanes: dict[str, _Lane[T]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, statements: Iterable[T]) -> None:
        """Deliver these when they are due."""
        self._timers.add(statements)

    async def send_now(self, statements: Sequence[T]) -> None:
        """Deliver these before returning, or after a while leave them to the retries."""
        by_url: dict[str, list[T]] = {}
        for statement in statements:
            by_url.setdefault(statement.callback, []).append(statement)
        tasks = [
            self.own(self._lane(url).deliver(batch[start : start + self.batch_most]))
            for url, batch in by_url.items()
            for start in range(0, len(batch), self.batch_most)
        ]
        if tasks:
            await asyncio.wait(tasks, timeout=_EARLY_WITHIN_S)

    async def stop(self) -> None:
        """Stop; what is still owed stays owed."""
        self._timers.stop()
        for lane in self._lanes.values():
            lane.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def own(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Run something as a task of this courier."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_ended)
        return task

    def _on_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery broke", exc_info=error)

    def _enqueue(self, due: list[T]) -> None:
        lanes: dict[str, _Lane[T]] = {}
        for statement in due:
            lane = lanes.get(statement.callback)
            if lane is None:
                lane = lanes[statement.callback] = self._lane(statement.callback)
            lane.queue.append(statement)
        for lane in lanes.values():
            lane.pump()

    def _lane(self, url: str) -> "_Lane[T]":
        lane = self._lanes.get(url)
        if lane is None:
            lane = self._lanes[url] = _Lane(self, url)
        return lane


class _Lane(Generic[T]):
    """One callback URL: its queue, and whether it is worth trying now."""

    def __init__(self, courier: Courier[T], url: str) -> None:
        self.queue: deque[T] = deque()
        self._courier = courier
        self._url = url
        self._in_flight = 0
        self._failures = 0
        self._rest: asyncio.TimerHandle | None = None

    def pump(self) -> None:
        """Start as many deliveries as the URL deserves: one probe while it fails."""
        at_a_time = 1 if self._failures else _AT_A_TIME
        while self.queue and self._rest is None and self._in_flight < at_a_time:
            batch = self._next_batch()
            if batch:
                self._in_flight += 1
                self._courier.own(self._deliver_queued(batch))

    def stop(self) -> None:
        if self._rest is not None:
            self._rest.cancel()

    async def deliver(self, batch: Sequence[T]) -> None:
        """Try once; what is not taken goes to the end of the queue."""
        if await self._courier.post(self._url, self._courier.encode(batch)):
            self._on_taken(batch)
        else:
            self._on_failed(batch)

    async def _deliver_queued(self, batch: Sequence[T]) -> None:
        try:
            await self.deliver(batch)
        finally:
            self._in_flight -= 1
        self.pump()

    def _next_batch(self) -> list[T]:
        batch: list[T] = []
        is_owed = self._courier.outcomes.is_owed
        while self.queue and len(batch) < self._courier.batch_most:
            statement = self.queue.popleft()
            if is_owed(statement):
                batch.append(statement)
        return batch

    def _on_taken(self, batch: Sequence[T]) -> None:
        if self._failures:
            log.info("callback answers again", extra={"callback": _origin(self._url)})
        self._failures = 0
        self._courier.outcomes.done(batch, "sent")

    def _on_failed(self, batch: Sequence[T]) -> None:
        too_old = self._courier.clock() - self._courier.retry_for_s
        given_up = [statement for statement in batch if statement.due < too_old]
        if given_up:
            self._courier.outcomes.done(given_up, "given_up")
            log.warning(
                "gave up on a callback",
                extra={"callback": _origin(self._url), "statements": len(given_up)},
            )
        # To the end: one batch that the other end cannot digest does not block the rest.
        self.queue.extend(statement for statement in batch if statement.due >= too_old)
        self._rest_a_while()

    def _rest_a_while(self) -> None:
        if self._rest is not None:
            return
        if not self._failures:
            log.warning("callback fails", extra={"callback": _origin(self._url)})
        self._failures += 1
        longest = min(_BACKOFF_MOST_S, _BACKOFF_FIRST_S * 2 ** min(self._failures - 1, 10))
        delay_s = longest * self._courier.rng.uniform(0.5, 1)
        self._rest = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._rest = None
        self.pump()


def _origin(url: str) -> str:
    """Return what may be logged of a callback URL: its path holds a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}"


class HttpPost:
    """Posts over HTTP; every failure of the network is an answer of False."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, url: str, body: bytes) -> bool:
        try:
            async with self._open().post(url, data=body, headers=_JSON) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=_TIMEOUT
            )
        return self._session


_JSON = {"Content-Type": "application/json"}
