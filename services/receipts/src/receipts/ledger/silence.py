"""What an overdue receipt means: the silence of one message, or that of its whole channel.

Pure. An attempt is judged among those of its channel that fell due around the same time. Where
most of these have receipts, its own silence says something about it, and what the account wants
for that is done. Where most have none, it says something about the feed: nobody is called for it.
Nothing but what is stored counts, as it is now, so that every instance judges alike and a backlog
of receipts that comes in late sets its messages free by itself.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]
Seconds = Annotated[float, Field(gt=0, le=259_200)]


class FeedTerms(BaseModel):
    """When a channel's receipts are missing as a whole, and what then."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missing_below: Share = 0.5
    """Of those that fell due around the same time, fewer have a receipt."""
    back_above: Share = 0.7
    """What is held back is let go only where as many have one."""
    at_least: Annotated[int, Field(ge=2, le=100)] = 20
    """Of fewer nobody can tell: each is taken for its own silence."""
    within_s: Seconds = 600.0
    """How far apart they may have fallen due."""
    look_again_s: Seconds = 60.0
    """After the first time; doubled each time."""
    look_again_most_s: Seconds = 900.0
    grace_s: Seconds = 300.0
    """Once receipts are back, the rest of them is waited for so long."""
    longest_s: Seconds = 14_400.0
    """Past its deadline by so much, what is held back is given up: unknown, without a call."""
    never: frozenset[str] = frozenset()
    """Channels whose carriers send few receipts as a rule: their silence is taken as before."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.back_above < self.missing_below:
            raise ValueError("back_above must not be below missing_below")
        if self.look_again_most_s < self.look_again_s:
            raise ValueError("look_again_most_s must not be below look_again_s")
        return self


class Hold(StrEnum):
    """Why an overdue attempt is held back."""

    MISSING = "missing"
    GRACE = "grace"
    """The receipts are coming in again, its own may be among them."""


class Sample(NamedTuple):
    """Attempts that fell due, and those of them of which anything was heard."""

    due: int
    heard: int


class Cohort(NamedTuple):
    """The attempts nearest to one in time, on either side of it: a feed breaks in between."""

    before: Sample
    after: Sample

    def share(self, at_least: int) -> float | None:
        """Give the smaller share that was heard of; None where there are too few to tell."""
        shares = [sample.heard / sample.due for sample in self if sample.due >= at_least]
        return min(shares, default=None)


class Silent(NamedTuple):
    """An overdue attempt."""

    n: int
    channel: str
    own_due_at: datetime
    holds: int
    last_hold: Hold | None


class Judgement(NamedTuple):
    """What its silence means: ``until`` it is held back; else it is its own, or given up."""

    hold: Hold | None = None
    until: datetime | None = None
    is_given_up: bool = False


_OWN = Judgement()
_GIVEN_UP = Judgement(is_given_up=True)


def is_missing(cohort: Cohort, terms: FeedTerms, *, was_missing: bool) -> bool:
    """Tell whether a channel's receipts are missing as a whole."""
    share = cohort.share(terms.at_least)
    return share is not None and share < (terms.back_above if was_missing else terms.missing_below)


def judge(silent: Silent, cohort: Cohort, terms: FeedTerms, now: datetime) -> Judgement:
    """Tell what an attempt's silence means, among those around it."""
    if silent.channel in terms.never:
        return _OWN
    last = silent.own_due_at + timedelta(seconds=terms.longest_s)
    if is_missing(cohort, terms, was_missing=silent.holds > 0):
        if now >= last:
            return _GIVEN_UP
        wait_s = min(terms.look_again_s * 2.0 ** min(silent.holds, 20), terms.look_again_most_s)
        return Judgement(Hold.MISSING, min(now + timedelta(seconds=wait_s), last))
    if silent.last_hold is Hold.MISSING:
        return Judgement(Hold.GRACE, now + timedelta(seconds=terms.grace_s))
    return _OWN
