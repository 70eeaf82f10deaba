"""The same messages by another table: who would have taken them, at what cost, how well.

The choice is the router's own. Every channel is taken to do as it did over the whole recording:
faults of the time are in that average, and are not played again. A message whose submit fails goes
on to the next channel; what a receipt calls failed stays failed, though the router may try again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from yizhan_telecom.choice import Choice, Facts, Table, choose, rank
from yizhan_telecom.choice.loads import Loads
from yizhan_telecom.choice.ranking import Ranking, Views
from yizhan_telecom.health import View
from yizhan_telecom.what_if.experience import Basis, Expected, Experience
from yizhan_telecom.what_if.history import Story

_STEP = 0.05
"""Expected delivery is compared in the steps in which health gives it."""


@dataclass(slots=True)
class Share:
    """One channel's part. Messages count where they are expected to end, so they may be broken."""

    first: int = 0
    """Messages that are tried there first."""
    accepted: float = 0.0
    judged: float = 0.0
    """Accepted ones of which it is known, or expected, whether they arrive."""
    delivered: float = 0.0
    cost: float = 0.0
    seconds: float = 0.0
    bases: Counter[Basis] = field(default_factory=Counter)


@dataclass(slots=True)
class Outlook:
    """What traffic comes to under a table. Cost in the table's currency."""

    messages: int = 0
    judged: int = 0
    """Those of which it is known, or can be expected, whether they arrive."""
    delivered: float = 0.0
    cost: float = 0.0
    seconds: float = 0.0
    channels: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    unroutable: Counter[str] = field(default_factory=Counter)
    """Messages without a channel, by country and why."""
    unseen: Counter[tuple[str, str, Basis]] = field(default_factory=Counter)
    """Messages sent where the channel has never, or hardly, been used."""

    def add(self, channel: str, delivered: float, price: float, seconds: float | None) -> None:
        """Count what one attempt adds, as far as it is reached."""
        share = self.channels[channel]
        share.delivered += delivered
        share.cost += price
        share.seconds += delivered * (seconds or 0.0)
        self.delivered += delivered
        self.cost += price
        self.seconds += delivered * (seconds or 0.0)


def measured(stories: Sequence[Story], table: Table) -> Outlook:
    """Count what happened. ``table`` is today's, for the prices."""
    outlook = Outlook(messages=len(stories))
    for story in stories:
        outlook.judged += not story.is_open
        attempts = [story.attempts[n] for n in sorted(story.attempts)]
        if attempts:
            outlook.channels[attempts[0].channel].first += 1
        for attempt in attempts:
            price = _price(table, attempt.channel, story) if attempt.is_accepted else 0.0
            share = outlook.channels[attempt.channel]
            share.accepted += attempt.is_accepted
            share.judged += attempt.is_accepted and attempt.receipt is not None
            delivered = float(attempt.delivered_s is not None)
            outlook.add(attempt.channel, delivered, price, attempt.delivered_s)
    return outlook


def _price(table: Table, channel: str, story: Story) -> float:
    message = story.message
    entries = table.entries(message.country, message.network)
    price = next((entry.price for entry in entries if entry.channel == channel), 0.0)
    return price * Facts.of(message, 1).segments


def replay(stories: Iterable[Story], table: Table, experience: Experience) -> Outlook:
    """Send the same messages by a table."""
    router = _Router(table, experience)
    outlook = Outlook()
    for story in stories:
        outlook.messages += 1
        outlook.judged += 1
        _send(router, story, outlook)
    return outlook


def _send(router: "_Router", story: Story, outlook: Outlook) -> None:
    message, reached = story.message, 1.0
    tried: list[str] = []
    for n in range(1, message.policy.max_attempts + 1):
        facts = Facts.of(message, n)
        chosen = router.choose(facts, message.accepted_at.timestamp(), tried, reached)
        if chosen.channel is None or chosen.row is None:
            if n == 1:
                outlook.unroutable[f"{message.country}: {_why(chosen)}"] += 1
            return
        channel, expected = chosen.channel, router.expected(chosen.channel, message.country)
        share = outlook.channels[channel]
        if n == 1:
            share.first += 1
            share.bases[expected.basis] += 1
            if expected.basis is not Basis.SEEN:
                outlook.unseen[channel, message.country, expected.basis] += 1
        accepted = reached * expected.accepted
        share.accepted += accepted
        share.judged += accepted
        cost = accepted * chosen.row.entry.price * facts.segments
        outlook.add(channel, accepted * expected.delivered, cost, expected.delivered_s)
        tried.append(channel)
        reached -= accepted


def _why(chosen: Choice) -> str:
    reasons = sorted(set(chosen.decision.excluded.values()))
    return f"{chosen.why} ({'; '.join(reasons)})" if reasons else str(chosen.why)


class _Router:
    """The router's choice, on what is expected instead of what is reported."""

    def __init__(self, table: Table, experience: Experience) -> None:
        self._table = table
        self._experience = experience
        self._loads = Loads()
        self._expected: dict[tuple[str, str], Expected] = {}
        self._rankings: dict[tuple[str, ...], Ranking] = {}

    def expected(self, channel: str, country: str) -> Expected:
        key = channel, country
        if key not in self._expected:
            self._expected[key] = self._experience.expected(channel, country)
        return self._expected[key]

    def choose(self, facts: Facts, now: float, tried: Sequence[str], reached: float) -> Choice:
        def view(channel: str) -> View:
            expected = self.expected(channel, facts.country)
            return View(quality=_stepped(expected.accepted * expected.delivered))

        chosen = choose(
            self._ranking(facts, view),
            facts,
            view,
            lambda entry: self._loads.wait_s(entry, 0, now),
            tried,
        )
        if chosen.row is not None:
            self._loads.planned(chosen.row.entry, now, reached)
        return chosen

    def _ranking(self, facts: Facts, view: Views) -> Ranking:
        table = self._table
        rule = table.rules.rule_for(facts)
        network = table.network(facts.country, facts.network)
        key = (facts.country, network, facts.routing, rule.name if rule else "")
        if key not in self._rankings:
            entries = table.entries(facts.country, network)
            ranking = self._rankings[key] = rank(entries, facts.routing, view, rule)
            ranking.excluded = table.excluded_in(facts.country)
        return self._rankings[key]


def _stepped(quality: float) -> float:
    return round(round(quality / _STEP) * _STEP, 3)
