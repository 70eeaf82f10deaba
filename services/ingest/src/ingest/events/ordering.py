"""Which milestones come too late to be told, because the shipment's end is known already.

Append-only: reaching an end inserts a mark once; nothing is read before it is written, and nothing
changes.
"""

from dataclasses import dataclass
from datetime import datetime

from ingest.ports import Mark
from yizhan_contracts.events import Milestone


@dataclass(frozen=True, slots=True)
class End:
    """Something after which less is no news. ``name`` is part of its mark's id."""

    name: str


ENDED = End("ended")
"""Delivered, or back with its sender: where it was on the way is over."""
RETURNED = End("returned")
"""Back with its sender: the delivery and the return's own way are over too."""

_SETS: dict[Milestone, tuple[End, ...]] = {
    Milestone.DELIVERED: (ENDED,),
    Milestone.RETURN_COMPLETED: (ENDED, RETURNED),
}

_STOPPED_BY: dict[Milestone, End] = {
    **dict.fromkeys(
        (
            Milestone.CREATED,
            Milestone.PICKED_UP,
            Milestone.IN_TRANSIT,
            Milestone.DEPARTED,
            Milestone.ARRIVED,
            Milestone.CUSTOMS_PROCESSING,
            Milestone.CUSTOMS_CLEARED,
            Milestone.OUT_FOR_DELIVERY,
            Milestone.AVAILABLE_FOR_PICKUP,
            Milestone.DELIVERY_ATTEMPT_FAILED,
        ),
        ENDED,
    ),
    **dict.fromkeys(
        (Milestone.DELIVERED, Milestone.RETURN_ACCEPTED, Milestone.RETURN_IN_TRANSIT), RETURNED
    ),
}

# These may come again, even after an end (a parcel found damaged): only what happened before it is
# stale.
_REENTRANT = frozenset({Milestone.DELAYED, Milestone.EXCEPTION, Milestone.CUSTOMS_HELD})


def ends_set_by(milestone: Milestone) -> tuple[End, ...]:
    """Name the ends that a milestone is."""
    return _SETS.get(milestone, ())


def end_that_stops(milestone: Milestone) -> End | None:
    """Name the end that makes a milestone no news; None for refunds, stock and the like."""
    return ENDED if milestone in _REENTRANT else _STOPPED_BY.get(milestone)


def is_superseded(milestone: Milestone, occurred_at: datetime, mark: Mark | None) -> bool:
    """Judge a milestone by the mark of the end that stops it."""
    if mark is None:
        return False
    return milestone not in _REENTRANT or occurred_at <= mark.occurred_at
