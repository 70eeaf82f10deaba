"""Fakes of the router's ports, and events to feed it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from router.health_watch import HealthWatch
from router.metrics import RouterMetrics
from router.service import Arrival, PlanAttempts, Wait
from yizhan_contracts import ids
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    AttemptPlanned,
    ChannelConfigured,
    ChannelReported,
    CountryOutcomes,
    CountryRoute,
    Event,
    Lane,
    MessageAccepted,
    Origin,
    OriginKind,
    Policy,
    Protocol,
    RerouteRequested,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime.errors import Retryable
from yizhan_telecom.attempts import tried_with
from yizhan_telecom.choice import Chooser, Table
from yizhan_telecom.health import Health

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


@dataclass
class FakeClock:
    """A clock that tests turn."""

    passed_s: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s

    async def sleep(self, seconds: float) -> None:
        self.passed_s += seconds


@dataclass
class FakePublisher:
    """Keeps what is published; fails as often as it is told to."""

    events: list[Event] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    calls: int = 0
    failures: int = 0

    async def publish(self, events: Sequence[Event]) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise Retryable("Kafka is away")
        self.events += events

    async def publish_tombstones(self, topic: str, keys: Iterable[str]) -> None:
        assert topic == "channel.configured.v1"
        self.tombstones += keys


@dataclass
class FakeTopics:
    """Topics that are there, but for the channels named."""

    without: dict[str, str] = field(default_factory=dict)
    is_away: bool = False

    async def missing(self, channels: Iterable[str]) -> dict[str, str]:
        if self.is_away:
            raise Retryable("Kafka is away")
        return {name: self.without[name] for name in channels if name in self.without}


@dataclass
class FakeFile:
    """A channel table in memory."""

    text: bytes
    touched: int = 0

    def load(self) -> bytes:
        return self.text

    def stamp(self) -> object:
        return self.touched

    def write(self, text: str) -> None:
        self.text = text.encode()
        self.touched += 1


def channel(name: str, *, priority: int = 10, **values: Any) -> ChannelConfigured:
    countries = values.pop("countries", ("*",))
    return ChannelConfigured(
        channel=name,
        carrier=name,
        carrier_account=name,
        protocol=Protocol.HTTP_JSON,
        countries={country: CountryRoute(priority=priority) for country in countries},
        configured_at=START,
        **values,
    )


def message(number: int = 1, **values: Any) -> MessageAccepted:
    recipient = "+33612345678"
    policy = values.pop("policy", Policy())
    return MessageAccepted(
        message_id=ids.new_message_id(recipient, 1_700_000_000_000, lambda _: number),
        account_id="demo",
        lane=values.pop("lane", Lane.STANDARD),
        recipient=recipient,
        country=values.pop("country", "FR"),
        sender="Yizhan",
        text=values.pop("text", "Your parcel is on its way."),
        charging_num=1,
        policy=policy,
        origin=Origin(kind=OriginKind.API, arrived_at=START),
        accepted_at=START,
        valid_until=values.pop("valid_until", START + timedelta(hours=1)),
        **values,
    )


def finished(
    of: MessageAccepted,
    outcome: AttemptOutcome,
    *,
    n: int = 1,
    on: str = "a",
    reason: Reason = Reason.NONE,
    tried: tuple[str, ...] = (),
) -> AttemptFinished:
    return AttemptFinished(
        attempt_id=ids.attempt_id(of.message_id, n),
        message_id=of.message_id,
        n=n,
        channel=on,
        outcome=outcome,
        reason=reason,
        country=of.country,
        tried=tried_with(tried, on),
        message=of,
        finished_at=START,
    )


def reroute(
    of: MessageAccepted, *, n: int = 1, tried: tuple[str, ...] = ("a",)
) -> RerouteRequested:
    return RerouteRequested(
        message_id=of.message_id,
        n=n,
        reason=Reason.CARRIER_ERROR,
        tried=tried,
        message=of,
        requested_at=START,
    )


class Router:
    """The use case on fakes."""

    def __init__(
        self, *channels: ChannelConfigured, excluded: dict[str, str] | None = None
    ) -> None:
        self.clock = FakeClock()
        self.publisher = FakePublisher()
        self.registry = CollectorRegistry()
        self.health = Health()
        metrics = RouterMetrics(self.registry)
        self.watch = HealthWatch(self.health, metrics, self.clock)
        self.chooser = Chooser(Table(()), self.health)
        self.use(Table(channels, excluded))
        self.watch.catch_up()
        self.use_case = PlanAttempts(
            self.chooser,
            self.health,
            self.watch,
            self.publisher,
            metrics,
            self.clock,
            patience_s=20.0,
        )
        self._counts: dict[str, int] = {}

    def use(self, table: Table) -> None:
        self.watch.use(table)
        self.chooser.use(table)

    async def take(
        self, *events: MessageAccepted | AttemptFinished | RerouteRequested, waited_s: float = 0.0
    ) -> list[tuple[int, Wait]]:
        since = self.clock.now() - timedelta(seconds=waited_s) if waited_s else None
        return await self.use_case.take([Arrival(event, since) for event in events])

    @property
    def plans(self) -> list[AttemptPlanned]:
        return [event for event in self.publisher.events if isinstance(event, AttemptPlanned)]

    @property
    def plan(self) -> AttemptPlanned:
        (plan,) = self.plans
        return plan

    def break_channels(self, *names: str, refused: bool = False) -> None:
        """Let adapters report failures until the circuits of these channels are open."""
        for name in names:
            for failed in (0, 20, 40):
                counts = CountryOutcomes(**{"refused" if refused else "failed": failed})
                self.report(name, {"FR": counts, "DE": counts})

    def report(
        self, name: str, countries: dict[str, CountryOutcomes], *, bound: bool = True
    ) -> None:
        report = ChannelReported(
            channel=name,
            instance="i",
            incarnation="x",
            bound=bound,
            window_free=100,
            backlog=0,
            countries=countries,
            reported_at=self.clock.now(),
        )
        self.watch.on_reported(f"{name}:i", report)
