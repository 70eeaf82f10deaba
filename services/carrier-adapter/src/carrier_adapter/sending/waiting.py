"""Waiting for an event or for the clock, whichever comes first."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from yizhan_runtime.clock import Clock


async def wait_until(event: asyncio.Event, clock: Clock, seconds: float | None) -> None:
    """Wait for the event, ``seconds`` at most; None is for ever."""
    if event.is_set():
        return
    if seconds is None:
        await event.wait()
        return
    await _first(event.wait(), clock.sleep(max(0.0, seconds)))


async def ends_within(task: "asyncio.Task[Any]", clock: Clock, seconds: float) -> bool:
    """Tell whether a task ends within ``seconds``. It is not cancelled when it does not."""
    if task.done():
        return True
    timer = asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return task.done()


async def _first(*works: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
