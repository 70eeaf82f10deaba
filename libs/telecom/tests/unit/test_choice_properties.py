"""What holds of every choice, whatever the table, the health and the message."""

import random
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from libs.telecom.tests.unit.reports import EPOCH, Adapter, health_of
from libs.telecom.tests.unit.test_choice import Ranked, facts

from yizhan_contracts.events import (
    CarrierTemplate,
    ChannelConfigured,
    CountryRoute,
    NetworkRoute,
    Protocol,
    RoutingPolicy,
    SenderKind,
    SenderRules,
    TemplateState,
    TemplateUse,
)
from yizhan_telecom.choice import Chooser, Facts, Rule, Table, Why
from yizhan_telecom.health import DEFAULT_RULES, Kind, State, View

TEMPLATE = TemplateUse(template_id="parcel", version=1, language="en")
NETWORK = "20801"
NAMES = ("a", "b", "c", "d", "e", "f")

senders = st.builds(
    SenderRules,
    kinds=st.sampled_from([(), (SenderKind.ALPHANUMERIC,), (SenderKind.NUMERIC,)]),
    registered=st.sampled_from([(), ("SHOP",), ("OTHER",)]),
)
routes = st.builds(
    CountryRoute,
    price=st.sampled_from([0.0, 0.01, 0.05, 0.05, 0.2]),
    priority=st.sampled_from([1, 1, 2, 3]),
    weight=st.integers(0, 100),
    networks=st.sampled_from([{}, {NETWORK: NetworkRoute(price=0.001, priority=0)}]),
    senders=senders,
)
templates = st.sampled_from(
    [
        {},
        {"parcel@1": CarrierTemplate(code="T1")},
        {"parcel@1": CarrierTemplate(code="T1", state=TemplateState.PENDING)},
    ]
)


@st.composite
def channels(draw: st.DrawFn, name: str) -> ChannelConfigured:
    return ChannelConfigured(
        channel=name,
        carrier=name,
        carrier_account=name,
        protocol=Protocol.HTTP_JSON,
        enabled=draw(st.booleans()) or draw(st.booleans()),
        draining=draw(st.booleans()) and draw(st.booleans()),
        test=draw(st.booleans()) and draw(st.booleans()),
        countries={draw(st.sampled_from(["FR", "*", "DE"])): draw(routes)},
        unicode=draw(st.booleans()),
        max_segments=draw(st.sampled_from([None, 1, 2])),
        needs_templates=draw(st.booleans()),
        templates=draw(templates),
        configured_at=EPOCH,
    )


tables = st.tuples(*(channels(name) for name in NAMES)).map(list)
messages = st.builds(
    Facts,
    message_id=st.integers(0, 2**128 - 1).map("{:032x}".format),
    n=st.integers(1, 3),
    country=st.sampled_from(["FR", "DE", "BR"]),
    routing=st.sampled_from(RoutingPolicy),
    is_test=st.booleans(),
    network=st.sampled_from(["", NETWORK, "99999"]),
    account_id=st.sampled_from(["shop", "exam"]),
    is_sticky=st.booleans(),
    sender=st.sampled_from(["SHOP", "12345", "+33123456789"]),
    template=st.sampled_from([None, TEMPLATE]),
    text=st.sampled_from(["short", "ü" * 10, "快递" * 40, "long " * 80]),
)
rules = st.sampled_from(
    [
        (),
        (Rule("split", accounts=("shop",), shares={"a": 70, "b": 30}),),
        (Rule("cheap", countries=("FR",), routing=RoutingPolicy.COST),),
    ]
)
held = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["held", "no topics"]), max_size=3)
tries = st.sets(st.sampled_from(NAMES), max_size=4)


@settings(max_examples=80, deadline=None)
@given(tables, messages, rules, held, tries, st.integers(0, 2**32))
def test_every_channel_is_a_candidate_or_has_a_reason(
    table: list[ChannelConfigured],
    message: Facts,
    by: tuple[Rule, ...],
    excluded: Mapping[str, str],
    tried: set[str],
    seed: int,
) -> None:
    health, rng = health_of(*NAMES), random.Random(seed)
    for name in NAMES:
        Adapter(health, channel=name).run(1, "FR", ok=rng.choice([0, 5]), bad=rng.choice([0, 0, 9]))
    chooser = Chooser(Table(table, excluded, by), health)
    told = chooser.explain(message, 2.0, tried)
    candidates = [one.entry.channel for one in told.candidates]
    assert sorted([*candidates, *told.excluded]) == sorted(NAMES)
    assert all(told.excluded.values())
    assert all(one.candidate().note for one in told.candidates)
    assert {one.entry.channel for one in told.candidates if one.is_tried} == tried & {*candidates}
    if told.choice.channel is None:
        assert not set(candidates) - tried
        return
    assert told.choice.channel in set(candidates) - tried
    first = told.candidates[0]
    assert not first.is_tried
    shown = {candidate.channel for candidate in told.choice.decision.candidates}
    assert told.choice.channel in shown
    assert not shown & told.choice.decision.excluded.keys()


@settings(max_examples=60, deadline=None)
@given(tables, messages, st.integers(0, 2**32))
def test_a_message_is_never_given_to_a_channel_that_does_not_take_it(
    table: list[ChannelConfigured], message: Facts, seed: int
) -> None:
    health = health_of(*NAMES)
    chooser = Chooser(Table(table), health)
    chosen = chooser.choose(message, float(seed % 100))
    if chosen.row is None:
        assert chosen.why in (Why.NO_ROUTE, Why.NOT_TAKEN)
        return
    assert chosen.row.entry.refusal(message) == ""
    configured = chosen.row.entry.configured
    assert configured.test is message.is_test
    assert configured.enabled
    assert not configured.draining


# Monotonicity

states = st.sampled_from(State)
views = st.builds(
    View,
    state=states,
    kind=st.just(Kind.ERRORS),
    quality=st.sampled_from([0.5, 0.8, 0.95]),
)


def plain(name: str, price: float, priority: int) -> ChannelConfigured:
    return ChannelConfigured(
        channel=name,
        carrier=name,
        carrier_account=name,
        protocol=Protocol.HTTP_JSON,
        countries={"FR": CountryRoute(price=price, priority=priority)},
        configured_at=EPOCH,
    )


worlds = st.fixed_dictionaries(
    {name: st.tuples(st.integers(1, 9), st.integers(1, 5), views) for name in NAMES}
)


def ranked(
    world: Mapping[str, tuple[int, int, View]], routing: RoutingPolicy, worse: View | None = None
) -> Ranked:
    table = [plain(name, price / 100, priority) for name, (price, priority, _) in world.items()]
    seen = {name: view for name, (_, _, view) in world.items()}
    return Ranked(table, seen | ({"a": worse} if worse else {}), routing)


@given(worlds, st.sampled_from(RoutingPolicy), states)
def test_who_gets_worse_gains_nothing(
    world: Mapping[str, tuple[int, int, View]], routing: RoutingPolicy, state: State
) -> None:
    before = world["a"][2]
    order = [State.HEALTHY, State.DEGRADED, State.PROBING, State.OPEN]
    if order.index(state) < order.index(before.state):
        return
    of = facts()
    after = ranked(world, routing, replace(before, state=state)).choose(of)
    if after.channel == "a":
        assert ranked(world, routing).choose(of).channel == "a"


@given(worlds, st.sampled_from(RoutingPolicy))
def test_nobody_ill_is_taken_while_somebody_is_well(
    world: Mapping[str, tuple[int, int, View]], routing: RoutingPolicy
) -> None:
    best = min((view.state for _, _, view in world.values()), key=list(State).index)
    chosen = ranked(world, routing).choose(facts()).channel
    assert chosen is not None
    assert world[chosen][2].state is best


@given(worlds)
def test_cost_takes_the_cheapest_that_is_well(world: Mapping[str, tuple[int, int, View]]) -> None:
    chosen = ranked(world, RoutingPolicy.COST).choose(facts()).channel
    assert chosen is not None
    state = world[chosen][2].state
    cheapest = min(price for price, _, view in world.values() if view.state is state)
    assert world[chosen][0] == cheapest


@given(st.integers(0, 2**16 - 1), st.sampled_from(NAMES))
def test_a_recipient_keeps_their_sender_when_another_channel_goes(shard: int, gone: str) -> None:
    table = [plain(name, 0.05, 1) for name in NAMES]
    message_id = f"{0:012x}{shard:04x}{7:016x}"
    of = Facts(message_id, 1, "FR", is_sticky=True)
    again = Facts(f"{1:012x}{shard:04x}{9:016x}", 2, "FR", is_sticky=True)
    taken = Ranked(table, {}).choose(of)
    assert Ranked(table, {}).choose(again).channel == taken.channel
    left = Ranked([one for one in table if one.channel != gone], {}).choose(of)
    assert taken.channel in (left.channel, gone)


# Probes and flapping


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.floats(1.0, 2_000.0))
def test_probes_stay_within_their_share_at_any_rate(seed: int, rate: float) -> None:
    health, rng = health_of(), random.Random(seed)
    adapter = Adapter(health)
    adapter.run(1, "FR", "DE", bad=5)
    adapter.run(2.5)
    assert health.view("a", "FR").state is State.PROBING
    now, sent, seconds = adapter.at, 0, 20.0
    for number in range(int(rate * seconds)):
        at = now + number / rate
        if health.is_probe_due("a", "FR", at, rng.random()):
            health.probed("a", "FR", at)
            sent += 1
    rules = DEFAULT_RULES
    share = rules.probe_share * rate * seconds
    assert sent <= min(seconds / rules.probe_every_s + 1, 1.5 * share + 20 + seconds / 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), min_size=1, max_size=60))
def test_a_carrier_that_does_its_worst_is_left_for_longer_each_time(
    phases: list[tuple[bool, int]],
) -> None:
    health = health_of()
    adapter = Adapter(health)
    for is_well, quarters in phases:
        adapter.run(quarters / 4, "FR", "DE", ok=5 * is_well, bad=5 * (not is_well))
    opened = sum(t.after is State.OPEN for t in adapter.transitions if t.country == "*")
    # Holds of 2, 4, 8 and then 16 seconds.
    assert opened <= 4 + adapter.at / (DEFAULT_RULES.hold_most_s / 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.0, 0.06), st.integers(1, 40))
def test_noise_alone_never_opens_a_channel(seed: int, share: float, each: int) -> None:
    health, rng = health_of(), random.Random(seed)
    adapter = Adapter(health)
    for _ in range(480):
        bad = sum(rng.random() < share for _ in range(each))
        adapter.count("FR", ok=each - bad, bad=bad).report()
    assert State.OPEN not in {t.after for t in adapter.transitions}
