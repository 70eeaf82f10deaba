"""What was seen of each channel in each country, and what is to be expected of it.

A country with few messages borrows from its channel, and a channel with few from a prior; what an
expectation rests on is said with it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from yizhan_contracts.events import ReceiptState
from yizhan_telecom.health import DEFAULT_RULES
from yizhan_telecom.what_if.history import Attempt, Story

_WEIGHT = DEFAULT_RULES.prior_weight
_ENOUGH = 20


class Basis(StrEnum):
    """What an expectation rests on."""

    SEEN = "seen"
    FEW = "few"
    """Fewer than 20 messages of this channel in this country: mixed with its other countries."""
    ELSEWHERE = "elsewhere"
    """Never used in this country: taken from its other countries."""
    PRIOR = "prior"
    """Never used at all: nothing is known, a usual channel is assumed."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What to expect of one attempt."""

    accepted: float
    """The share that the carrier takes."""
    delivered: float
    """Of what it takes."""
    delivered_s: float | None
    """Mean seconds from hand-over to the receipt; None where nobody knows."""
    basis: Basis


@dataclass(slots=True)
class _Counts:
    tried: int = 0
    accepted: int = 0
    judged: int = 0
    delivered: int = 0
    seconds: float = 0.0

    def add(self, attempt: Attempt) -> None:
        self.tried += 1
        self.accepted += attempt.is_accepted
        if not attempt.is_accepted or attempt.receipt is None:
            return  # no receipt yet: it counts neither for nor against
        self.judged += 1
        if attempt.receipt is ReceiptState.DELIVERED:
            self.delivered += 1
            self.seconds += attempt.delivered_s or 0.0

    @property
    def mean_s(self) -> float | None:
        return self.seconds / self.delivered if self.delivered else None


class Experience:
    """What was seen, by channel and country."""

    def __init__(self, stories: Iterable[Story]) -> None:
        self._of_channel: dict[str, _Counts] = defaultdict(_Counts)
        self._in_country: dict[tuple[str, str], _Counts] = defaultdict(_Counts)
        for story in stories:
            for attempt in story.attempts.values():
                self._of_channel[attempt.channel].add(attempt)
                self._in_country[attempt.channel, story.message.country].add(attempt)

    def expected(self, channel: str, country: str) -> Expected:
        """Say what to expect of an attempt on a channel in a country."""
        whole = self._of_channel.get(channel, _NOTHING)
        own = self._in_country.get((channel, country), _NOTHING)
        prior = DEFAULT_RULES.prior_submit, DEFAULT_RULES.prior_receipt
        accepted = _mixed(own.accepted, own.tried, _mixed(whole.accepted, whole.tried, prior[0]))
        delivered = _mixed(
            own.delivered, own.judged, _mixed(whole.delivered, whole.judged, prior[1])
        )
        seconds = own.mean_s if own.mean_s is not None else whole.mean_s
        return Expected(accepted, delivered, seconds, _basis(own, whole))


_NOTHING = _Counts()


def _mixed(good: int, of: int, prior: float) -> float:
    return (good + _WEIGHT * prior) / (of + _WEIGHT)


def _basis(own: _Counts, whole: _Counts) -> Basis:
    if not whole.tried:
        return Basis.PRIOR
    if not own.tried:
        return Basis.ELSEWHERE
    return Basis.SEEN if own.judged >= _ENOUGH else Basis.FEW
