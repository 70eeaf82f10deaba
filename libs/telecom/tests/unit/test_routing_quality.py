"""Health and choice together, against carriers that fail: how many messages a fault costs.

A small world in simulated time: messages come at a steady rate, carriers answer after a latency,
adapters report four times a second what has been answered. Everything is seeded.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from libs.telecom.tests.unit.reports import Adapter
from libs.telecom.tests.unit.test_choice import channel, facts

from yizhan_telecom.choice import Chooser, Table
from yizhan_telecom.health import Health

COUNTRIES = ("FR", "DE", "IT", "ES", "PL", "GB")
STEP_S = 0.05
Fault = Callable[[float, str], float]
"""Share of submits that fail, at a time, in a country."""


@dataclass
class World:
    """Three channels, the preferred one with a fault."""

    rate: float
    fault: Fault
    latency_s: float = 0.1
    fault_latency_s: float = 0.1
    sent: list[tuple[float, str, str, bool]] = field(default_factory=list)
    """When, channel, country, whether it failed."""

    def run(self, seconds: float, seed: int = 1) -> "World":
        rng, health = random.Random(seed), Health()
        names = ["a", "b", "c"]
        health.keep(names, 0.0)
        table = Table(
            [
                channel(n, priority=10 + at, countries=COUNTRIES, tps=10_000)
                for at, n in enumerate(names)
            ]
        )
        chooser = Chooser(table, health)
        self.adapters = {name: Adapter(health, channel=name, window=100_000) for name in names}
        answers: deque[tuple[float, str, str, bool]] = deque()
        due, number = 0.0, 0
        for step in range(int(seconds / STEP_S)):
            now = step * STEP_S
            due += self.rate * STEP_S
            while due >= 1:
                due, number = due - 1, number + 1
                self._send(chooser, rng, now, number, answers)
            answers = deque(sorted(answers))
            while answers and answers[0][0] <= now:
                self._answer(*answers.popleft())
            if step % 5 == 0:
                for adapter in self.adapters.values():
                    adapter.at = now
                    adapter.report()
        return self

    def _send(
        self,
        chooser: Chooser,
        rng: random.Random,
        now: float,
        number: int,
        answers: "deque[tuple[float, str, str, bool]]",
    ) -> None:
        country = rng.choice(COUNTRIES)
        taken = chooser.choose(facts(rng.getrandbits(64) ^ number, country=country), now).channel
        assert taken is not None
        fails = taken == "a" and rng.random() < self.fault(now, country)
        self.sent.append((now, taken, country, fails))
        self.adapters[taken].in_flight += 1
        answers.append(
            (now + (self.fault_latency_s if fails else self.latency_s), taken, country, fails)
        )

    def _answer(self, _at: float, name: str, country: str, fails: bool) -> None:  # noqa: FBT001
        adapter = self.adapters[name]
        adapter.in_flight -= 1
        adapter.count(country, ok=not fails, bad=fails, ms=self.latency_s * 1000)

    def share_of_a(self, since: float, until: float, *countries: str) -> float:
        taken = [
            name
            for at, name, country, _ in self.sent
            if since <= at < until and (not countries or country in countries)
        ]
        return taken.count("a") / len(taken)

    @property
    def failed(self) -> int:
        return sum(fails for *_, fails in self.sent)

    @property
    def opened(self) -> int:
        return sum(t.after == "open" for t in self.adapters["a"].transitions)


def between(start: float, end: float, share: float = 1.0, *countries: str) -> Fault:
    def fault(now: float, country: str) -> float:
        hit = start <= now < end and (not countries or country in countries)
        return share if hit else 0.0

    return fault


@pytest.mark.parametrize("rate", [10, 100, 1000])
def test_a_dead_carrier_is_left_within_a_second(rate: int) -> None:
    world = World(rate, between(10, 99)).run(20)
    late = [at for at, name, *_ in world.sent if name == "a" and at >= 11]
    assert world.share_of_a(5, 10) == 1.0
    assert len(late) <= 0.1 * rate * 9 + 8  # probes only
    assert world.failed <= rate * 1.0 + 60


def test_a_carrier_that_never_answers_is_left_before_its_timeouts() -> None:
    world = World(200, between(10, 99), fault_latency_s=3.0).run(15)
    assert world.share_of_a(11.75, 15) < 0.12


def test_a_third_of_errors_moves_the_traffic_away() -> None:
    world = World(200, between(10, 60, 0.3)).run(40)
    assert world.share_of_a(15, 40) < 0.15


def test_a_carrier_dead_in_one_country_keeps_the_others() -> None:
    world = World(200, between(10, 99, 1.0, "FR")).run(30)
    assert world.share_of_a(12, 30, "FR") < 0.12
    assert world.share_of_a(12, 30, "DE", "IT", "ES", "PL", "GB") > 0.98


@pytest.mark.parametrize("rate", [5, 100])
@pytest.mark.parametrize("down_s", [5, 60])
def test_a_carrier_that_is_back_is_used_again_within_30_s(rate: int, down_s: int) -> None:
    world = World(rate, between(10, 10 + down_s)).run(50 + down_s)
    assert world.share_of_a(40 + down_s, 50 + down_s) > 0.95


def test_a_carrier_without_fault_keeps_its_traffic() -> None:
    world = World(200, between(0, 999, 0.03)).run(120)
    assert world.share_of_a(0, 120) > 0.99
    assert world.opened == 0


def test_switches_stay_below_three_times_the_faults() -> None:
    def flapping(now: float, _country: str) -> float:
        return 1.0 if int(now / 10) % 2 else 0.0

    world = World(100, flapping).run(200)  # ten faults
    assert world.opened <= 30
