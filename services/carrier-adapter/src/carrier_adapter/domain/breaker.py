"""Whether a channel works: on trial one message at a time, while down its queue is handed back."""

from enum import StrEnum

_FIRST_PROBE_S = 0.2
_LONGEST_FAILING_PROBE_S = 1.0
_FIRST_OPEN_PROBE_S = 1.0
_LONGEST_OPEN_PROBE_S = 15.0


class State(StrEnum):
    """How a channel stands."""

    CLOSED = "closed"
    """It works."""
    FAILING = "failing"
    """It has just failed: nothing is claimed, its carrier is probed."""
    TRIAL = "trial"
    """The carrier can be reached again: one message at a time, until one is answered."""
    OPEN = "open"
    """It is down: what is not claimed is handed back."""


class Breaker:
    """Follows one channel. Times are monotonic seconds."""

    def __init__(self, down_after_s: float) -> None:
        self._down_after_s = down_after_s
        self._state = State.CLOSED
        self._failing_since = 0.0
        self._probe_at = 0.0
        self._probe_pause_s = 0.0
        self._answered_at = float("-inf")
        self._was_open = False

    @property
    def state(self) -> State:
        return self._state

    @property
    def answered_at(self) -> float:
        """When the carrier last answered a submit at all."""
        return self._answered_at

    def has_answered(self, now: float) -> bool:
        """Note any answer to a submit, a refusal too: the carrier works.

        True when it had been given up before.
        """
        self._answered_at = now
        self._state = State.CLOSED
        was_open, self._was_open = self._was_open, False
        return was_open

    def has_failed(self, now: float, since: float | None = None) -> None:
        """Note that the carrier took nothing, or went silent at ``since``."""
        if self._state is State.CLOSED:
            self._state, self._failing_since = State.FAILING, now if since is None else since
            self._probe_pause_s = _FIRST_PROBE_S
            self._probe_at = now + _FIRST_PROBE_S
        elif self._state is State.TRIAL:
            self._state = State.FAILING
            self._probe_at = now + self._probe_pause_s
        self.look(now)

    def is_back(self) -> None:
        """Note that the carrier is there again: what an answered probe says, without the probe."""
        if self._state in (State.FAILING, State.OPEN):
            self._state = State.TRIAL

    def look(self, now: float) -> None:
        """Give a channel up that has been failing for too long."""
        if self._state is State.FAILING and now - self._failing_since >= self._down_after_s:
            self._state = State.OPEN
            self._was_open = True
            self._probe_pause_s = max(self._probe_pause_s, _FIRST_OPEN_PROBE_S)
            self._probe_at = now + self._probe_pause_s

    def seconds_until_probe(self, now: float) -> float | None:
        """Give the time until the carrier is to be probed, None where it is not."""
        if self._state not in (State.FAILING, State.OPEN):
            return None
        return max(0.0, self._probe_at - now)

    def was_probed(self, now: float, *, is_up: bool) -> None:
        """Note what a probe said."""
        if self._state not in (State.FAILING, State.OPEN):
            return
        longest = _LONGEST_OPEN_PROBE_S if self._state is State.OPEN else _LONGEST_FAILING_PROBE_S
        self._probe_pause_s = min(longest, self._probe_pause_s * 2)
        self._probe_at = now + self._probe_pause_s
        if is_up:
            self._state = State.TRIAL
        self.look(now)
