"""The world: messages come, are planned, queued, submitted, answered and receipted. Virtual time.

Adapters behave as ours do where a router can see it: window, TPS, the real breaker, hand-back of
what is queued on a channel that is down, four reports a second; receipts count with the real code.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.routing.carriers import Answer, Carrier, Fate
from bench.routing.scenarios import COUNTRIES, Scenario
from carrier_adapter.domain.breaker import Breaker, State
from carrier_adapter.sending.channel import Counts
from receipts.ledger.deliveries import Deliveries
from yizhan_contracts.events import ChannelReported, DeliveryReported, ReceiptState
from yizhan_contracts.reasons import Reason

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
PLAN_LAG_S = 0.03
"""From an event to its reader, over Kafka."""
REPORT_S = 0.25
RECEIPTS_S = 1.0
SUBMIT_TIMEOUT_S = 15.0
DOWN_AFTER_S = 3.0
VALID_S = 300.0
WINDOW, TPS = 200, 500.0


@dataclass(slots=True)
class Message:
    """One message, and all that became of it."""

    number: int
    message_id: str
    country: str
    accepted_at: float
    n: int = 1
    tried: tuple[str, ...] = ()
    waited_s: float = 0.0
    delivered_at: float | None = None
    copies: int = 0
    cost: float = 0.0


@dataclass(slots=True)
class HandedOver:
    """A message handed to a channel, or planned on it."""

    at: float
    channel: str
    country: str


class Channel:
    """One channel with its adapter."""

    def __init__(self, carrier: Carrier, world: "World", *, has_breaker: bool) -> None:
        self.carrier = carrier
        self.name = carrier.name
        self.queue: deque[Message] = deque()
        self.open_messages = 0
        self.counts: dict[str, Counts] = {}
        self.is_changed = True
        self._breaker = Breaker(DOWN_AFTER_S) if has_breaker else None
        self._world = world
        self._next_at = 0.0
        self._is_waiting = False

    @property
    def is_bound(self) -> bool:
        return self._breaker is None or self._breaker.state in (State.CLOSED, State.TRIAL)

    def put(self, message: Message) -> None:
        if self._breaker is not None and self._breaker.state is State.OPEN:
            self._world.released(message, self.name)
            return
        self.queue.append(message)
        self.pump()

    def pump(self) -> None:
        """Submit what may go now."""
        while self.queue and self.open_messages < self._room():
            now = self._world.now
            if self._next_at > now + 0.2:
                self._pump_at(self._next_at - 0.2)
                return
            self._next_at = max(self._next_at, now) + 1.0 / TPS
            self._submit(self.queue.popleft())

    def _room(self) -> int:
        state = self._breaker.state if self._breaker else State.CLOSED
        return {State.CLOSED: WINDOW, State.TRIAL: 1}.get(state, 0)

    def _pump_at(self, at: float) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._world.at(at, self._pump_again)

    def _pump_again(self) -> None:
        self._is_waiting = False
        self.pump()

    def _submit(self, message: Message) -> None:
        world = self._world
        world.handed_over.append(HandedOver(world.now, self.name, message.country))
        self.open_messages += 1
        self.is_changed = True
        fate = self.carrier.fate(world.now, message.country, world.drawn)
        timeout = fate.answer_s >= SUBMIT_TIMEOUT_S
        world.at(
            world.now + min(fate.answer_s, SUBMIT_TIMEOUT_S),
            self._answered,
            message,
            fate,
            timeout,
        )

    def _answered(self, message: Message, fate: Fate, is_late: bool) -> None:  # noqa: FBT001
        world = self._world
        self.open_messages -= 1
        self.is_changed = True
        counts = self.counts.setdefault(message.country, Counts())
        if fate.answer is Answer.ACCEPTED:
            message.cost += self.carrier.price
            world.taken(message, self.name, fate)
        if is_late:
            counts.in_doubt += 1
            self._failed()
            world.failed(message, self.name, Reason.IN_DOUBT)
        elif fate.answer is Answer.ACCEPTED:
            counts.submitted += 1
            counts.latency_ms_sum += fate.answer_s * 1000
            if self._breaker:
                self._breaker.has_answered(world.now)
        else:
            counts.failed += 1
            if fate.answer is Answer.DOWN:
                self._failed()
            world.failed(message, self.name, Reason.CARRIER_UNAVAILABLE)
        self.pump()

    def _failed(self) -> None:
        if self._breaker is None:
            return
        self._breaker.has_failed(self._world.now)
        self.tend()

    def tend(self) -> None:
        """Probe, and hand back what is queued once the channel is down."""
        breaker, world = self._breaker, self._world
        if breaker is None:
            return
        breaker.look(world.now)
        due_s = breaker.seconds_until_probe(world.now)
        if due_s is not None and due_s <= 0:
            is_up = self.carrier.conditions(world.now, "").is_up
            breaker.was_probed(world.now, is_up=is_up)
            self.is_changed = True
        if breaker.state is State.OPEN:
            while self.queue:
                world.released(self.queue.popleft(), self.name)
        else:
            self.pump()
        due_s = breaker.seconds_until_probe(world.now)
        if due_s is not None:
            world.at(world.now + max(due_s, 0.05), self.tend)

    def report(self, now: datetime) -> ChannelReported:
        self.is_changed = False
        return ChannelReported(
            channel=self.name,
            instance="adapter-1",
            incarnation="x",
            bound=self.is_bound,
            window_free=WINDOW - self.open_messages,
            backlog=len(self.queue),
            countries={name: counts.as_part() for name, counts in self.counts.items()},
            reported_at=now,
        )


@dataclass
class World:
    """Runs one scenario with one contestant."""

    scenario: Scenario
    contestant: Any
    seed: int
    now: float = 0.0
    messages: list[Message] = field(default_factory=list)
    handed_over: list[HandedOver] = field(default_factory=list)
    planned: list[HandedOver] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.drawn = random.Random(self.seed)
        self._arrivals = random.Random(self.seed + 1)
        self._ids = random.Random(self.seed + 2)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self.channels = {
            carrier.name: Channel(carrier, self, has_breaker=self.contestant.has_breaker)
            for carrier in self.scenario.made()
        }
        self._deliveries = Deliveries("receipts-1", "x")
        self.contestant.begin(self)

    def at(self, when: float, what: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401
        heapq.heappush(self._events, (when, next(self._order), what, arguments))

    def run(self) -> "World":
        self.at(0.0, self._arrive)
        self.at(0.0, self._report)
        self.at(0.0, self._report_receipts)
        last = self.scenario.ends_at + VALID_S
        while self._events and self._events[0][0] <= last:
            self.now, _, what, arguments = heapq.heappop(self._events)
            what(*arguments)
        return self

    def _arrive(self) -> None:
        if self.now >= self.scenario.ends_at:
            return
        number = len(self.messages)
        (country,) = self._arrivals.choices(tuple(COUNTRIES), tuple(COUNTRIES.values()))
        message = Message(number, f"{self._ids.getrandbits(128):032x}", country, self.now)
        self.messages.append(message)
        self.at(self.now + PLAN_LAG_S, self.plan, message)
        self.at(self.now + self._arrivals.expovariate(self.scenario.rate), self._arrive)

    def plan(self, message: Message, avoided: tuple[str, ...] = ()) -> None:
        """Have an attempt planned."""
        if self.now - message.accepted_at >= VALID_S:
            return
        channel, wait_s = self.contestant.choose(message, (*message.tried, *avoided))
        if wait_s:
            message.waited_s += wait_s
            self.at(self.now + wait_s, self.plan, message)
        elif channel is not None:
            self.planned.append(HandedOver(self.now, channel, message.country))
            self.at(self.now + PLAN_LAG_S, self.channels[channel].put, message)

    def released(self, message: Message, channel: str) -> None:
        """Plan the same attempt again, elsewhere."""
        self.at(self.now + PLAN_LAG_S, self.plan, message, (channel,))

    def failed(self, message: Message, channel: str, reason: Reason) -> None:
        """Plan the next attempt, if there is to be one."""
        self.contestant.failed(message, channel)
        retry_s = self.contestant.retry_s(message, reason)
        if retry_s is not None:
            message.tried = (*message.tried, channel)
            message.n += 1
            self.at(self.now + PLAN_LAG_S + retry_s, self.plan, message)

    def taken(self, message: Message, channel: str, fate: Fate) -> None:
        self.contestant.taken(message, channel)
        if fate.receipt_s is not None:
            after = self.now + fate.receipt_s
            self.at(after, self._receipted, message, channel, fate, self.now)

    def _receipted(self, message: Message, channel: str, fate: Fate, since: float) -> None:
        if fate.is_delivered:
            message.copies += 1
            message.delivered_at = message.delivered_at or self.now
        reason = Reason.CARRIER_ERROR if fate.is_carriers_fault else Reason.HANDSET_UNREACHABLE
        state = ReceiptState.DELIVERED if fate.is_delivered else ReceiptState.FAILED
        age_s = self.now - since
        self._deliveries.count_receipt(channel, message.country, state, reason, age_s)
        self.contestant.receipted(message, channel, is_delivered=fate.is_delivered)
        if fate.is_carriers_fault and not message.copies:
            self.failed_receipt(message, channel)

    def failed_receipt(self, message: Message, channel: str) -> None:
        if self.contestant.reroutes and message.n < 3:
            message.tried = (*message.tried, channel)
            message.n += 1
            self.at(self.now + 2 * PLAN_LAG_S, self.plan, message)

    def _report(self) -> None:
        for channel in self.channels.values():
            if channel.is_changed or channel.queue or channel.open_messages:
                self._tell(channel.report(EPOCH + timedelta(seconds=self.now)))
        if self.now < self.scenario.ends_at:
            self.at(self.now + REPORT_S, self._report)

    def _report_receipts(self) -> None:
        for report in self._deliveries.take_changed(EPOCH + timedelta(seconds=self.now)):
            self._tell(report)
        if self.now < self.scenario.ends_at:
            self.at(self.now + RECEIPTS_S, self._report_receipts)

    def _tell(self, report: ChannelReported | DeliveryReported) -> None:
        self.contestant.reported(report)
