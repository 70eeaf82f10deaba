"""Waiting: for what is away, and for events with a limit, by the clock that is given."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")


async def patiently(clock: Clock, step: Callable[[], Awaitable[T]]) -> T:
    """Do a step again, with backoff, until what it needs is there."""
    tries = 0
    while True:
        try:
            return await step()
        except Retryable as error:
            tries += 1
            log.warning("a call waits", extra={"why": str(error)})
            await clock.sleep(backoff_s(tries))


async def within(clock: Clock, seconds: float, future: "asyncio.Future[T]") -> T | None:
    """Give a future's result if it comes within ``seconds``; it is not cancelled if it does not."""
    timer = asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    try:
        await asyncio.wait((future, timer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return future.result() if future.done() else None
