"""Candidates in order: by health, then by what the policy prefers.

Made once per country, policy and version of health.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile

from yizhan_contracts.events import Candidate, Decision, RoutingPolicy
from yizhan_telecom.choice.facts import Why
from yizhan_telecom.choice.table import Entry
from yizhan_telecom.health import State, View

PRICE_WEIGHT = 0.1
"""Balanced: how much expected delivery one is ready to give up for half the price."""


class Tier:
    """Health before everything else; a full channel before a degraded one."""

    HEALTHY, FULL, DEGRADED, PROBING, OPEN = range(5)


_TIER_OF = {
    State.HEALTHY: Tier.HEALTHY,
    State.DEGRADED: Tier.DEGRADED,
    State.PROBING: Tier.PROBING,
    State.OPEN: Tier.OPEN,
}

Rank = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate in its place."""

    entry: Entry
    tier: int
    rank: Rank
    """Tier, then what the policy prefers: equal ranks share by weight."""
    merit: Rank
    """The rank without the tier: its place if it were healthy."""
    score: float
    view: View
    is_full: bool

    def candidate(self, *, is_tried: bool = False) -> Candidate:
        """Say what was known of it."""
        note = _note(self.entry, self.view, is_full=self.is_full)
        return Candidate(
            channel=self.entry.channel,
            score=self.score,
            state=self.view.state,
            note=f"tried, {note}" if is_tried else note,
        )


@dataclass(frozen=True, slots=True)
class Ranking:
    """All candidates of a country under a policy, best first. Shared by many choices."""

    rows: tuple[Ranked, ...]
    probes: tuple[Ranked, ...]
    """Probing or degraded candidates that, were they well, would be as good as the first."""
    leaders: tuple[Ranked, ...] = ()
    """Those that rank the same as the first: they share."""
    bounds: tuple[int, ...] = ()
    """Their weights, added up."""
    first: list[Candidate] = field(default_factory=list)
    decisions: dict[tuple[Why, str], Decision] = field(default_factory=dict)
    """The candidates that are shown, and decisions: equal ones are made once."""

    @classmethod
    def of(cls, rows: Sequence[Ranked], probes: Sequence[Ranked] = ()) -> "Ranking":
        """Make a ranking of rows that are in order."""
        leaders = tuple(takewhile(lambda row: row.rank == rows[0].rank, rows))
        bounds = tuple(accumulate(row.entry.weight for row in leaders))
        return cls(tuple(rows), tuple(probes), leaders, bounds)


def rank(entries: Sequence[Entry], routing: RoutingPolicy, view: Callable[[str], View]) -> Ranking:
    """Put candidates in order: by health, then by what the policy prefers."""
    cheapest = min((entry.price for entry in entries if entry.price > 0), default=0.0)
    rows = sorted(
        (_ranked(entry, routing, view(entry.channel), cheapest) for entry in entries),
        key=lambda row: (row.rank, row.entry.price, row.entry.channel),
    )
    ill = (Tier.PROBING, Tier.DEGRADED)
    probes = [row for row in rows if row.tier in ill and row.merit <= rows[0].merit]
    return Ranking.of(rows, [row for row in probes if row is not rows[0]])


def _ranked(entry: Entry, routing: RoutingPolicy, view: View, cheapest: float) -> Ranked:
    is_full = view.is_paused or view.backlog > entry.room
    tier = Tier.FULL if is_full and view.state is State.HEALTHY else _TIER_OF[view.state]
    score, merit = _merit(entry, routing, view.quality, cheapest)
    return Ranked(entry, tier, (tier, *merit), merit, score, view, is_full)


def _merit(
    entry: Entry, routing: RoutingPolicy, quality: float, cheapest: float
) -> tuple[float, Rank]:
    """Give the score that is shown, and what is compared, smaller being better.

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


def _note(entry: Entry, view: View, *, is_full: bool) -> str:
    parts = [f"priority {entry.priority}", f"price {entry.price:g}", f"quality {view.quality:g}"]
    if is_full:
        parts.append("paused" if view.is_paused else f"backlog {view.backlog}")
    if view.note:
        parts.append(view.note)
    return ", ".join(parts)
