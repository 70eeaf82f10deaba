"""Reporters for tests: they count as adapters and receipts do, and hand out reports."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from yizhan_contracts.events import (
    ChannelReported,
    CountryOutcomes,
    CountryReceipts,
    DeliveryReported,
)
from yizhan_telecom.health import Health, Transition

EPOCH = datetime(2026, 11, 23, 10, tzinfo=UTC)


@dataclass
class Adapter:
    """One adapter instance on one channel. ``at`` is the time of its next report."""

    health: Health
    channel: str = "a"
    instance: str = "i1"
    incarnation: str = "x"
    is_bound: bool = True
    window: int = 100
    in_flight: int = 0
    backlog: int = 0
    throttled: int = 0
    at: float = 0.0
    transitions: list[Transition] = field(default_factory=list)
    counts: dict[str, CountryOutcomes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.report()

    def count(
        self, country: str = "FR", *, ok: int = 0, refused: int = 0, bad: int = 0, ms: float = 50
    ) -> "Adapter":
        before = self.counts.get(country, CountryOutcomes())
        self.counts[country] = CountryOutcomes(
            submitted=before.submitted + ok,
            refused=before.refused + refused,
            failed=before.failed + bad,
            in_doubt=before.in_doubt,
            latency_ms_sum=before.latency_ms_sum + ms * (ok + refused),
        )
        return self

    def report(self) -> list[Transition]:
        report = ChannelReported(
            channel=self.channel,
            instance=self.instance,
            incarnation=self.incarnation,
            bound=self.is_bound,
            window_free=self.window - self.in_flight,
            backlog=self.backlog,
            throttled=self.throttled,
            countries=dict(self.counts),
            reported_at=EPOCH + timedelta(seconds=self.at),
        )
        made = self.health.advance(self.at) + self.health.channel_reported(report, self.at)
        self.transitions += made
        self.at += 0.25
        return made

    def run(
        self, seconds: float, *countries: str, ok: int = 0, bad: int = 0, refused: int = 0
    ) -> None:
        """Report four times a second, each time so many outcomes in each country."""
        for _ in range(int(seconds * 4)):
            for country in countries or ("FR",):
                self.count(country, ok=ok, bad=bad, refused=refused)
            self.report()


@dataclass
class Receiver:
    """One receipts instance's word on one channel."""

    health: Health
    channel: str = "a"
    at: float = 0.0
    counts: dict[str, CountryReceipts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.report()

    def report(
        self, country: str = "FR", *, delivered: int = 0, failed: int = 0
    ) -> list[Transition]:
        before = self.counts.get(country, CountryReceipts())
        self.counts[country] = CountryReceipts(
            delivered=before.delivered + delivered, failed=before.failed + failed
        )
        event = DeliveryReported(
            channel=self.channel,
            instance="r1",
            incarnation="x",
            countries=dict(self.counts),
            reported_at=EPOCH + timedelta(seconds=self.at),
        )
        made = self.health.delivery_reported(event, self.at)
        self.at += 1.0
        return made


def health_of(*channels: str) -> Health:
    health = Health()
    health.keep(channels or ("a",), 0.0)
    return health
