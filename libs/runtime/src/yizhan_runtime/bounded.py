"""Ending things that may not end by themselves."""

import asyncio
from collections.abc import Awaitable

from yizhan_runtime.explaining import explain
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)


async def bounded(what: str, step: Awaitable[object], timeout_s: float) -> None:
    """Await a step of a stop, no longer than this; what it raises is logged, the stop goes on."""
    try:
        await asyncio.wait_for(step, timeout_s)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # aiokafka's consumer leaks its own cancellation while the broker is away.
        log.warning("a stop was cancelled", extra={"step": what})
    except Exception as error:  # noqa: BLE001 - a stop goes on
        log.warning("a stop failed", extra={"step": what, "why": explain(error)})
