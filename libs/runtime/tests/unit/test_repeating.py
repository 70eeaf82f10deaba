"""Background work: it goes on after what is away, waits longer each time, and lets the rest out."""

import pytest

from yizhan_runtime import Retryable
from yizhan_runtime.repeating import repeat


class Slept:
    """A clock that only notes how long it was to sleep."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def test_what_is_away_is_waited_for_longer_each_time_and_then_forgotten() -> None:
    clock = Slept()
    comes: list[float | Exception] = [1.5, *[Retryable("away")] * 4, 2.5, KeyError("a mistake")]

    async def turn() -> float:
        came = comes.pop(0)
        if isinstance(came, Exception):
            raise came
        return came

    with pytest.raises(KeyError):
        await repeat(turn, clock, "the work")  # type: ignore[arg-type]
    first, *away, last = clock.pauses
    assert (first, last) == (1.5, 2.5)
    assert len(away) == 4
    assert max(away[:2]) < max(away[2:])
