"""Health: how soon a fault is seen, how far it reaches, how it heals, and that it does not flap."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libs.telecom.tests.unit.reports import Adapter, Receiver, health_of

from yizhan_contracts.events import CountryOutcomes
from yizhan_telecom.health import Health, Kind, State
from yizhan_telecom.health.states import WHOLE


def state(health: Health, country: str = "FR") -> State:
    return health.view("a", country).state


# How soon


def test_a_channel_that_nobody_reports_is_taken_to_be_healthy() -> None:
    assert state(health_of()) is State.HEALTHY
    assert Health().view("unknown", "FR").state is State.HEALTHY


def test_first_report_of_an_instance_is_history() -> None:
    health = health_of()
    adapter = Adapter(health, counts={"FR": CountryOutcomes(failed=500)})
    assert not adapter.transitions
    assert state(health) is State.HEALTHY


def test_a_broken_channel_is_left_with_the_second_report_that_shows_it() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(10, ok=20)
    adapter.count(bad=20).report()
    adapter.count(bad=20)
    (left,) = adapter.report()
    assert (left.after, left.kind, left.after_s) == (State.OPEN, Kind.ERRORS, 0.25)


def test_what_fails_together_once_does_not_open() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(10, ok=20)
    adapter.count(bad=200).report()
    adapter.run(10, ok=20)
    assert State.OPEN not in {t.after for t in adapter.transitions}


def test_five_failures_in_a_row_are_enough_for_a_quiet_country() -> None:
    health = health_of()
    adapter = Adapter(health)
    for sent in range(5):
        assert state(health) is State.HEALTHY, sent
        adapter.count(bad=1).report()
    assert state(health) is State.OPEN


def test_thin_failures_over_many_countries_open_the_channel_as_a_whole() -> None:
    health = health_of()
    adapter = Adapter(health)
    for country in ("FR", "DE", "IT", "ES", "PL"):
        adapter.count(country, bad=1).report()
    assert state(health, WHOLE) is State.OPEN
    assert state(health, "PT") is State.OPEN


def test_an_unbound_channel_is_avoided_at_once_and_open_after_a_second() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(2, ok=5)
    adapter.is_bound = False
    assert not adapter.report()
    assert health.view("a", "FR").is_paused
    (left,) = health.advance(adapter.at + 0.8)
    assert (left.after, left.kind) == (State.OPEN, Kind.UNBOUND)


def test_a_bind_that_blinks_is_held_against_nobody() -> None:
    health = health_of()
    adapter = Adapter(health)
    for _ in range(20):
        adapter.run(2, ok=5)
        adapter.is_bound = False
        adapter.run(0.5)
        adapter.is_bound = True
    assert not adapter.transitions


def test_messages_in_flight_without_answers_degrade_before_their_timeout() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(5, ok=10)
    adapter.in_flight = 60
    adapter.run(1.5)
    assert health.view("a", "FR").kind is Kind.STALLED
    assert state(health) is State.DEGRADED


def test_an_adapter_that_is_silent_says_nothing_about_its_carrier() -> None:
    health = health_of()
    adapter = Adapter(health, in_flight=60)
    adapter.run(5, ok=10)
    assert not health.advance(adapter.at + 4)


def test_nothing_from_any_of_several_carriers_is_our_own_fault() -> None:
    health = health_of("a", "b")
    adapters = [Adapter(health), Adapter(health, channel="b")]
    for _ in range(20):
        for adapter in adapters:
            adapter.count(ok=5).report()
            adapter.in_flight = 60
    for _ in range(20):
        for adapter in adapters:
            adapter.report()
    assert not [t for adapter in adapters for t in adapter.transitions]


def test_slow_answers_degrade() -> None:
    health = health_of()
    adapter = Adapter(health)
    for _ in range(8):
        adapter.count(ok=5, ms=4000).report()
    assert (state(health), health.view("a", "FR").kind) == (State.DEGRADED, Kind.SLOW)


# How far


def test_a_channel_dead_in_one_country_goes_on_in_the_others() -> None:
    health = health_of()
    adapter = Adapter(health)
    for _ in range(40):
        adapter.count("FR", bad=20).count("DE", ok=20).report()
    assert state(health, "FR") in (State.OPEN, State.PROBING)
    assert state(health, "DE") is State.HEALTHY
    assert state(health, "PT") is State.HEALTHY


def test_the_only_country_with_traffic_cannot_condemn_the_others() -> None:
    health = health_of()
    Adapter(health).run(1, "FR", bad=50)
    assert state(health, "FR") is State.OPEN
    assert state(health, "DE") is not State.OPEN


def test_two_dead_countries_condemn_a_channel() -> None:
    health = health_of()
    Adapter(health).run(1, "FR", "DE", bad=5)
    assert state(health, "PT") is State.OPEN


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_wrong_numbers_are_no_fault_of_the_channel(refused: int) -> None:
    health = health_of()
    Adapter(health).run(60, ok=8, refused=refused)
    assert state(health) is State.HEALTHY


def test_a_channel_that_refuses_nearly_all_is_left() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(10, ok=10)
    adapter.run(1, ok=1, refused=9)
    assert (state(health), health.view("a", "FR").kind) == (State.OPEN, Kind.REFUSALS)


def test_a_channel_that_takes_all_and_delivers_none_is_left() -> None:
    health = health_of()
    Adapter(health).run(10, ok=10)
    receiver = Receiver(health)
    receiver.report(delivered=30)
    receiver.report(failed=5)
    receiver.report(failed=5)
    assert (state(health), health.view("a", "FR").kind) == (State.OPEN, Kind.LOSSES)


def test_a_normal_share_of_undelivered_is_no_fault() -> None:
    health = health_of()
    receiver = Receiver(health)
    for _ in range(60):
        receiver.report(delivered=9, failed=1)
    assert state(health) is State.HEALTHY


def test_quality_falls_with_losses_and_is_shared_with_quiet_countries() -> None:
    health = health_of()
    receiver = Receiver(health)
    for _ in range(60):
        receiver.report("FR", delivered=8, failed=2)
    assert health.view("a", "FR").quality <= 0.85
    assert health.view("a", "FR").quality <= health.view("a", "DE").quality < 0.95


def test_throttling_is_seen_and_passes() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.throttled = 30
    adapter.count(ok=20).report()
    assert health.view("a", "FR").is_paused
    adapter.run(1.5, ok=5)
    assert not health.view("a", "FR").is_paused


def test_backlog_of_all_live_instances_adds_up_and_a_ghost_does_not() -> None:
    health = health_of()
    one, two = Adapter(health), Adapter(health, instance="i2")
    one.backlog, two.backlog = 40, 30
    one.report()
    two.report()
    assert health.backlog("a") == 70
    one.at = 20.0
    one.report()
    assert health.backlog("a") == 40


def test_a_killed_instance_that_was_bound_does_not_hide_that_the_other_is_not() -> None:
    health = health_of()
    Adapter(health, instance="ghost")
    live = Adapter(health, instance="live", at=60.0)
    live.is_bound = False
    live.run(1.5)
    assert state(health) is State.OPEN


def test_a_channel_that_binds_after_its_start_has_nothing_to_prove() -> None:
    health = health_of()
    adapter = Adapter(health, is_bound=False)
    adapter.run(2)
    assert state(health) is State.OPEN
    adapter.is_bound = True
    adapter.report()
    assert state(health) is State.HEALTHY


def test_counts_of_a_new_incarnation_begin_at_zero() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(5, ok=100)
    adapter.counts, adapter.incarnation = {}, "y"
    adapter.count(bad=10).report()
    adapter.count(bad=10).report()
    assert state(health) is State.OPEN


# How it heals


def broken() -> tuple[Health, Adapter]:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(1, "FR", "DE", bad=5)
    assert state(health) is State.OPEN
    return health, adapter


def test_an_open_channel_is_probed_after_its_hold_and_closes_when_probes_succeed() -> None:
    health, adapter = broken()
    adapter.run(2.5)
    assert state(health) is State.PROBING
    adapter.run(1.5, ok=1)
    assert state(health) is State.HEALTHY


def test_a_failed_trial_doubles_the_hold() -> None:
    health, adapter = broken()
    adapter.run(2.5)
    adapter.run(0.5, bad=1)
    assert state(health) is State.OPEN
    adapter.run(3)
    assert state(health) is State.OPEN
    adapter.run(1.5)
    assert state(health) is State.PROBING


def test_what_is_still_in_flight_does_not_count_while_open() -> None:
    health, adapter = broken()
    adapter.run(1, bad=50)
    adapter.run(2)
    assert state(health) is State.PROBING


def test_probes_are_a_bounded_share() -> None:
    health, adapter = broken()
    adapter.run(2.5)
    rng, now, probes = random.Random(1), adapter.at, 0
    for _ in range(10_000):
        now += 0.001
        if health.is_probe_due("a", "FR", now, rng.random()):
            health.probed("a", "FR", now)
            probes += 1
    assert 20 <= probes <= 101


def test_with_little_traffic_a_probe_goes_out_all_the_same() -> None:
    health, adapter = broken()
    adapter.run(2.5)
    assert not health.is_probe_due("a", "FR", adapter.at, 0.9)
    assert health.is_probe_due("a", "FR", adapter.at + 3, 0.9)


def test_a_healthy_channel_needs_no_probe() -> None:
    assert not health_of().is_probe_due("a", "FR", 100.0, 0.0)


def test_degraded_lasts_its_dwell_and_needs_good_outcomes() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(5, ok=17, bad=3)
    assert state(health) is State.DEGRADED
    adapter.run(3, ok=20)
    assert state(health) is State.DEGRADED
    adapter.run(10)
    assert state(health) is State.DEGRADED
    adapter.run(2, ok=5)
    assert state(health) is State.HEALTHY


def test_a_bind_that_comes_back_is_on_trial() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(2, ok=5)
    adapter.is_bound = False
    adapter.run(2)
    adapter.is_bound = True
    adapter.report()
    assert state(health) is State.PROBING
    adapter.run(1.5, ok=2)
    assert state(health) is State.HEALTHY


def test_countries_begin_anew_when_the_whole_channel_is_back() -> None:
    health = health_of()
    adapter = Adapter(health)
    adapter.run(1, "FR", "DE", bad=5)
    adapter.run(2.5)
    adapter.run(1.5, "FR", ok=3)
    assert state(health, "DE") is State.HEALTHY


# That it does not flap


@pytest.mark.parametrize("share", [0.02, 0.05, 0.08])
@pytest.mark.parametrize("seed", range(5))
def test_ordinary_errors_never_open(share: float, seed: int) -> None:
    health, rng = health_of(), random.Random(seed)
    adapter = Adapter(health)
    for _ in range(1200):
        bad = sum(rng.random() < share for _ in range(5))
        adapter.count(ok=5 - bad, bad=bad).report()
    assert not [t for t in adapter.transitions if t.after is State.OPEN]


@pytest.mark.parametrize("seed", range(5))
def test_a_share_between_two_thresholds_switches_seldom(seed: int) -> None:
    health, rng = health_of(), random.Random(seed)
    adapter = Adapter(health)
    for _ in range(1200):
        bad = sum(rng.random() < 0.09 for _ in range(20))
        adapter.count(ok=20 - bad, bad=bad).report()
    assert len([t for t in adapter.transitions if t.country == "FR"]) <= 30


def test_a_flapping_carrier_is_left_alone_for_longer_each_time() -> None:
    health = health_of()
    adapter = Adapter(health)
    for _ in range(60):  # five minutes: 2 s down, 3 s up
        adapter.run(2, bad=5)
        adapter.run(3, ok=5)
    opened = [t for t in adapter.transitions if t.after is State.OPEN and t.country == "FR"]
    assert len(opened) <= 30


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["FR", "DE"]),
            st.integers(0, 30),
            st.integers(0, 10),
            st.integers(0, 30),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_is_reported_two_readers_agree_and_all_heals(
    reports: list[tuple[str, int, int, int, bool]],
) -> None:
    pair = [health_of(), health_of()]
    adapters = [Adapter(health) for health in pair]
    for country, ok, refused, bad, is_bound in reports:
        for adapter in adapters:
            adapter.is_bound = is_bound
            adapter.count(country, ok=ok, refused=refused, bad=bad).report()
    one, two = pair
    assert [one.view("a", c) for c in ("FR", "DE", WHOLE)] == [
        two.view("a", c) for c in ("FR", "DE", WHOLE)
    ]
    adapters[0].is_bound = True
    adapters[0].run(60, "FR", "DE", ok=5)
    assert {state(one, c) for c in ("FR", "DE", WHOLE)} == {State.HEALTHY}


def test_memory_is_bounded() -> None:
    health = health_of()
    for number in range(200):
        Adapter(health, instance=f"i{number}", at=float(number)).count(f"{number:03}", ok=1)
    adapter = Adapter(health)
    for number in range(1000):
        adapter.count(f"{number:03}", ok=1)
    adapter.report()
    assert len(health.countries("a")) == 400
    health.keep(["b"], 1.0)
    assert health.countries("a") == ()


def test_reports_of_other_channels_are_not_kept() -> None:
    health = health_of("a")
    Adapter(health, channel="gone").run(1, bad=9)
    assert not health.is_reported("gone")
    assert health.is_reported("a") is False
