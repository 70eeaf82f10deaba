"""When a push is tried again, when an endpoint is left alone, and when all is given up.

Pure, but for the jitter.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_FIRST_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 3600.0
GIVE_UP_AFTER: Final = timedelta(hours=24)

_FAILURES_TO_REST: Final = 5
_FIRST_REST_S: Final = 5.0
_LONGEST_REST_S: Final = 300.0


def next_try_at(now: datetime, tries: int) -> datetime:
    """Give the time of the next try after ``tries`` of them (1, 2, ...): doubled, with jitter."""
    pause_s = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(tries - 1, 16))
    return now + timedelta(seconds=_jittered(pause_s))


def is_given_up(since: datetime, now: datetime) -> bool:
    """Tell whether something has been tried for a day."""
    return now - since >= GIVE_UP_AFTER


@dataclass(slots=True)
class Breaker:
    """Leaves an endpoint alone that fails again and again, then lets one request try it."""

    failures: int = 0
    rests: int = 0
    resting_until: float = 0.0
    is_probing: bool = False

    def is_resting(self, now: float) -> bool:
        """Tell whether nothing may be sent; ``now`` is monotonic, in seconds."""
        return now < self.resting_until or self.is_probing

    def begin(self) -> None:
        """Note that a request is being sent: after a rest, the only one until it is answered."""
        self.is_probing = self.rests > 0

    def succeeded(self) -> None:
        """Note an acknowledgement, or that somebody says it is well now: no rest is left."""
        self.resting_until = 0.0
        self.failures = self.rests = 0
        self.is_probing = False

    def failed(self, now: float) -> None:
        """Count a failure: the fifth in a row, or a failed probe, begins a rest."""
        self.failures += 1
        self.is_probing = False
        if self.failures >= _FAILURES_TO_REST or self.rests:
            pause_s = min(_LONGEST_REST_S, _FIRST_REST_S * 2.0 ** min(self.rests, 16))
            self.rests += 1
            self.resting_until = now + _jittered(pause_s)


def _jittered(pause_s: float) -> float:
    return pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
