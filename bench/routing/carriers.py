"""Simulated carriers: what they truly do to a message, at a time, in a country."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import exp


class Answer(StrEnum):
    """What a carrier answers to a submit."""

    ACCEPTED = "accepted"
    ERROR = "error"
    """An error of its own: it did not take the message."""
    DOWN = "down"
    """No connection."""


@dataclass(frozen=True)
class Condition:
    """How a carrier does."""

    is_up: bool = True
    error_ratio: float = 0.005
    latency_s: float = 0.08
    delivered_ratio: float = 0.97
    """Of what it accepted. The rest are handsets that are off, and no carrier's fault."""
    lost_ratio: float = 0.0
    """Of what would have been delivered: says failed, for a reason of its own."""
    silent_ratio: float = 0.0
    """Of what would have been delivered: never heard of again."""

    @property
    def is_well(self) -> bool:
        return (
            self.is_up
            and self.error_ratio < 0.1
            and self.lost_ratio + self.silent_ratio < 0.15
            and self.latency_s < 2.0
        )


WELL = Condition()
Conditions = Callable[[float, str], Condition]
"""By time in seconds and country."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one submit."""

    answer: Answer
    answer_s: float
    receipt_s: float | None = None
    """From the answer to the receipt; None: none comes."""
    is_delivered: bool = False
    is_carriers_fault: bool = False


@dataclass(frozen=True)
class Carrier:
    """One carrier behind one channel."""

    name: str
    price: float
    priority: int
    conditions: Conditions = lambda _now, _country: WELL
    receipt_median_s: float = 2.0
    receipt_sigma: float = 0.8

    def fate(self, now: float, country: str, drawn: random.Random) -> Fate:
        """Decide what becomes of a submit."""
        condition = self.conditions(now, country)
        if not condition.is_up:
            return Fate(Answer.DOWN, 0.005)
        answer_s = condition.latency_s * (0.7 + 0.6 * drawn.random())
        if drawn.random() < condition.error_ratio:
            return Fate(Answer.ERROR, answer_s)
        receipt_s = self.receipt_median_s * exp(drawn.gauss(0.0, self.receipt_sigma))
        if drawn.random() >= condition.delivered_ratio:
            return Fate(Answer.ACCEPTED, answer_s, receipt_s)
        left = drawn.random()
        if left < condition.silent_ratio:
            return Fate(Answer.ACCEPTED, answer_s)
        if left < condition.silent_ratio + condition.lost_ratio:
            return Fate(Answer.ACCEPTED, answer_s, receipt_s, is_carriers_fault=True)
        return Fate(Answer.ACCEPTED, answer_s, receipt_s, is_delivered=True)

    def with_conditions(self, conditions: Conditions) -> "Carrier":
        return replace(self, conditions=conditions)
