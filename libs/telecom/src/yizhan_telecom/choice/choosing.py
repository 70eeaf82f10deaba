"""One channel for one attempt: the best that does well and has room. Pure."""

from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import frexp

from yizhan_contracts.events import Candidate, Decision
from yizhan_telecom.choice.facts import Facts, Why
from yizhan_telecom.choice.ranking import (
    FULL_AFTER_S,
    TIER_OF,
    Ranking,
    Row,
    Shown,
    Tier,
    Views,
    Waits,
)
from yizhan_telecom.health import Kind, State, View

SHOWN = 4
"""Candidates that travel with an attempt; ``explain`` shows all."""

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
    row: Row | None = None


IsProbeDue = Callable[[str, float], bool]


@dataclass(slots=True)
class _Found:
    """What a walk through a ranking has found: the best standing so far, and who stands there."""

    standing: tuple[int, int] = (Tier.OPEN + 1, 0)
    rows: list[Row] = field(default_factory=list)
    ill: list[Row] = field(default_factory=list)
    """Those that a probe may go to."""
    refusals: dict[str, str] = field(default_factory=dict)
    is_full_met: bool = False

    def take(self, row: Row, standing: tuple[int, int]) -> None:
        """Keep a row if nothing better was found before it."""
        if standing < self.standing:
            self.standing, self.rows = standing, [row]
        elif standing == self.standing and row.merit == self.rows[0].merit:
            self.rows.append(row)


def choose(
    ranking: Ranking,
    facts: Facts,
    views: Views,
    waits: Waits,
    tried: Collection[str] = (),
    is_probe_due: IsProbeDue | None = None,
) -> Choice:
    """Choose for one attempt, never a channel in ``tried``.

    Pure: equal arguments, and equal answers of the functions among them, give the same choice.
    Whoever acts on ``Why.PROBE`` tells health so (``Health.probed``): that bounds the probes.
    """
    refusals = _NO_REFUSALS
    row, why = _drawn_at_once(ranking, facts, views, waits, tried)
    if row is None:
        found = _walk(ranking, facts, views, waits, tried)
        row, why = _taken(found, ranking, facts, tried, is_probe_due)
        refusals = found.refusals
    decision = _Making(ranking, views, waits, tried, refusals).decision(why, row)
    if row is None:
        return Choice(None, why, decision)
    unreachable = why is Why.BROKEN and views(row.entry.channel).kind in (Kind.ERRORS, Kind.UNBOUND)
    return Choice(row.entry.channel, why, decision, unreachable, row)


def _drawn_at_once(
    ranking: Ranking, facts: Facts, views: Views, waits: Waits, tried: Collection[str]
) -> tuple[Row | None, Why]:
    """Draw among all of the first group, and take it if it does well: shares stay right.

    Nearly every message goes this way, and looks at one candidate instead of all.
    """
    bounds = ranking.bounds
    if tried or facts.is_sticky or not bounds or not bounds[-1]:
        return None, Why.NO_ROUTE
    row = ranking.groups[0][bisect_right(bounds, facts.draw() * bounds[-1])]
    entry = row.entry
    view = views(entry.channel)
    if view.state is not State.HEALTHY or view.is_paused or waits(entry) > FULL_AFTER_S:
        return None, Why.NO_ROUTE
    if entry.has_terms and entry.refusal(facts):
        return None, Why.NO_ROUTE
    return row, Why.SHARE if len(bounds) > 1 else Why.PREFERRED


def _walk(
    ranking: Ranking, facts: Facts, views: Views, waits: Waits, tried: Collection[str]
) -> _Found:
    """Go from the best down to the first group in which somebody does well and has room."""
    found = _Found()
    for group in ranking.groups:
        for row in group:
            entry = row.entry
            if entry.channel in tried:
                continue
            if entry.has_terms and (refusal := entry.refusal(facts)):
                found.refusals[entry.channel] = refusal
                continue
            view = views(entry.channel)
            tier = TIER_OF[view.state]
            if tier == Tier.HEALTHY:
                standing = _fullness(view, waits(entry), is_sticky=facts.is_sticky)
                found.is_full_met = found.is_full_met or standing != _WELL
                found.take(row, standing)
            else:
                if tier != Tier.OPEN:
                    found.ill.append(row)
                found.take(row, (tier, 0))
        if found.standing == _WELL:
            break
    return found


_WELL = (Tier.HEALTHY, 0)
_NO_REFUSALS: dict[str, str] = {}
_MOST_KEPT = 16


def _fullness(view: View, wait_s: float, *, is_sticky: bool) -> tuple[int, int]:
    """Tell how a channel that does well stands: among full ones the shorter queue, in doublings."""
    if view.is_paused:
        return Tier.FULL, frexp(wait_s)[1]
    if wait_s <= FULL_AFTER_S or is_sticky:
        return _WELL  # a recipient who is to keep their sender waits for it
    return Tier.FULL, frexp(wait_s)[1]


def _taken(
    found: _Found,
    ranking: Ranking,
    facts: Facts,
    tried: Collection[str],
    is_probe_due: IsProbeDue | None,
) -> tuple[Row | None, Why]:
    if not found.rows:
        return None, _why_none(found, ranking, tried)
    tier = found.standing[0]
    may_risk = facts.may_probe and not tried  # who has failed once is no guinea pig
    probe = None
    if found.ill and is_probe_due:
        probe = _probe(found, facts, is_probe_due, may_risk=may_risk)
    if probe is not None:
        return probe, Why.PROBE
    why = _WHY_OF_TIER[tier]
    if why is Why.PREFERRED and found.is_full_met:
        why = Why.SPILLED
    if len(found.rows) == 1:
        return found.rows[0], why
    if facts.is_sticky:
        most = max(found.rows, key=lambda row: facts.affinity(row.entry.salt, row.weight))
        return most, Why.STICKY if why is Why.PREFERRED else why
    return _draw(found.rows, facts), Why.SHARE if why is Why.PREFERRED else why


def _why_none(found: _Found, ranking: Ranking, tried: Collection[str]) -> Why:
    if not ranking.rows:
        return Why.NO_ROUTE
    if any(row.entry.channel in tried for row in ranking.rows):
        return Why.EXHAUSTED
    return Why.NOT_TAKEN if found.refusals else Why.NO_ROUTE


def _probe(found: _Found, facts: Facts, is_probe_due: IsProbeDue, *, may_risk: bool) -> Row | None:
    """Find what this message is to try out, if anything."""
    best = found.rows[0]
    if found.standing[0] == Tier.PROBING:
        # There is nothing better: whoever comes tries it, one at a time, until it is back.
        return best if is_probe_due(best.entry.channel, 0.0) else None
    if not may_risk:
        return None
    draw = facts.draw(salt=2)
    for row in found.ill:
        # Only what would be taken were it well, and is not taken anyway.
        if row.merit <= best.merit and row is not best and is_probe_due(row.entry.channel, draw):
            return row
    return None


def _draw(rows: list[Row], facts: Facts) -> Row:
    """Draw by weight among those that rank the same."""
    left = facts.draw(salt=3) * sum(row.weight for row in rows)
    for row in rows:
        left -= row.weight
        if left < 0:
            return row
    return rows[0]


@dataclass(slots=True)
class _Making:
    """Makes the decision that travels with an attempt; equal ones are made once."""

    ranking: Ranking
    views: Views
    waits: Waits
    tried: Collection[str]
    refusals: dict[str, str]

    def decision(self, why: Why, row: Row | None) -> Decision:
        shown = self._shown(row)
        if self.tried or self.refusals:
            return self._made(why, shown)
        key = (why.value, row.entry.channel if row else "")
        views = tuple([self.views(other.entry.channel) for other in shown])
        waits = tuple(
            [
                int(wait_s) if (wait_s := self.waits(other.entry)) > FULL_AFTER_S else 0
                for other in shown
            ]
        )
        kept = self.ranking.shown
        last = kept.get(key)
        if last is None or last.views != views or last.waits != waits:
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            last = kept[key] = Shown(views, waits, self._made(why, shown))
        return last.decision

    def _shown(self, row: Row | None) -> tuple[Row, ...]:
        """Give the first few candidates, the chosen one always among them."""
        first = self.ranking.rows[:SHOWN]
        if row is None or row in first:
            return first
        return (*first[: SHOWN - 1], row)

    def _made(self, why: Why, shown: tuple[Row, ...]) -> Decision:
        return Decision.model_construct(
            why=why.value,
            candidates=tuple(
                self._candidate(other)
                for other in shown
                if other.entry.channel not in self.refusals
            ),
            excluded={**self.ranking.excluded, **self.refusals},
            routing=self.ranking.routing,
            table_version=self.ranking.table_version,
        )

    def _candidate(self, row: Row) -> Candidate:
        view = self.views(row.entry.channel)
        is_tried = row.entry.channel in self.tried
        return row.candidate(view, self.waits(row.entry), is_tried=is_tried)
