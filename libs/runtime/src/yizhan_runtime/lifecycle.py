"""The life of a process: what ends it, with which code, and the tasks that live as long as it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from yizhan_runtime import errors
from yizhan_runtime.bounded import bounded
from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.errors import Fatal, Misconfigured, Retryable
from yizhan_runtime.explaining import explain
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

Hook = Callable[[], Awaitable[None]]

CANCEL_TIMEOUT_S = 5.0


class Life:
    """Whether a process is to go on, and the tasks that live as long as it does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ended = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failure: BaseException | None = None

    def end(self) -> None:
        """Ask for the end: a signal did."""
        self._ended.set()

    def fail(self, error: BaseException) -> None:
        """End the process because of ``error``; the first one counts."""
        if self.failure is None:
            self.failure = error
            log.critical("ending", extra={"why": explain(error)})
        self._ended.set()

    @property
    def is_ending(self) -> bool:
        return self._ended.is_set()

    def exit_code(self) -> int:
        """Say why it ends: 0 asked to, 78 misconfigured, 75 something is away, 70 broken."""
        if self.failure is None:
            return 0
        if isinstance(self.failure, Misconfigured):
            return errors.EXIT_MISCONFIGURED
        is_passing = isinstance(self.failure, Retryable)
        return errors.EXIT_UNAVAILABLE if is_passing else errors.EXIT_FATAL

    def follow_signals(self) -> None:
        """Take SIGTERM and SIGINT as the wish to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)

    async def until_end(self) -> None:
        """Wait for a signal or a failure."""
        await self._ended.wait()

    async def unless_ended(self, work: Coroutine[Any, Any, None]) -> None:
        """Do ``work``, a start, unless the end comes first: then it is cancelled and awaited."""
        starting = asyncio.create_task(work)
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait([starting, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if starting.done():
            return await starting
        starting.cancel()
        await bounded("start", starting, CANCEL_TIMEOUT_S)
        return None

    def spawn(self, name: str, work: Hook) -> None:
        """Run ``work`` for the life of the process. Should it end or raise, the process ends."""
        self._tasks[name] = asyncio.create_task(self._supervised(name, work), name=name)

    async def _supervised(self, name: str, work: Hook) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            if self._is_being_cancelled():
                raise
            self.fail(Fatal(f"the background task {name} was cancelled from within"))
        except Exception as error:
            log.exception("a background task failed", extra={"task": name})
            self.fail(error)
        else:
            self.fail(Fatal(f"the background task {name} ended"))

    def _is_being_cancelled(self) -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    async def cancel_all(self) -> None:
        """End the background tasks, bounded."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        if tasks:
            await bounded("background", asyncio.wait(tasks), CANCEL_TIMEOUT_S)

    async def patiently(self, step: Hook, timeout_s: float) -> None:
        """Try a step of the start again while what it needs is away. Raises Retryable after all."""
        deadline = self._clock.monotonic() + timeout_s
        tries = 0
        while True:
            try:
                return await step()
            except Retryable as error:
                tries += 1
                if self._clock.monotonic() > deadline:
                    raise
                log.warning("waiting", extra={"why": str(error), "tries": tries})
                await self._clock.sleep(backoff_s(tries))
