"""Candidates in the order that the policy prefers them, as if all were well.

Made once per country, network, policy and rule; what health says of a candidate at the moment is
looked at when one is chosen, so that a report costs no ranking. Only the expected delivery is part
of the order: it moves in steps, and seldom.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from operator import is_

from yizhan_contracts.events import Candidate, Decision, RoutingPolicy
from yizhan_telecom.choice.rules import Rule
from yizhan_telecom.choice.table import Entry
from yizhan_telecom.health import State, View

PRICE_WEIGHT = 0.1
"""Balanced: how much expected delivery one is ready to give up for half the price."""
FULL_AFTER_S = 2.0
"""A queue that takes a channel longer than this is a reason to spill over."""

Merit = tuple[float, ...]
Views = Callable[[str], View]
Waits = Callable[[Entry], float]
"""How many seconds a message planned now waits at a channel for its turn."""


class Tier:
    """Health before everything else; a full channel before a degraded one."""

    HEALTHY, FULL, DEGRADED, PROBING, OPEN = range(5)


TIER_OF = {
    State.HEALTHY: Tier.HEALTHY,
    State.DEGRADED: Tier.DEGRADED,
    State.PROBING: Tier.PROBING,
    State.OPEN: Tier.OPEN,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A candidate in its place."""

    entry: Entry
    merit: Merit
    """What is compared, smaller being better: equals share by weight."""
    score: float
    """What is shown."""
    weight: int
    quality: float
    """The expected delivery that the merit was made of."""

    def candidate(self, view: View, wait_s: float, *, is_tried: bool = False) -> Candidate:
        """Say what is known of it."""
        entry = self.entry
        parts = ["tried"] if is_tried else []
        parts.append(f"priority {entry.priority}")
        parts.append(f"price {entry.price:g}")
        parts.append(f"quality {view.quality:g}")
        if view.is_paused:
            parts.append("paused")
        elif wait_s > FULL_AFTER_S:
            parts.append(f"full: {wait_s:.1f} s of queue")
        if view.note:
            parts.append(view.note)
        # Of our own making, not read: unvalidated, which is a quarter of the time.
        return Candidate.model_construct(
            channel=entry.channel, score=self.score, state=view.state.value, note=", ".join(parts)
        )


@dataclass(slots=True)
class Ranking:
    """All candidates of a country under a policy, best first, in groups of equals."""

    routing: str
    """The policy, and the rule it is from where the account's gave way."""
    rows: tuple[Row, ...]
    groups: tuple[tuple[Row, ...], ...]
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Channels of the country that are not to be used, and why."""
    table_version: str = ""
    bounds: tuple[int, ...] = ()
    """The weights of the first group, added up."""
    shown: "dict[tuple[str, str], Shown]" = field(default_factory=dict)
    """The last decision for each channel: most are the same."""

    @classmethod
    def of(cls, rows: Sequence[Row], routing: str = "") -> "Ranking":
        """Make a ranking of rows in any order."""
        ordered = sorted(rows, key=_order)
        groups = tuple(tuple(group) for _, group in groupby(ordered, key=_merit))
        bounds = tuple(accumulate(row.weight for row in groups[0])) if groups else ()
        return cls(routing, tuple(ordered), groups, bounds=bounds)

    def refreshed(self, views: Views, make: "Making") -> "Ranking":
        """Give a ranking with the expected deliveries of now: itself where none has moved."""
        rows = [
            row
            if (quality := views(row.entry.channel).quality) == row.quality
            else make.row(row.entry, quality)
            for row in self.rows
        ]
        if all(map(is_, rows, self.rows)):
            return self
        ranking = Ranking.of(rows, self.routing)
        ranking.excluded, ranking.table_version = self.excluded, self.table_version
        return ranking


@dataclass(slots=True)
class Shown:
    """A decision, and what it says of whom: it is made anew when that has changed."""

    views: tuple[View, ...]
    waits: tuple[int, ...]
    decision: Decision


@dataclass(frozen=True, slots=True)
class Making:
    """Makes the rows of a ranking: the policy, or the rule that stands in its place."""

    routing: RoutingPolicy
    shares: Mapping[str, int]
    cheapest: float

    @classmethod
    def of(
        cls, entries: Sequence[Entry], routing: RoutingPolicy, rule: Rule | None = None
    ) -> "Making":
        """Look at what is to be ranked, and how."""
        cheapest = min((entry.price for entry in entries if entry.price > 0), default=0.0)
        if rule is None:
            return cls(routing, {}, cheapest)
        return cls(rule.routing or routing, rule.shares, cheapest)

    def row(self, entry: Entry, quality: float) -> Row:
        """Put a value on a candidate."""
        score, merit = _merit_of(entry, self.routing, quality, self.cheapest)
        if not self.shares:
            return Row(entry, merit, score, entry.weight, quality)
        share = self.shares.get(entry.channel, 0)
        merit = (0.0,) if share else (1.0, *merit)
        return Row(entry, merit, score, share or entry.weight, quality)


def rank(
    entries: Sequence[Entry], routing: RoutingPolicy, views: Views, rule: Rule | None = None
) -> Ranking:
    """Put candidates in the order that the policy, or a rule in its place, prefers them."""
    make = Making.of(entries, routing, rule)
    rows = [make.row(entry, views(entry.channel).quality) for entry in entries]
    name = make.routing.value
    return Ranking.of(rows, f"{name}, rule {rule.name}" if rule is not None else name)


def _merit_of(
    entry: Entry, routing: RoutingPolicy, quality: float, cheapest: float
) -> tuple[float, Merit]:
    """Give the score that is shown, and what is compared.

    Quality counts in tenths where it decides between equals: a finer comparison would move all of
    the traffic for a difference that is noise.
    """
    tenths = -int(quality * 10 + 0.5)
    match routing:
        case RoutingPolicy.COST:
            return -entry.price, (entry.price, entry.priority, tenths)
        case RoutingPolicy.BALANCED:
            dearer = entry.price / cheapest - 1.0 if cheapest else 0.0
            score = round(quality - PRICE_WEIGHT * dearer, 2)
            return score, (-round(score, 1), entry.priority)
        case _:
            return quality, (entry.priority, tenths)


def _merit(row: Row) -> Merit:
    return row.merit


def _order(row: Row) -> tuple[Merit, float, str]:
    return row.merit, row.entry.price, row.entry.channel
