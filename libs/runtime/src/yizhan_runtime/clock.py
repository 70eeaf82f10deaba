"""The clock as a parameter, so that tests can turn it."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a service knows of time. Nothing else in a service reads a clock or sleeps."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def backoff_s(tries: int, *, first: float = 0.2, longest: float = 5.0) -> float:
    """Give the pause after try number ``tries`` (1, 2, ...): doubled, half of it random."""
    pause = min(longest, first * 2.0 ** min(tries - 1, 16))
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
