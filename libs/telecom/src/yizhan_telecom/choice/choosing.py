"""One channel for one attempt: a look-up and a draw."""

from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass

from yizhan_contracts.events import Candidate, Decision, RoutingPolicy
from yizhan_telecom.choice.facts import Facts, Why
from yizhan_telecom.choice.ranking import Ranked, Ranking, Tier, rank
from yizhan_telecom.choice.table import Table
from yizhan_telecom.health import Health, Kind

SHOWN = 4
"""Candidates that travel with an attempt; the whole ranking is shown by ``explain``."""

_WHY_OF_TIER = {
    Tier.HEALTHY: Why.PREFERRED,
    Tier.FULL: Why.SPILLED,
    Tier.DEGRADED: Why.DEGRADED,
    Tier.PROBING: Why.BROKEN,
    Tier.OPEN: Why.BROKEN,
}


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
