"""The words of health: states, kinds of trouble, transitions, and what a chooser sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

WHOLE = "*"
"""Stands for the channel as a whole where a country is expected."""

Figures = Mapping[str, float]


class State(StrEnum):
    """How a channel does, best first."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Works, worse than it should: used when no healthy channel has room."""
    PROBING = "probing"
    """Was open: a bounded share of messages tries whether it is back."""
    OPEN = "open"
    """Broken (an open circuit): gets nothing."""


class Kind(StrEnum):
    """What is wrong with a channel that is not healthy."""

    NONE = ""
    UNBOUND = "unbound"
    ERRORS = "errors"
    """Submits fail, or stay in doubt."""
    REFUSALS = "refusals"
    """The carrier answers, and says no to far more than bad numbers explain."""
    LOSSES = "losses"
    """It takes messages, and its receipts say that they do not arrive."""
    SILENT = "silent"
    """It takes messages, and no receipts come when they usually have."""
    SLOW = "slow"
    STALLED = "stalled"
    """Messages are in flight and nothing comes back."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state, with the figures that caused it."""

    channel: str
    country: str
    before: State
    after: State
    kind: Kind
    figures: Figures = field(default_factory=dict)
    after_s: float = 0.0
    """Seconds from the first sign of trouble that was reported until this change."""


@dataclass(frozen=True, slots=True)
class View:
    """What a chooser knows of one channel in one country. Coarse, so that it seldom changes."""

    state: State = State.HEALTHY
    kind: Kind = Kind.NONE
    quality: float = 0.95
    """The share of messages that is expected to arrive, 0 to 1, in steps."""
    is_paused: bool = False
    """It takes nothing for the moment: throttled, or its bind has just gone."""
    note: str = ""


AT_REST = View()
"""What is known of a channel of which nothing is known."""
