"""The time that a search has, all of its questions together."""

from yizhan_runtime import Clock, TooSlow


class Budget:
    """Counts down from its making. Without seconds it never ends."""

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._until = None if seconds is None else clock.monotonic() + seconds

    def left_s(self) -> float | None:
        """Give what is left, None where there is no end. Raises TooSlow when nothing is."""
        if self._until is None:
            return None
        left_s = self._until - self._clock.monotonic()
        if left_s <= 0:
            raise TooSlow("the time of this search is over")
        return left_s
