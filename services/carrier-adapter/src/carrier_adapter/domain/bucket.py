"""The rate of a channel: a token bucket."""

_BURST_S = 0.2
"""The part of a second that may go at once: outlasts a busy loop, and strict carriers bear it."""

_ROUNDING = 1e-6
"""Sums of small steps end just below whole numbers: who waits for the rest waits for ever."""

_SHORTEST_WAIT_S = 0.001


class TokenBucket:
    """Tokens come at ``tps`` a second; a fifth of a second's worth is kept. Retries overdraw it."""

    def __init__(self, tps: float, now: float) -> None:
        self._tps = tps
        self._capacity = max(1.0, tps * _BURST_S)
        self._tokens = self._capacity
        self._filled_at = now

    def set_rate(self, tps: float, now: float) -> None:
        """Go on at another rate; what is saved up stays, as far as it still fits."""
        if tps != self._tps:
            self._fill(now)
            self._tps, self._capacity = tps, max(1.0, tps * _BURST_S)
            self._tokens = min(self._tokens, self._capacity)

    def empty(self, now: float) -> None:
        """Give up what is saved: it was saved for another rate, or the carrier is full."""
        self._fill(now)
        self._tokens = min(self._tokens, 0.0)

    def available(self, now: float) -> int:
        """Count the messages that may go now."""
        self._fill(now)
        return max(0, int(self._tokens + _ROUNDING))

    def spend(self, count: int, now: float) -> None:
        """Take tokens, more than there are if need be: the next ones wait longer then."""
        self._fill(now)
        self._tokens -= count

    def seconds_until(self, count: int, now: float) -> float:
        """Give the time until ``count`` tokens, or as many as ever fit, are there."""
        self._fill(now)
        wanted = max(1.0, min(float(count), self._capacity // 2))
        short = wanted - self._tokens
        return max(short / self._tps, _SHORTEST_WAIT_S) if short > _ROUNDING else 0.0

    def _fill(self, now: float) -> None:
        gained = (now - self._filled_at) * self._tps
        self._tokens = min(self._capacity, self._tokens + gained)
        self._filled_at = now
