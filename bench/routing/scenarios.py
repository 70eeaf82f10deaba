"""The faults: what happens to which carrier, when and where."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bench.routing.carriers import WELL, Carrier, Condition
from yizhan_contracts.events import RoutingPolicy

ONSET_S = 60.0
"""Time to learn how soon receipts usually come."""
COUNTRIES = {
    "FR": 30,
    "DE": 22,
    "GB": 18,
    "IT": 12,
    "ES": 8,
    "PL": 5,
    "NL": 3,
    "PT": 1.5,
    "IS": 0.5,
}
"""And how much of the traffic goes there."""
BAD = "alpha"
CARRIERS = (
    Carrier(BAD, price=0.040, priority=10),
    Carrier("bravo", price=0.046, priority=20),
    Carrier("charlie", price=0.055, priority=30, receipt_median_s=4.0),
    Carrier("delta", price=0.070, priority=40, receipt_median_s=1.0),
)
During = Callable[[float], bool]


@dataclass(frozen=True)
class Scenario:
    """One fault of the preferred carrier."""

    name: str
    condition: Condition
    """While the fault is on."""
    periods: tuple[tuple[float, float], ...] = ((ONSET_S, ONSET_S + 300.0),)
    countries: frozenset[str] = frozenset(COUNTRIES)
    is_hard: bool = False
    """The oracle is to be met within 2 %."""
    routing: RoutingPolicy = RoutingPolicy.QUALITY
    rate: float = 50.0
    after_s: float = 120.0
    carriers: tuple[Carrier, ...] = field(default=CARRIERS)

    @property
    def ends_at(self) -> float:
        return self.periods[-1][1] + self.after_s

    def is_on(self, now: float, country: str) -> bool:
        """Tell whether the fault is on."""
        return country in self.countries and any(a <= now < b for a, b in self.periods)

    def at_rate(self, rate: float) -> "Scenario":
        return replace(self, rate=rate)

    def made(self) -> tuple[Carrier, ...]:
        """Give the carriers, one of them with the fault."""

        def conditions(now: float, country: str) -> Condition:
            return self.condition if self.is_on(now, country) else WELL

        return tuple(
            carrier.with_conditions(conditions) if carrier.name == BAD else carrier
            for carrier in self.carriers
        )


def _flapping(times: int, seconds: float) -> tuple[tuple[float, float], ...]:
    starts = [ONSET_S + 2 * seconds * number for number in range(times)]
    return tuple((start, start + seconds) for start in starts)


SCENARIOS = (
    Scenario("hard down", Condition(is_up=False), is_hard=True),
    Scenario("30 % errors", Condition(error_ratio=0.3)),
    Scenario("takes all, delivers none, silent", Condition(silent_ratio=1.0), is_hard=True),
    Scenario("takes all, delivers none, says so", Condition(lost_ratio=1.0), is_hard=True),
    Scenario("slows to 10 s", Condition(latency_s=10.0)),
    Scenario(
        "dead in one country",
        Condition(error_ratio=1.0),
        countries=frozenset({"DE"}),
        is_hard=True,
    ),
    Scenario(
        "down for a minute, recovers",
        Condition(is_up=False),
        periods=((ONSET_S, ONSET_S + 60.0),),
        is_hard=True,
    ),
    Scenario("flaps: 20 s down, 20 s up", Condition(error_ratio=1.0), periods=_flapping(8, 20.0)),
    Scenario(
        "brown-out of the cheapest",
        Condition(lost_ratio=0.4, error_ratio=0.05),
        routing=RoutingPolicy.COST,
    ),
)
