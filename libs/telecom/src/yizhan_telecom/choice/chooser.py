"""Chooses by table and health: keeps rankings while they stay, and knows how full channels are."""

from collections.abc import Collection
from dataclasses import dataclass

from yizhan_contracts.events import Candidate, RoutingPolicy
from yizhan_telecom.choice.choosing import Choice, IsProbeDue, choose
from yizhan_telecom.choice.facts import Facts, Why
from yizhan_telecom.choice.loads import Loads
from yizhan_telecom.choice.ranking import (
    FULL_AFTER_S,
    TIER_OF,
    Making,
    Merit,
    Ranking,
    Row,
    Tier,
    rank,
)
from yizhan_telecom.choice.table import Entry, Table
from yizhan_telecom.health import Health, View

_Key = tuple[str, str, RoutingPolicy, bool, str]


REFRESH_S = 0.5
"""An expected delivery may be this old in a ranking. States and queues are always of now."""


@dataclass(slots=True)
class _Kept:
    ranking: Ranking
    making: Making
    version: int
    look_at: float


@dataclass(frozen=True, slots=True)
class Explained:
    """One candidate, and what is known of it now."""

    row: Row
    view: View
    wait_s: float
    is_tried: bool

    @property
    def entry(self) -> Entry:
        return self.row.entry

    @property
    def is_full(self) -> bool:
        return self.view.is_paused or self.wait_s > FULL_AFTER_S

    def candidate(self) -> Candidate:
        return self.row.candidate(self.view, self.wait_s, is_tried=self.is_tried)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A choice, and every channel of the table: a candidate, or why it is none."""

    choice: Choice
    routing: str
    candidates: tuple[Explained, ...]
    """In the order in which they would be taken, those that were tried last."""
    excluded: dict[str, str]


class Chooser:
    """Chooses by table and health. One for each process: it knows what it has planned."""

    def __init__(self, table: Table, health: Health) -> None:
        self._table = table
        self._health = health
        self._loads = Loads()
        self._rankings: dict[_Key, _Kept] = {}

    @property
    def table(self) -> Table:
        return self._table

    def use(self, table: Table) -> None:
        """Choose from another table from now on."""
        self._table = table
        self._rankings.clear()

    def choose(self, facts: Facts, now: float, tried: Collection[str] = ()) -> Choice:
        """Choose for one attempt, and note what was chosen. ``now`` is health's clock."""
        health, country = self._health, facts.country

        def is_probe_due(channel: str, draw: float) -> bool:
            return health.is_probe_due(channel, country, now, draw)

        chosen = self._choose(facts, now, tried, is_probe_due)
        if chosen.row is not None:
            self._loads.planned(chosen.row.entry, now)
            if chosen.why is Why.PROBE:
                health.probed(chosen.row.entry.channel, country, now)
        return chosen

    def released(self, channel: str, now: float) -> None:
        """Note that a channel handed a message back: its queue is shorter than was planned."""
        configured = self._table.channels.get(channel)
        if configured is not None:
            self._loads.released(channel, configured.tps, now)

    def look(self, facts: Facts, now: float, tried: Collection[str] = ()) -> Choice:
        """Say what would be chosen, probes aside; nothing is noted."""
        return self._choose(facts, now, tried, None)

    def explain(self, facts: Facts, now: float, tried: Collection[str] = ()) -> Explanation:
        """Say what would be chosen, and of every channel what speaks for or against it."""
        ranking, choice = self.ranking(facts, now), self.look(facts, now, tried)
        excluded = self._table.why_not(facts.country, is_test=facts.is_test)
        found = []
        for row in ranking.rows:
            entry = row.entry
            if refusal := entry.refusal(facts):
                excluded[entry.channel] = refusal
                continue
            view = self._health.view(entry.channel, facts.country)
            wait_s = self._loads.wait_s(entry, self._health.backlog(entry.channel), now)
            found.append(Explained(row, view, wait_s, entry.channel in tried))
        return Explanation(choice, ranking.routing, tuple(sorted(found, key=_place)), excluded)

    def ranking(self, facts: Facts, now: float) -> Ranking:
        """Give the ranking that a message is chosen from."""
        table, country = self._table, facts.country
        rule = table.rules.rule_for(facts)
        network = table.network(country, facts.network)
        key = (country, network, facts.routing, facts.is_test, rule.name if rule else "")
        version = self._health.quality_version
        known = self._rankings.get(key)
        if known is not None:
            if known.version != version and now >= known.look_at:
                known.version, known.look_at = version, now + REFRESH_S
                known.ranking = known.ranking.refreshed(self._health.viewer(country), known.making)
            return known.ranking
        entries = table.entries(country, network, is_test=facts.is_test)
        ranking = rank(entries, facts.routing, self._health.viewer(country), rule)
        ranking.excluded = table.excluded_in(country, is_test=facts.is_test)
        ranking.table_version = table.version
        making = Making.of(entries, facts.routing, rule)
        self._rankings[key] = _Kept(ranking, making, version, now + REFRESH_S)
        return ranking

    def _choose(
        self, facts: Facts, now: float, tried: Collection[str], is_probe_due: IsProbeDue | None
    ) -> Choice:
        wait_s, backlog = self._loads.wait_s, self._health.backlog
        return choose(
            self.ranking(facts, now),
            facts,
            self._health.viewer(facts.country),
            lambda entry: wait_s(entry, backlog(entry.channel), now),
            tried,
            is_probe_due,
        )


def _place(explained: Explained) -> tuple[bool, int, bool, Merit]:
    tier = TIER_OF[explained.view.state]
    is_full = tier == Tier.HEALTHY and explained.is_full
    return explained.is_tried, tier, is_full, explained.row.merit
