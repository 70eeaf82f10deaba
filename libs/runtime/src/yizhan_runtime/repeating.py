"""Background work that is done for ever, and patiently while what it needs is away."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)


async def repeat(turn: Callable[[], Awaitable[float]], clock: Clock, what: str) -> NoReturn:
    """Do ``turn`` again and again; it gives the pause after it, in seconds.

    Retryable is logged, and tried again after pauses that grow. Raises whatever else is raised.
    """
    tries = 0
    while True:
        try:
            pause_s = await turn()
            tries = 0
        except Retryable as error:
            tries += 1
            log.warning("%s waits", what, extra={"why": str(error), "tries": tries})
            pause_s = backoff_s(tries)
        await clock.sleep(pause_s)
