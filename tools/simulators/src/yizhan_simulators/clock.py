"""The time of the simulated world: wall-clock seconds that never jump."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Unix seconds, now."""


def steady_clock() -> Clock:
    """Return a clock that shows the wall's time of now and from here on only moves forward."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()


def iso(at: float) -> str:
    """Write unix seconds as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
