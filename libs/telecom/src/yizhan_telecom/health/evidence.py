"""What is remembered of a stream of outcomes: evidence that adds up, and counts that fade."""

from dataclasses import dataclass
from itertools import zip_longest

from yizhan_telecom.health.silence import MIDDLES

_NOTHING = 0.05


@dataclass(slots=True)
class Evidence:
    """Evidence that something is broken, in log odds: never below zero, fading slowly."""

    half_life_s: float
    value: float = 0.0
    began: float | None = None
    """When the evidence that is there began to gather."""
    reports: int = 0
    """How many reports spoke against it since."""
    _at: float = 0.0

    def add(self, now: float, delta: float, most: float, *, is_against: bool) -> None:
        """Add what one report says, staying within 0 and ``most``."""
        before: float = self.value * 0.5 ** (max(now - self._at, 0.0) / self.half_life_s)
        self._at = now
        self.value = min(max(before + delta, 0.0), most)
        if self.value < _NOTHING:
            self.clear()
            return
        if self.began is None:
            self.began = now
        self.reports += is_against

    def clear(self) -> None:
        self.value, self.began, self.reports = 0.0, None, 0


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of submits, within one report."""

    good: int = 0
    refused: int = 0
    bad: int = 0
    latency_ms: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.good or self.refused or self.bad)

    def __add__(self, other: "Outcomes") -> "Outcomes":
        return Outcomes(
            self.good + other.good,
            self.refused + other.refused,
            self.bad + other.bad,
            self.latency_ms + other.latency_ms,
        )


Ages = tuple[int, ...]
"""Counts by age, see RECEIPT_AGES_S."""


@dataclass(frozen=True, slots=True)
class Receipts:
    """What receipts said, within one report; the counts by age are empty where it had none."""

    delivered: int = 0
    lost: int = 0
    delivered_by_age: Ages = ()
    lost_by_age: Ages = ()
    heard_by_age: Ages = ()
    """Of any kind, those that speak of the number or the text included."""

    def __bool__(self) -> bool:
        return bool(self.delivered or self.lost or any(self.heard_by_age))

    def __add__(self, other: "Receipts") -> "Receipts":
        return Receipts(
            self.delivered + other.delivered,
            self.lost + other.lost,
            _sum(self.delivered_by_age, other.delivered_by_age),
            _sum(self.lost_by_age, other.lost_by_age),
            _sum(self.heard_by_age, other.heard_by_age),
        )

    def younger_than(self, age_s: float) -> "Receipts":
        """Leave out the receipts of older messages, as far as their ages are known."""
        if not self.heard_by_age:
            return self
        delivered = _younger(self.delivered_by_age, age_s)
        lost = _younger(self.lost_by_age, age_s)
        return Receipts(
            sum(delivered), sum(lost), delivered, lost, _younger(self.heard_by_age, age_s)
        )


def _sum(one: Ages, other: Ages) -> Ages:
    return tuple(a + b for a, b in zip_longest(one, other, fillvalue=0))


def _younger(by_age: Ages, age_s: float) -> Ages:
    return tuple(
        count if middle < age_s else 0 for count, middle in zip(by_age, MIDDLES, strict=False)
    )


@dataclass(slots=True)
class SubmitWindow:
    """Fading counts of submits."""

    half_life_s: float
    good: float = 0.0
    refused: float = 0.0
    bad: float = 0.0
    latency_ms: float = 0.0
    _at: float = 0.0

    def fade(self, now: float) -> None:
        left = 0.5 ** (max(now - self._at, 0.0) / self.half_life_s)
        self._at = now
        self.good *= left
        self.refused *= left
        self.bad *= left
        self.latency_ms *= left

    def add(self, now: float, outcomes: Outcomes) -> None:
        self.fade(now)
        self.good += outcomes.good
        self.refused += outcomes.refused
        self.bad += outcomes.bad
        self.latency_ms += outcomes.latency_ms

    @property
    def weight(self) -> float:
        return self.good + self.refused + self.bad

    @property
    def mean_latency_ms(self) -> float:
        return self.latency_ms / self.good if self.good > _NOTHING else 0.0


@dataclass(slots=True)
class ReceiptWindow:
    """Fading counts of receipts."""

    half_life_s: float
    delivered: float = 0.0
    lost: float = 0.0
    _at: float = 0.0

    def fade(self, now: float) -> None:
        left = 0.5 ** (max(now - self._at, 0.0) / self.half_life_s)
        self._at = now
        self.delivered *= left
        self.lost *= left

    def add(self, now: float, receipts: Receipts) -> None:
        self.fade(now)
        self.delivered += receipts.delivered
        self.lost += receipts.lost

    @property
    def weight(self) -> float:
        return self.delivered + self.lost
