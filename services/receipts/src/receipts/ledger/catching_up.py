"""Whether the service is still reading what piled up while it was away.

A deadline that passed meanwhile says nothing yet: what was waited for may be the next record. So
the sweeper holds back until the records in hand are fresh.
"""

from collections.abc import Iterable
from typing import Final

from yizhan_runtime import Clock

_BEHIND_S: Final = 30.0
_QUIET_S: Final = 5.0


class CatchingUp:
    """Looks at the age of what the handlers get."""

    def __init__(self, clock: Clock, start_grace_s: float) -> None:
        self._clock = clock
        self._until = clock.monotonic() + start_grace_s

    def saw(self, timestamps_ms: Iterable[int]) -> None:
        """Note when the records of a batch were written to Kafka."""
        oldest_ms = min(timestamps_ms, default=None)
        if oldest_ms is not None and self._age_s(oldest_ms) > _BEHIND_S:
            self._until = max(self._until, self._clock.monotonic() + _QUIET_S)

    def is_on(self) -> bool:
        """Tell whether old records have come a moment ago, or we have just begun to read."""
        return self._clock.monotonic() < self._until

    def _age_s(self, timestamp_ms: int) -> float:
        return self._clock.now().timestamp() - timestamp_ms / 1000
