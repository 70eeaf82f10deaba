"""Which channel a message takes: a pure function of table, health and message.

Three steps, each of which can be looked at: ``Table`` says who could (once per table and country),
``rank`` puts them in order (once per country, policy and version of health), ``choose`` takes one.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, takewhile

from yizhan_contracts.events import (
    Candidate,
    ChannelConfigured,
    CountryRoute,
    Decision,
    Lane,
    MessageAccepted,
    RoutingPolicy,
)
from yizhan_telecom.health import Health, Kind, State, View

FULL_AFTER_S = 2.0
"""A backlog that takes a channel longer than this is a reason to spill over."""
PRICE_WEIGHT = 0.1
"""Balanced: how much expected delivery one is ready to give up for half the price."""
SHOWN = 4
"""Candidates that travel with an attempt; the whole ranking is shown by ``explain``."""
REST = "*"
_BITS = 64
_MASK = (1 << _BITS) - 1
_GOLDEN = 0x9E3779B97F4A7C15


class Why(StrEnum):
    """Why a channel was taken, or none."""

    PREFERRED = "preferred"
    SHARE = "share"
    """Drawn by weight among equals."""
    PROBE = "probe"
    """A trial of a channel that was broken."""
    SPILLED = "spilled"
    """The preferred ones are full."""
    DEGRADED = "degraded"
    """No healthy one is left."""
    BROKEN = "broken"
    """All that is left is broken: the best of those."""
    NO_ROUTE = "no-route"
    """No channel serves the country."""
    EXHAUSTED = "exhausted"
    """Those that do have been tried."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One channel in one country, as the table has it."""

    channel: str
    price: float
    priority: int
    weight: int
    room: float
    """Messages that may wait before it counts as full."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a message the choice depends on."""

    message_id: str
    n: int
    country: str
    lane: Lane = Lane.STANDARD
    routing: RoutingPolicy = RoutingPolicy.QUALITY
    is_test: bool = False
    may_probe: bool = True
    """Another attempt could follow, so this one may be risked."""

    @classmethod
    def of(cls, message: MessageAccepted, n: int) -> "Facts":
        """Take the facts of attempt ``n`` of a message."""
        return cls(
            message.message_id,
            n,
            message.country,
            message.lane,
            message.policy.routing,
            message.test,
            may_probe=n < message.policy.max_attempts and message.lane is not Lane.URGENT,
        )

    def draw(self, salt: int = 1) -> float:
        """Give a number from 0 to 1 that is this attempt's own: a replay draws it again."""
        mixed = int(self.message_id[16:], 16) + self.n * _GOLDEN * (2 * salt + 1)
        mixed = ((mixed ^ (mixed >> 31)) * _GOLDEN) & _MASK
        return (mixed ^ (mixed >> 29)) / (_MASK + 1)


class Table:
    """The channels of one configuration, by country; ``excluded`` says which not to use and why."""

    def __init__(
        self, channels: Iterable[ChannelConfigured], excluded: Mapping[str, str] | None = None
    ) -> None:
        self.channels = {channel.channel: channel for channel in channels}
        self.excluded = {
            **{c.channel: "disabled" for c in self.channels.values() if not c.enabled},
            **(excluded or {}),
        }
        self._entries: dict[tuple[str, bool], tuple[Entry, ...]] = {}

    def entries(self, country: str, *, is_test: bool = False) -> tuple[Entry, ...]:
        """Give the channels of a country. Tests go to channels for tests, and nothing else does."""
        key = (country, is_test)
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = tuple(
                _entry(channel, route)
                for channel in self.channels.values()
                if channel.channel not in self.excluded
                and channel.test is is_test
                and (route := route_of(channel, country)) is not None
            )
        return found

    def may_serve_later(self, country: str, *, is_test: bool = False) -> bool:
        """Tell whether a channel of this country is left out for now only (not: disabled)."""
        return any(
            channel.enabled and channel.test is is_test and route_of(channel, country) is not None
            for name in self.excluded
            if (channel := self.channels.get(name)) is not None
        )


def route_of(channel: ChannelConfigured, country: str) -> CountryRoute | None:
    """Give what a channel offers in a country; ``*`` in its table stands for the rest."""
    return channel.countries.get(country) or channel.countries.get(REST)


def _entry(channel: ChannelConfigured, route: CountryRoute) -> Entry:
    return Entry(
        channel.channel, route.price, route.priority, route.weight, FULL_AFTER_S * channel.tps
    )


class Tier:
    """Health before everything else; a full channel before a degraded one."""

    HEALTHY, FULL, DEGRADED, PROBING, OPEN = range(5)


_TIER_OF = {
    State.HEALTHY: Tier.HEALTHY,
    State.DEGRADED: Tier.DEGRADED,
    State.PROBING: Tier.PROBING,
    State.OPEN: Tier.OPEN,
}
_WHY_OF_TIER = {
    Tier.HEALTHY: Why.PREFERRED,
    Tier.FULL: Why.SPILLED,
    Tier.DEGRADED: Why.DEGRADED,
    Tier.PROBING: Why.BROKEN,
    Tier.OPEN: Why.BROKEN,
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


@dataclass(frozen=True, slots=True)
class Choice:
    """The channel taken, or None, and why."""

    channel: str | None
    why: Why
    decision: Decision
    is_unreachable: bool = False
    """Nothing left can be reached: waiting a little may be better than burning an attempt."""


IsProbeDue = Callable[[str, float], bool]


def choose(
    ranking: Ranking,
    facts: Facts,
    tried: Collection[str] = (),
    is_probe_due: IsProbeDue | None = None,
) -> Choice:
    """Choose for one attempt, never a channel in ``tried``.

    Pure: the same ranking, facts and answers of ``is_probe_due`` give the same choice. Whoever acts
    on ``Why.PROBE`` tells health so (``Health.probed``), which is what bounds the share of probes.
    """
    left = ranking
    if tried:
        left = Ranking.of([row for row in ranking.rows if row.entry.channel not in tried])
    if not left.rows:
        why = Why.EXHAUSTED if ranking.rows else Why.NO_ROUTE
        return Choice(None, why, _decision(ranking, why, None, tried))
    probe = _probe(left, facts, is_probe_due) if is_probe_due else None
    if probe is not None:
        return _choice(ranking, probe, Why.PROBE, tried)
    row = _draw(left, facts)
    why = _WHY_OF_TIER[row.tier]
    if why is Why.PREFERRED and len(left.leaders) > 1:
        why = Why.SHARE
    return _choice(ranking, row, why, tried)


def _probe(left: Ranking, facts: Facts, is_probe_due: IsProbeDue) -> Ranked | None:
    """Find what this message is to try out, if anything."""
    best = left.rows[0]
    if best.tier == Tier.PROBING:
        # There is nothing better: whoever comes tries it, one at a time, until it is back.
        return best if is_probe_due(best.entry.channel, 0.0) else None
    if not left.probes or not facts.may_probe:
        return None
    draw = facts.draw(salt=2)
    return next((row for row in left.probes if is_probe_due(row.entry.channel, draw)), None)


def _draw(left: Ranking, facts: Facts) -> Ranked:
    """Take the first, or draw by weight among those that rank the same."""
    if len(left.leaders) == 1:
        return left.leaders[0]
    at = bisect_right(left.bounds, facts.draw() * left.bounds[-1])
    return left.leaders[at] if at < len(left.leaders) else left.leaders[0]


def _choice(ranking: Ranking, row: Ranked, why: Why, tried: Collection[str]) -> Choice:
    unreachable = why is Why.BROKEN and row.view.kind in (Kind.ERRORS, Kind.UNBOUND)
    return Choice(row.entry.channel, why, _decision(ranking, why, row, tried), unreachable)


def _decision(ranking: Ranking, why: Why, row: Ranked | None, tried: Collection[str]) -> Decision:
    shown = ranking.rows[:SHOWN]
    if tried:
        candidates = (other.candidate(is_tried=other.entry.channel in tried) for other in shown)
        return _with_chosen(why, tuple(candidates), row)
    key = (why, row.entry.channel if row else "")
    made = ranking.decisions.get(key)
    if made is None:
        if not ranking.first:
            ranking.first.extend(other.candidate() for other in shown)
        made = ranking.decisions[key] = _with_chosen(why, tuple(ranking.first), row)
    return made


def _with_chosen(why: Why, first: tuple[Candidate, ...], row: Ranked | None) -> Decision:
    """Make a decision of the first few candidates, the chosen one always among them."""
    if row is not None and all(candidate.channel != row.entry.channel for candidate in first):
        first = (*first[: SHOWN - 1], row.candidate())
    return Decision(why=why, candidates=first)


class Chooser:
    """Keeps rankings while table and health stay: a choice is then a look-up and a draw."""

    def __init__(self, table: Table, health: Health) -> None:
        self._table = table
        self._health = health
        self._version = -1
        self._rankings: dict[tuple[str, RoutingPolicy, bool], Ranking] = {}

    @property
    def table(self) -> Table:
        return self._table

    def use(self, table: Table) -> None:
        """Choose from another table from now on."""
        self._table = table
        self._rankings.clear()

    def choose(self, facts: Facts, now: float, tried: Collection[str] = ()) -> Choice:
        """Choose for one attempt, and note it if it is a probe. ``now`` is health's clock."""
        health, country = self._health, facts.country

        def is_probe_due(channel: str, draw: float) -> bool:
            return health.is_probe_due(channel, country, now, draw)

        chosen = choose(self.ranking(facts), facts, tried, is_probe_due)
        if chosen.why is Why.PROBE and chosen.channel is not None:
            health.probed(chosen.channel, country, now)
        return chosen

    def look(self, facts: Facts, tried: Collection[str] = ()) -> Choice:
        """Say what would be chosen, probes aside; nothing is noted."""
        return choose(self.ranking(facts), facts, tried)

    def ranking(self, facts: Facts) -> Ranking:
        """Give the ranking that a message is chosen from."""
        health, country = self._health, facts.country
        if self._version != health.version:
            self._version = health.version
            self._rankings.clear()
        key = (country, facts.routing, facts.is_test)
        found = self._rankings.get(key)
        if found is None:
            entries = self._table.entries(country, is_test=facts.is_test)
            found = rank(entries, facts.routing, lambda channel: health.view(channel, country))
            self._rankings[key] = found
        return found
