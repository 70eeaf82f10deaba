"""The rate of a channel: a token bucket."""

_BURST_S = 0.2
"""The part of a second that may go at once: outlasts a busy loop, and strict carriers bear it."""


class TokenBucket:
    """Tokens come at ``tps`` a second; a fifth of a second's worth is kept. Retries overdraw it."""

    def __init__(self, tps: float, now: float) -> None:
        self._tps = tps
        self._capacity = max(1.0, tps * _BURST_S)
        self._tokens = self._capacity
        self._filled_at = now

    def available(self, now: float) -> int:
        """Count the messages that may go now."""
        self._fill(now)
        # Sums of small steps end just below whole numbers.
        return max(0, int(self._tokens + 1e-6))

    def spend(self, count: int, now: float) -> None:
        """Take tokens, more than there are if need be: the next ones wait longer then."""
        self._fill(now)
        self._tokens -= count

    def seconds_until(self, count: int, now: float) -> float:
        """Give the time until ``count`` tokens, or as many as ever fit, are there."""
        self._fill(now)
        wanted = max(1.0, min(float(count), self._capacity // 2))
        return max(0.0, (wanted - self._tokens) / self._tps)

    def _fill(self, now: float) -> None:
        gained = (now - self._filled_at) * self._tps
        self._tokens = min(self._capacity, self._tokens + gained)
        self._filled_at = now
