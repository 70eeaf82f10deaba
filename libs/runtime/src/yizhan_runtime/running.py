"""The ``__main__`` of every service: build it, run it, exit with its code."""

import asyncio
import gc
import os
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

import uvloop
from pydantic import ValidationError

from yizhan_runtime import errors
from yizhan_runtime.errors import Misconfigured
from yizhan_runtime.logs import configure_logging, get_logger
from yizhan_runtime.records import describe
from yizhan_runtime.settings import RuntimeSettings

log = get_logger(__name__)


class Runnable(Protocol):
    """A service."""

    name: str
    settings: RuntimeSettings

    async def run(self) -> int: ...


def run(build: Callable[[], Runnable]) -> NoReturn:
    """Build a service and run it; the process ends with its exit code."""
    configure_logging("yizhan", "INFO")
    try:
        service = build()
    except (Misconfigured, ValueError, OSError) as error:
        log.critical("cannot run like this", extra={"why": _why(error)})
        raise SystemExit(errors.EXIT_MISCONFIGURED) from None
    configure_logging(service.name, service.settings.log_level)
    _collect_less()
    _run_in_long_slices()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(service.run())
    raise SystemExit(code)


def _collect_less() -> None:
    """Look for cycles rarely: events live for milliseconds and have none.

    At Python's own threshold, 700 allocations, the search cost 24-36 % of a service's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _run_in_long_slices() -> None:
    """Ask Linux not to interrupt others for every record that arrives here.

    Work comes in batches: with more services than cores, each interruption costs the other its
    caches, 5-8 % of all CPU.
    """
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _why(error: Exception) -> str:
    """Say which settings are wrong; pydantic's errors would print their values, maybe secrets."""
    return describe(error) if isinstance(error, ValidationError) else str(error)
