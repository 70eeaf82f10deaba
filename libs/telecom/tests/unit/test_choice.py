"""Choice: who is a candidate, in which order, how equals share, and that it can be replayed."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libs.telecom.tests.unit.reports import EPOCH, Adapter

from yizhan_contracts import ids
from yizhan_contracts.events import (
    ChannelConfigured,
    CountryRoute,
    Lane,
    Protocol,
    RoutingPolicy,
)
from yizhan_telecom.choice import (
    Choice,
    Chooser,
    Entry,
    Facts,
    Rule,
    Table,
    Why,
    choose,
    rank,
)
from yizhan_telecom.choice.choosing import IsProbeDue
from yizhan_telecom.health import Health, Kind, State, View

QUALITY, COST, BALANCED = RoutingPolicy.QUALITY, RoutingPolicy.COST, RoutingPolicy.BALANCED


def channel(
    name: str,
    *,
    price: float = 0.05,
    priority: int = 10,
    weight: int = 100,
    countries: tuple[str, ...] = ("FR",),
    enabled: bool = True,
    test: bool = False,
    tps: float = 100,
) -> ChannelConfigured:
    route = CountryRoute(price=price, priority=priority, weight=weight)
    return ChannelConfigured(
        channel=name,
        carrier=name,
        carrier_account=name,
        protocol=Protocol.HTTP_JSON,
        enabled=enabled,
        test=test,
        tps=tps,
        countries=dict.fromkeys(countries, route),
        configured_at=EPOCH,
    )


def facts(number: int = 0, **changes: object) -> Facts:
    message_id = ids.new_message_id("+33612345678", 1_700_000_000_000 + number, lambda _: number)
    values: dict[str, object] = {"message_id": message_id, "n": 1, "country": "FR"} | changes
    return Facts(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Ranked:
    """A table and what health says of its channels, ready to be chosen from."""

    channels: list[ChannelConfigured]
    views: Mapping[str, View]
    routing: RoutingPolicy = QUALITY
    country: str = "FR"
    rule: Rule | None = None
    backlogs: Mapping[str, int] = field(default_factory=dict)

    def wait_s(self, entry: Entry) -> float:
        return self.backlogs.get(entry.channel, 0) / entry.tps

    def view(self, name: str) -> View:
        return self.views.get(name, View())

    def choose(
        self, of: Facts, tried: Collection[str] = (), is_probe_due: IsProbeDue | None = None
    ) -> Choice:
        table = Table(self.channels)
        entries = table.entries(self.country, of.network)
        ranking = rank(entries, self.routing, self.view, self.rule)
        return choose(ranking, of, self.view, self.wait_s, tried, is_probe_due)

    def order(self) -> list[str]:
        """Take one after the other, each time never those before."""
        taken: list[str] = []
        while (chosen := self.choose(facts(n=1), taken).channel) is not None:
            taken.append(chosen)
        return taken


def ranked(
    channels: list[ChannelConfigured],
    views: Mapping[str, View] | None = None,
    routing: RoutingPolicy = QUALITY,
    country: str = "FR",
    backlogs: Mapping[str, int] | None = None,
) -> Ranked:
    return Ranked(channels, views or {}, routing, country, backlogs=backlogs or {})


def order(found: Ranked) -> list[str]:
    return found.order()


def choose_from(
    found: Ranked,
    of: Facts,
    tried: Collection[str] = (),
    is_probe_due: IsProbeDue | None = None,
) -> Choice:
    return found.choose(of, tried, is_probe_due)


# Who


def test_only_channels_of_the_country_are_candidates() -> None:
    channels = [channel("fr"), channel("de", countries=("DE",)), channel("all", countries=("*",))]
    assert sorted(order(ranked(channels))) == ["all", "fr"]
    assert order(ranked(channels, country="BR")) == ["all"]


def test_disabled_and_excluded_channels_are_none_and_the_table_says_why() -> None:
    table = Table(
        [channel("off", enabled=False), channel("new"), channel("ok")], {"new": "no topics"}
    )
    assert [entry.channel for entry in table.entries("FR")] == ["ok"]
    assert table.excluded == {"off": "disabled", "new": "no topics"}


def test_tests_go_to_channels_for_tests_and_nothing_else_does() -> None:
    table = Table([channel("real"), channel("sandbox", test=True)])
    assert [entry.channel for entry in table.entries("FR")] == ["real"]
    assert [entry.channel for entry in table.entries("FR", is_test=True)] == ["sandbox"]


def test_no_channel_is_no_route() -> None:
    chosen = choose_from(ranked([]), facts())
    assert (chosen.channel, chosen.why) == (None, Why.NO_ROUTE)


def test_all_tried_is_exhausted() -> None:
    chosen = choose_from(ranked([channel("a"), channel("b")]), facts(n=3), ("a", "b"))
    assert (chosen.channel, chosen.why) == (None, Why.EXHAUSTED)


# In which order


def test_quality_prefers_priority_then_what_arrives() -> None:
    channels = [channel("a", priority=20), channel("b"), channel("c")]
    views = {"b": View(quality=0.8), "c": View(quality=0.95)}
    assert order(ranked(channels, views)) == ["c", "b", "a"]


def test_cost_prefers_the_cheapest_healthy() -> None:
    channels = [channel("dear", price=0.09), channel("cheap", price=0.02, priority=90)]
    assert order(ranked(channels, routing=COST)) == ["cheap", "dear"]
    views = {"cheap": View(State.DEGRADED, Kind.ERRORS)}
    assert order(ranked(channels, views, COST)) == ["dear", "cheap"]


@pytest.mark.parametrize(("quality", "first"), [(0.95, "cheap"), (0.7, "dear")])
def test_balanced_pays_for_what_arrives(quality: float, first: str) -> None:
    channels = [channel("dear", price=0.06), channel("cheap", price=0.03)]
    views = {"cheap": View(quality=quality)}
    assert order(ranked(channels, views, BALANCED))[0] == first


def test_health_comes_before_everything() -> None:
    names = ["open", "probing", "degraded", "full", "healthy"]
    channels = [channel(name, priority=at, price=at) for at, name in enumerate(names)]
    views = {
        "open": View(State.OPEN, Kind.ERRORS),
        "probing": View(State.PROBING, Kind.ERRORS),
        "degraded": View(State.DEGRADED, Kind.SLOW),
    }
    for routing in RoutingPolicy:
        found = ranked(channels, views, routing, backlogs={"full": 1024})
        assert order(found) == names[::-1]


def test_full_means_more_than_two_seconds_of_its_rate() -> None:
    channels = [channel("slow", tps=10), channel("fast", tps=1000, priority=20)]
    found = ranked(channels, backlogs={"slow": 128, "fast": 128})
    assert order(found) == ["fast", "slow"]


def test_all_broken_gives_the_best_of_them_and_says_so() -> None:
    views = {"a": View(State.OPEN, Kind.ERRORS), "b": View(State.OPEN, Kind.ERRORS)}
    chosen = choose_from(ranked([channel("a"), channel("b", priority=5)], views), facts())
    assert (chosen.channel, chosen.why, chosen.is_unreachable) == ("b", Why.BROKEN, True)


def test_a_carrier_that_refuses_can_be_reached() -> None:
    views = {"a": View(State.OPEN, Kind.REFUSALS)}
    assert not choose_from(ranked([channel("a")], views), facts()).is_unreachable


# How equals share


def test_equals_share_by_weight() -> None:
    ranking = ranked([channel("a", weight=70), channel("b", weight=30), channel("c", weight=0)])
    rng = iter(range(10**9))
    taken = Counter(
        choose_from(ranking, facts(hash((next(rng), "x")) & (2**64 - 1))).channel
        for _ in range(20_000)
    )
    assert taken["c"] == 0
    assert 0.68 < taken["a"] / 20_000 < 0.72


def test_sequential_ids_share_as_well_as_random_ones() -> None:
    ranking = ranked([channel("a"), channel("b")])
    taken = Counter(choose_from(ranking, facts(number)).channel for number in range(10_000))
    assert 0.45 < taken["a"] / 10_000 < 0.55


def test_weights_of_nought_are_used_when_there_is_nothing_else() -> None:
    assert (
        choose_from(ranked([channel("a", weight=0), channel("b", weight=0)]), facts()).channel
        == "a"
    )


@given(st.integers(0, 2**64 - 1), st.integers(1, 9))
def test_a_replay_chooses_alike(number: int, n: int) -> None:
    channels = [channel("a", weight=70), channel("b", weight=30)]
    again = [choose_from(ranked(channels), facts(number, n=n)).channel for _ in range(2)]
    assert again[0] == again[1]


@given(st.sets(st.sampled_from("abcde")), st.integers(0, 2**64 - 1))
def test_never_a_channel_that_was_tried(tried: set[str], number: int) -> None:
    chosen = choose_from(ranked([channel(name) for name in "abcde"]), facts(number), tried)
    assert (chosen.channel is None) == (len(tried) == 5)
    assert chosen.channel not in tried


# Probes


PROBING = {"a": View(State.PROBING, Kind.ERRORS)}


def test_a_probe_goes_to_what_would_be_preferred_were_it_well() -> None:
    ranking = ranked([channel("a"), channel("b", priority=20)], PROBING)
    chosen = choose_from(ranking, facts(), is_probe_due=lambda _name, _draw: True)
    assert (chosen.channel, chosen.why) == ("a", Why.PROBE)
    assert choose_from(ranking, facts(), is_probe_due=lambda _name, _draw: False).channel == "b"


def test_what_would_not_be_taken_when_well_is_not_probed() -> None:
    ranking = ranked([channel("a", priority=20), channel("b")], PROBING)
    assert choose_from(ranking, facts(), is_probe_due=lambda _name, _draw: True).channel == "b"


@pytest.mark.parametrize(("may_probe", "tried"), [(False, ()), (True, ("c",))])
def test_a_message_that_may_not_be_risked_is_no_probe(
    *, may_probe: bool, tried: tuple[str, ...]
) -> None:
    ranking = ranked([channel("a"), channel("b", priority=20), channel("c", priority=30)], PROBING)
    chosen = choose_from(ranking, facts(may_probe=may_probe), tried, lambda _name, _draw: True)
    assert chosen.channel == "b"


def test_where_nothing_is_better_every_message_may_probe_one_at_a_time() -> None:
    ranking = ranked([channel("a")], PROBING)
    urgent = facts(lane=Lane.URGENT, may_probe=False)
    due = choose_from(ranking, urgent, is_probe_due=lambda _name, draw: draw == 0.0)
    assert (due.why, due.is_unreachable) == (Why.PROBE, False)
    not_due = choose_from(ranking, urgent, is_probe_due=lambda _name, _draw: False)
    assert (not_due.why, not_due.is_unreachable) == (Why.BROKEN, True)


# What travels with the attempt


def test_the_decision_shows_candidates_the_chosen_one_among_them() -> None:
    channels = [channel(f"c{number:02}", priority=number) for number in range(20)]
    tried = [f"c{number:02}" for number in range(15)]
    chosen = choose_from(ranked(channels), facts(n=2), tried)
    shown = [candidate.channel for candidate in chosen.decision.candidates]
    assert chosen.channel == "c15"
    assert shown == ["c00", "c01", "c02", "c15"]
    assert chosen.decision.candidates[0].note.startswith("tried, ")


def test_the_note_says_what_speaks_against() -> None:
    views = {"a": View(State.DEGRADED, Kind.ERRORS, 0.85, note="errors: 12 of 60")}
    (candidate,) = choose_from(ranked([channel("a")], views), facts()).decision.candidates
    assert candidate.state == "degraded"
    assert candidate.note == "priority 10, price 0.05, quality 0.85, errors: 12 of 60"


# Kept rankings


def test_a_kept_ranking_is_made_anew_when_health_or_table_change() -> None:
    health = Health()
    health.keep(["a", "b"], 0.0)
    chooser = Chooser(Table([channel("a"), channel("b", priority=20)]), health)
    assert chooser.choose(facts(), 0.0).channel == "a"
    Adapter(health).run(1, bad=5)
    assert chooser.choose(facts(), 1.5).channel == "b"
    chooser.use(Table([channel("a")]))
    assert chooser.choose(facts(), 1.5).channel == "a"


def test_probes_taken_are_noted() -> None:
    health = Health()
    health.keep(["a", "b"], 0.0)
    chooser = Chooser(Table([channel("a"), channel("b", priority=20)]), health)
    adapter = Adapter(health)
    adapter.run(1, bad=5)
    adapter.run(2.5)
    now = adapter.at + 3
    taken = [chooser.choose(facts(number), now).why for number in range(50)]
    assert taken.count(Why.PROBE) == 1
