"""Receipts that stay away: judged when they are due and not before, against what is usual."""

import random
from bisect import bisect_left
from datetime import timedelta
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libs.telecom.tests.unit.reports import EPOCH, Adapter, health_of

from yizhan_contracts.events import RECEIPT_AGES_S, CountryReceipts, DeliveryReported
from yizhan_telecom.health import DEFAULT_RULES, Health, Kind, State
from yizhan_telecom.health.silence import Silence
from yizhan_telecom.health.states import WHOLE

BUCKETS = len(RECEIPT_AGES_S) + 1


def by_age(*ages_s: float) -> list[int]:
    counts = [0] * BUCKETS
    for age_s in ages_s:
        counts[bisect_left(RECEIPT_AGES_S, age_s)] += 1
    return counts


class Carrier:
    """One channel's traffic, a country at a time: submits now, receipts when they are due."""

    def __init__(self, health: Health, name: str = "a", median_s: float = 2.0) -> None:
        self.health, self.name, self.median_s = health, name, median_s
        self.adapter = Adapter(health, channel=name)
        self.rng = random.Random(5)
        self.silent_in: set[str] = set()
        self.due: list[tuple[float, float, str]] = []
        self.ages: dict[str, list[int]] = {}

    def run(self, seconds: float, *countries: str, each: int = 5) -> "Carrier":
        for step in range(int(seconds * 4)):
            for country in countries or ("FR",):
                self._send(country, each)
            self.adapter.report()
            if step % 4 == 0:
                self._receipts()
        return self

    def _send(self, country: str, count: int) -> None:
        now = self.adapter.at
        self.adapter.count(country, ok=count)
        for _ in range(0 if country in self.silent_in else count):
            if self.rng.random() < 0.95:
                age_s = self.median_s * exp(self.rng.gauss(0, 0.7))
                self.due.append((now + age_s, age_s, country))

    def _receipts(self) -> None:
        now = self.adapter.at
        came = [one for one in self.due if one[0] <= now]
        self.due = [one for one in self.due if one[0] > now]
        for _, age_s, country in came:
            counts = self.ages.setdefault(country, [0] * BUCKETS)
            counts[bisect_left(RECEIPT_AGES_S, age_s)] += 1
        if came or not self.ages:
            self.health.delivery_reported(self._report(now), now)

    def _report(self, now: float) -> DeliveryReported:
        countries = {
            name: CountryReceipts(delivered=sum(counts), delivered_by_age=tuple(counts))
            for name, counts in self.ages.items()
        }
        return DeliveryReported(
            channel=self.name,
            instance="r1",
            incarnation="x",
            countries=countries,
            reported_at=EPOCH + timedelta(seconds=now),
        )

    def state(self, country: str = "FR") -> State:
        return self.health.view(self.name, country).state


def test_a_carrier_that_falls_silent_is_left_soon_after_its_receipts_are_due() -> None:
    carrier = Carrier(health_of()).run(30)
    assert carrier.state() is State.HEALTHY
    carrier.silent_in = {"FR"}
    carrier.run(7)
    assert carrier.health.view("a", "FR").kind is Kind.SILENT
    assert carrier.state() in (State.OPEN, State.PROBING)


def test_a_carrier_whose_receipts_are_always_late_is_left_alone() -> None:
    carrier = Carrier(health_of(), median_s=40.0).run(240)
    assert carrier.state() is State.HEALTHY
    assert not carrier.adapter.transitions


def test_a_carrier_that_never_sends_receipts_is_not_missed() -> None:
    carrier = Carrier(health_of())
    carrier.silent_in = {"FR"}
    carrier.run(120)
    assert carrier.state() is State.HEALTHY


def test_a_silent_country_leaves_the_others_alone() -> None:
    health = health_of()
    carrier = Carrier(health).run(40, "FR", "DE", "IT")
    carrier.silent_in = {"FR"}
    carrier.run(8, "FR", "DE", "IT")
    assert carrier.state("FR") is not State.HEALTHY
    assert (carrier.state("DE"), carrier.state("IT")) == (State.HEALTHY, State.HEALTHY)


def test_silence_of_all_carriers_is_our_own_and_moves_the_traffic_once_at_most() -> None:
    health = health_of("a", "b")
    one, other = Carrier(health, "a"), Carrier(health, "b")
    for _ in range(40):
        one.run(1)
        other.run(1)
    one.silent_in = other.silent_in = {"FR"}
    for _ in range(40):
        one.run(1)
        other.run(1)
    silent = [name for name in "ab" if health.view(name, WHOLE).kind is Kind.SILENT]
    assert len(silent) <= 1


def test_probes_wait_for_their_receipts() -> None:
    carrier = Carrier(health_of()).run(30)
    carrier.silent_in = {"FR"}
    carrier.run(7)
    while carrier.state() is not State.PROBING:
        carrier.run(0.25, each=0)
    now, sent = carrier.adapter.at, 0
    for _ in range(200):
        now += 0.1
        if carrier.health.is_probe_due("a", "FR", now, 0.0):
            carrier.health.probed("a", "FR", now)
            sent += 1
    assert sent <= DEFAULT_RULES.trial_unheard


def test_a_silent_carrier_that_speaks_again_is_used_again() -> None:
    carrier = Carrier(health_of()).run(30)
    carrier.silent_in = {"FR"}
    carrier.run(7)
    carrier.silent_in = set()
    carrier.run(25, each=1)
    assert carrier.state() is State.HEALTHY


@pytest.mark.parametrize("age_s", [600.0, 14_400.0])
def test_what_is_heard_of_old_messages_is_held_against_nobody(age_s: float) -> None:
    carrier = Carrier(health_of()).run(30)
    lost = tuple(500 * count for count in by_age(age_s))
    for number in range(1, 5):
        report = DeliveryReported(
            channel="a",
            instance="r2",
            incarnation="x",
            countries={
                "FR": CountryReceipts(
                    failed=500 * number,
                    overdue=900 * number,
                    failed_by_age=tuple(number * count for count in lost),
                )
            },
            reported_at=EPOCH,
        )
        carrier.health.delivery_reported(report, carrier.adapter.at)
        carrier.run(1)
    assert carrier.state() is State.HEALTHY


# Right-censoring


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_what_is_too_young_is_not_judged(counts: list[int]) -> None:
    silence = learned()
    at = 1_000.0
    for number, count in enumerate(counts):
        silence.submitted(at + 0.05 * number, count)
    young = at + silence.horizon_s
    judged = silence.judge(young, is_normal=True)
    assert (judged.heard, judged.missing) == (0, 0)
    later = silence.judge(young + 10.0, is_normal=True)
    assert later.missing == sum(counts)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 20.0), st.integers(1, 30))
def test_usual_receipts_of_any_delay_are_no_evidence(seed: int, median_s: float, each: int) -> None:
    carrier = Carrier(health_of(), median_s=median_s)
    carrier.rng = random.Random(seed)
    carrier.run(120, each=each)
    assert State.OPEN not in {t.after for t in carrier.adapter.transitions}


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_a_country_borrows_from_its_channel_once_receipts_have_come(share: float) -> None:
    whole = learned(share)
    country = Silence(DEFAULT_RULES, whole)
    country.submitted(0.0, 5)
    country.heard(2.0, by_age(1.5, 1.5, 1.5))
    assert not country.is_learned
    country.judge(20.0, is_normal=True)
    assert country.is_learned
    assert country.horizon_s == whole.horizon_s


def learned(share: float = 1.0) -> Silence:
    silence = Silence(DEFAULT_RULES)
    for second in range(60):
        silence.submitted(float(second), 10)
        silence.heard(second + 1.0, by_age(*[1.5] * int(10 * share)))
        silence.judge(second + 1.0, is_normal=True)
    silence.judge(100.0, is_normal=True)
    assert silence.is_learned
    return silence
