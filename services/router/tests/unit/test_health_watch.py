"""A router that starts comes to know what those know that have been running."""

from datetime import timedelta

from prometheus_client import CollectorRegistry
from services.router.tests.unit.fakes import START, FakeClock, channel

from router.health_watch import REPLAYED_S, HealthWatch
from router.metrics import RouterMetrics
from yizhan_contracts.events import (
    ChannelReported,
    CountryOutcomes,
    CountryReceipts,
    DeliveryReported,
)
from yizhan_telecom.choice import Table
from yizhan_telecom.health import Health, State

Report = ChannelReported | DeliveryReported


class Router:
    """What one instance knows of channels."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.health = Health()
        self.watch = HealthWatch(self.health, RouterMetrics(CollectorRegistry()), clock)
        self.watch.use(Table((channel("a"), channel("b"))))

    def hear(self, report: Report) -> None:
        self.watch.on_reported(report.key(), report)

    def states(self) -> dict[str, State]:
        return {name: self.health.view(name, "FR").state for name in "ab"}


def reports(seconds: int) -> list[Report]:
    """Have ``a`` fail after 30 s, and ``b`` be well; receipts are reported once a second."""
    made: list[Report] = []
    for tick in range(seconds * 4):
        at, good = START + timedelta(seconds=tick / 4), min(tick, 120)
        made += [
            ChannelReported(
                channel=name,
                instance="i",
                incarnation="x",
                bound=True,
                window_free=100,
                backlog=0,
                countries={
                    "FR": CountryOutcomes(submitted=good, failed=tick - good)
                    if name == "a"
                    else CountryOutcomes(submitted=tick)
                },
                reported_at=at,
            )
            for name in "ab"
        ]
        if tick % 4 == 0:
            made.append(
                DeliveryReported(
                    channel="b",
                    instance="r",
                    incarnation="x",
                    countries={"FR": CountryReceipts(delivered=tick)},
                    reported_at=at,
                )
            )
    return made


def test_who_starts_now_knows_what_those_know_who_have_been_there() -> None:
    clock = FakeClock()
    old = Router(clock)
    old.watch.catch_up()
    said = reports(40)
    for report in said:
        clock.passed_s = max(clock.passed_s, (report.reported_at - START).total_seconds())
        old.hear(report)
        old.watch.advance()
    assert old.states() == {"a": State.OPEN, "b": State.HEALTHY}

    new = Router(clock)
    # Table by table, as they are read.
    for kind in (ChannelReported, DeliveryReported):
        for report in said:
            if isinstance(report, kind):
                new.hear(report)
    new.watch.catch_up()
    assert new.states() == old.states()
    for name in "ab":
        assert new.health.view(name, "FR").quality == old.health.view(name, "FR").quality


def test_what_is_older_than_the_replay_is_only_what_later_counts_are_compared_with() -> None:
    clock = FakeClock()
    said = [report for report in reports(40) if isinstance(report, ChannelReported)]
    clock.passed_s = 40 + 2 * REPLAYED_S
    router = Router(clock)
    router.hear(said[-2])
    router.watch.catch_up()
    assert router.states() == {"a": State.HEALTHY, "b": State.HEALTHY}
