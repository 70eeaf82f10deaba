"""Who routes: ours, an oracle, static priorities, and GOV.UK Notify's rule."""

import random
from collections import deque
from datetime import UTC, datetime

from bench.routing.carriers import Carrier, Condition
from bench.routing.world import PLAN_LAG_S, Message, World
from yizhan_contracts.events import (
    ChannelConfigured,
    ChannelReported,
    CountryRoute,
    DeliveryReported,
    Protocol,
    RoutingPolicy,
)
from yizhan_contracts.reasons import Reason
from yizhan_telecom.choice import Chooser, Facts, Table
from yizhan_telecom.health import Health, Transition

Chosen = tuple[str | None, float]
"""A channel, and else how long to wait before asking again (0: not at all)."""
MOST_ATTEMPTS = 3


class Contestant:
    """What all have in common."""

    name = ""
    has_breaker = True
    reroutes = False
    """Tries another channel when a receipt says that a message was lost."""

    def begin(self, world: World) -> None:
        self.world = world
        self.order = sorted(world.channels.values(), key=lambda c: c.carrier.priority)

    def choose(self, _message: Message, _avoided: tuple[str, ...]) -> Chosen:
        raise NotImplementedError

    def retry_s(self, message: Message, _reason: Reason) -> float | None:
        """Say when to try again what failed at its submit, None for never."""
        return 0.0 if message.n < MOST_ATTEMPTS else None

    def failed(self, _message: Message, _channel: str) -> None: ...
    def taken(self, _message: Message, _channel: str) -> None: ...
    def receipted(self, _message: Message, _channel: str, *, is_delivered: bool) -> None: ...
    def reported(self, report: ChannelReported | DeliveryReported) -> None: ...


class Oracle(Contestant):
    """Knows the truth of this very moment."""

    name = "oracle"
    reroutes = True

    def choose(self, message: Message, avoided: tuple[str, ...]) -> Chosen:
        world = self.world

        def condition(name: str) -> Condition:
            return world.channels[name].carrier.conditions(world.now, message.country)

        by_policy = self.order
        if world.scenario.routing is RoutingPolicy.COST:
            by_policy = sorted(self.order, key=lambda channel: channel.carrier.price)
        well = [c.name for c in by_policy if condition(c.name).is_well and c.name not in avoided]
        return (well[0] if well else self.order[-1].name), 0.0


class Static(Contestant):
    """The first of a list that is bound, the next one when a submit fails.

    As Jasmin's FailoverMTRoute and Kannel's preferred-smsc do it, with what is generous in both: a
    failed submit goes on at once, and a queue is handed back when its bind has gone.
    """

    name = "static priorities"

    def choose(self, _message: Message, avoided: tuple[str, ...]) -> Chosen:
        by_policy = self.order
        if self.world.scenario.routing is RoutingPolicy.COST:
            by_policy = sorted(self.order, key=lambda channel: channel.carrier.price)
        bound = [c.name for c in by_policy if c.is_bound and c.name not in avoided]
        return (bound[0] if bound else by_policy[-1].name), 0.0


class Notify(Contestant):
    """GOV.UK Notify's: two carriers drawn by weight, the weights moved by 10 points.

    alphagov/notifications-api at 8ea2366 (2026-08-20): resting at 51 and 49. Away from a carrier
    with more than 50 failed submits within 60 s, at most once a minute (send_to_providers.py); or
    of whose messages of the last 15 minutes at least 15 % took or have taken 5 minutes, while the
    other's did not, looked at every minute, at most every 10 (scheduled_tasks.py). Back by 10 every
    5 minutes once nothing has moved for 15 (provider_details_dao.py). A failed submit is tried
    again at once, then every 5 minutes (provider_tasks.py).
    """

    name = "Notify's rule"
    has_breaker = False

    def begin(self, world: World) -> None:
        super().begin(world)
        self.order = self.order[:2]
        self.weights = dict(zip([c.name for c in self.order], (51, 49), strict=True))
        self._resting = dict(self.weights)
        self._drawn = random.Random(world.seed + 3)
        self._moved_at = float("-inf")
        self.moves = 0
        self._errors: dict[str, deque[float]] = {c.name: deque() for c in self.order}
        self._sent: dict[str, deque[Message]] = {c.name: deque() for c in self.order}
        self._sent_at: dict[int, float] = {}
        self._failed_at_carrier: set[int] = set()
        world.at(60.0, self._look_for_slow)
        world.at(300.0, self._tend_back)

    def choose(self, _message: Message, _avoided: tuple[str, ...]) -> Chosen:
        return self._drawn.choices(tuple(self.weights), tuple(self.weights.values()))[0], 0.0

    def retry_s(self, message: Message, _reason: Reason) -> float | None:
        return 0.0 if message.n == 1 else 300.0

    def failed(self, _message: Message, channel: str) -> None:
        errors, now = self._errors[channel], self.world.now
        errors.append(now)
        while errors[0] < now - 60.0:
            errors.popleft()
        if len(errors) > 50:
            self._reduce(channel, at_most_every_s=60.0)

    def taken(self, message: Message, channel: str) -> None:
        self._sent[channel].append(message)
        self._sent_at[message.number] = self.world.now

    def receipted(self, message: Message, _channel: str, *, is_delivered: bool) -> None:
        if not is_delivered:
            self._failed_at_carrier.add(message.number)

    def _look_for_slow(self) -> None:
        slow = {name: self._is_slow(name) for name in self.weights}
        if len(set(slow.values())) > 1:
            for name in (name for name, is_slow in slow.items() if is_slow):
                self._reduce(name, at_most_every_s=600.0)
        self.world.at(self.world.now + 60.0, self._look_for_slow)

    def _is_slow(self, channel: str) -> bool:
        sent, now = self._sent[channel], self.world.now
        while sent and sent[0].accepted_at < now - 900.0:
            sent.popleft()
        judged = [m for m in sent if m.number not in self._failed_at_carrier]
        slow = sum((m.delivered_at or now) - self._sent_at[m.number] >= 300.0 for m in judged)
        return bool(judged) and slow >= 0.15 * len(judged)

    def _reduce(self, channel: str, at_most_every_s: float) -> None:
        now = self.world.now
        if now - self._moved_at < at_most_every_s:
            return
        self._moved_at = now
        self.moves += 1
        for name in self.weights:
            step = -10 if name == channel else 10
            self.weights[name] = min(100, max(0, self.weights[name] + step))

    def _tend_back(self) -> None:
        now = self.world.now
        if now - self._moved_at >= 900.0 and self.weights != self._resting:
            self._moved_at = now
            self.moves += 1
            for name, target in self._resting.items():
                self.weights[name] += max(-10, min(10, target - self.weights[name]))
        self.world.at(now + 300.0, self._tend_back)


class Ours(Contestant):
    """The real choice on the real health, in several router instances, fed by real reports."""

    name = "Yizhan"
    reroutes = True
    patience_s = 20.0

    def __init__(self, instances: int = 3) -> None:
        self._instances = instances

    def begin(self, world: World) -> None:
        super().begin(world)
        self._lags = random.Random(world.seed + 4)
        self.transitions: list[tuple[float, Transition]] = []
        table = Table([configured(channel.carrier) for channel in self.order])
        self._routers = [self._router(table) for _ in range(self._instances)]
        self._advanced_at = [0.0] * self._instances

    def _router(self, table: Table) -> tuple[Health, Chooser]:
        health = Health()
        health.keep(table.channels, 0.0)
        return health, Chooser(table, health)

    def choose(self, message: Message, avoided: tuple[str, ...]) -> Chosen:
        at, now = message.number % self._instances, self.world.now
        health, chooser = self._routers[at]
        self._advance(at, health)
        facts = Facts(
            message.message_id,
            message.n,
            message.country,
            routing=self.world.scenario.routing,
            may_probe=message.n < MOST_ATTEMPTS,
        )
        chosen = chooser.choose(facts, now, avoided)
        if chosen.channel is None and avoided:
            chosen = chooser.choose(facts, now)
        if chosen.is_unreachable and message.waited_s < self.patience_s:
            return None, 5.0
        return chosen.channel, 0.0

    def _advance(self, at: int, health: Health) -> None:
        if self.world.now - self._advanced_at[at] >= 0.1:
            self._advanced_at[at] = self.world.now
            self._note(at, health.advance(self.world.now))

    def _note(self, at: int, transitions: list[Transition]) -> None:
        if at == 0:
            self.transitions += [(self.world.now, transition) for transition in transitions]

    def reported(self, report: ChannelReported | DeliveryReported) -> None:
        for at in range(self._instances):
            lag_s = PLAN_LAG_S * (0.5 + self._lags.random())
            self.world.at(self.world.now + lag_s, self._hear, at, report)

    def _hear(self, at: int, report: ChannelReported | DeliveryReported) -> None:
        health, now = self._routers[at][0], self.world.now
        self._advance(at, health)
        if isinstance(report, ChannelReported):
            self._note(at, health.channel_reported(report, now))
        else:
            self._note(at, health.delivery_reported(report, now))


def configured(carrier: Carrier) -> ChannelConfigured:
    return ChannelConfigured(
        channel=carrier.name,
        carrier=carrier.name,
        carrier_account=carrier.name,
        protocol=Protocol.HTTP_JSON,
        tps=500,
        countries={"*": CountryRoute(price=carrier.price, priority=carrier.priority)},
        configured_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
