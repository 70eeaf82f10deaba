"""Decisions by chance, and what can become of a request as a whole."""

from enum import StrEnum
from random import Random


class Answer(StrEnum):
    """What a request as a whole gets."""

    RESULTS = "results"
    FAILED = "failed"
    THROTTLED = "throttled"
    LOST = "lost"


def hits(rng: Random, ratio: float) -> bool:
    """Decide by a ratio; 0 and 1 draw nothing."""
    return ratio > 0 and (ratio >= 1 or rng.random() < ratio)
