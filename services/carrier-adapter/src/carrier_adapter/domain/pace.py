"""How fast a channel may go: its rate, this instance's share of it, and what the carrier bears.

Pure; times are monotonic seconds. What the carrier bears is found as TCP finds it (RFC 5681: slow
start, congestion avoidance, multiplicative decrease), for a rate instead of a window.
"""

import math

_CUT = 0.7
"""The part of the rate that is left after the carrier has said that it is too much."""
_CUT_EVERY_S = 1.0
"""What was under way at a cut may be turned away too, and says nothing new."""
_LEAST = 0.01
_AFTER_DOWN = 0.1
"""Where a channel begins that was down: its carrier has been away and may have a queue itself."""

_GROWTH = ((0.9, 1.0), (1.05, 30.0), (math.inf, 2.0))
"""Up to such a multiple of what was too much the rate doubles in so many seconds: fast far below
it, carefully near it, and faster again beyond, for the carrier bears more than it did."""


class Pace:
    """``tps`` x share x the part of it that the carrier bears. Never nought, never above ``tps``.

    The shares of a channel's instances add up to one: nobody counts what the others send.
    """

    def __init__(self, now: float) -> None:
        self._tps = 1.0
        self._share = 1.0
        self._part = 1.0
        self._too_much = 1.0
        """The part at which the carrier last turned something away."""
        self._grown_at = now
        self._cut_at = float("-inf")

    def configure(self, tps: float) -> None:
        """Take the channel's rate, in messages a second over all instances."""
        self._tps = tps

    def hold(self, share: float) -> None:
        """Take this instance's share, above 0 and up to 1."""
        self._share = share

    @property
    def share(self) -> float:
        return self._share

    def rate(self, now: float) -> float:
        """Give the messages a second that may go from here now."""
        self._grow(now)
        return self._tps * self._share * self._part

    def was_throttled(self, now: float) -> bool:
        """Go slower: the carrier turned something away. False where that is no news."""
        self._grow(now)
        if now - self._cut_at < _CUT_EVERY_S:
            return False
        self._cut_at, self._too_much = now, self._part
        self._part = max(_LEAST, self._part * _CUT)
        return True

    def is_back(self, now: float) -> None:
        """Begin slowly: the channel was down."""
        self._grow(now)
        self._part, self._too_much = min(self._part, _AFTER_DOWN), 1.0

    def _grow(self, now: float) -> None:
        left_s, self._grown_at = now - self._grown_at, now
        if self._part >= 1.0:
            return
        for factor, doubles_in_s in _GROWTH:
            limit = min(1.0, factor * self._too_much)
            if self._part >= limit:
                continue
            needed_s = doubles_in_s * math.log2(limit / self._part)
            if needed_s > left_s:
                self._part *= 2 ** (left_s / doubles_in_s)
                return
            self._part, left_s = limit, left_s - needed_s
        self._too_much = 1.0
