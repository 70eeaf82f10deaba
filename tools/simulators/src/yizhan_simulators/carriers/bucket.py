"""How many messages a second a carrier takes."""

import math


class Bucket:
    """How many messages a second a carrier takes; starts full, holds a second's worth."""

    def __init__(self, tps: float, now: float) -> None:
        self._tps = tps
        self._most = max(1.0, tps)
        self._tokens = self._most
        self._at = now

    def take(self, wanted: int, now: float) -> int:
        """Take as many as there are, `wanted` at most."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._tps)
        self._at = now
        granted = min(wanted, int(self._tokens))
        self._tokens -= granted
        return granted

    def wait_s(self) -> int:
        """Say after how many whole seconds there is something to take again."""
        return max(1, math.ceil((1 - self._tokens) / self._tps))
