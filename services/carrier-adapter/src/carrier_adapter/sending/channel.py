"""One channel as this process sees it: its queue, window, rate, breaker and counts."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from carrier_adapter.carriers.base import Carrier
from carrier_adapter.domain.breaker import Breaker, State
from carrier_adapter.domain.bucket import TokenBucket
from carrier_adapter.domain.facts import Ending
from carrier_adapter.domain.lanes import LaneQueue
from carrier_adapter.domain.pace import Pace
from carrier_adapter.metrics import AdapterMetrics, ChannelMetrics
from carrier_adapter.sending.flight import Flight
from yizhan_contracts.events import (
    AttemptOutcome,
    ChannelConfigured,
    CountryOutcomes,
    MessageAccepted,
    SmppLongMessages,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import Clock

_LEAST_BATCHES = 2


@dataclass(slots=True)
class Counts:
    """What became of a channel's attempts in one country since this process started."""

    submitted: int = 0
    refused: int = 0
    failed: int = 0
    in_doubt: int = 0
    latency_ms_sum: float = 0.0

    def as_part(self) -> CountryOutcomes:
        return CountryOutcomes(
            submitted=self.submitted,
            refused=self.refused,
            failed=self.failed,
            in_doubt=self.in_doubt,
            latency_ms_sum=round(self.latency_ms_sum, 1),
        )


class Channel:
    """Holds a channel's state; whoever changes it wakes the pump and the reporter.

    Without a carrier (disabled, taken out of the table, no secret, unknown protocol) it is shut:
    what comes is handed back.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        down_after_s: float,
        metrics: AdapterMetrics,
        on_change: Callable[[], None],
    ) -> None:
        self.name = name
        self.clock = clock
        self.config: ChannelConfigured | None = None
        self.carrier: Carrier | None = None
        self.queue: LaneQueue[Flight] = LaneQueue()
        self.claimed: deque[Flight] = deque()
        """Claimed already by an insert that had timed out: they go first."""
        self.breaker = Breaker(down_after_s)
        self.bucket = TokenBucket(1.0, clock.monotonic())
        self._pace = Pace(clock.monotonic())
        self.wake = asyncio.Event()
        self.open_messages = 0
        self.open_batches = 0
        self.paused_until = 0.0
        self.throttled = 0
        self.countries: dict[str, Counts] = {}
        self.is_changed = False
        self.metrics = ChannelMetrics(metrics, name)
        self._on_change = on_change
        self.metrics.follow(
            lambda: self.backlog,
            lambda: self.open_messages,
            lambda: float(self.is_bound),
            self.rate,
        )

    def configure(self, config: ChannelConfigured | None, carrier: Carrier | None) -> None:
        """Take a new configuration; what is in the window stays with the old carrier."""
        if config is not None and (self.config is None or config.tps != self.config.tps):
            self._pace.configure(config.tps)
            self.bucket = TokenBucket(self.rate(), self.clock.monotonic())
        is_new = carrier is not None and carrier is not self.carrier
        self.config, self.carrier = config, carrier
        if carrier is not None and is_new:
            carrier.follow(partial(self._bound_changed, carrier))
        self.changed()
        self.wake.set()

    def _bound_changed(self, carrier: Carrier, *, is_bound: bool) -> None:
        """Take a carrier's word on its sessions; one that was replaced has no say any more."""
        if carrier is not self.carrier:
            return
        if is_bound:
            self.breaker.is_back()
        else:
            self.breaker.has_failed(self.clock.monotonic())
        self.wake.set()

    @property
    def is_bound(self) -> bool:
        return self.carrier is not None and self.breaker.state in (State.CLOSED, State.TRIAL)

    @property
    def is_shut(self) -> bool:
        """Nothing will be claimed for a while."""
        return self.carrier is None or self.breaker.state is State.OPEN

    def rate(self) -> float:
        """Give the messages a second that may go from here now."""
        return self._pace.rate(self.clock.monotonic())

    @property
    def share(self) -> float:
        return self._pace.share

    def hold(self, share: float) -> None:
        """Take this instance's share of the rate.

        Nothing is saved up across a change: others had the rest of the rate until now.
        """
        self._pace.hold(share)
        self.bucket.empty(self.clock.monotonic())
        self.wake.set()

    def spend(self, flights: Sequence[Flight]) -> None:
        """Take what these cost of the rate: carriers count submits, and so do we."""
        count = len(flights)
        if self._counts_parts:
            count = sum(flight.plan.message.charging_num for flight in flights)
        self.bucket.spend(count, self.clock.monotonic())

    @property
    def _counts_parts(self) -> bool:
        smpp = self.config.smpp if self.config is not None else None
        return smpp is not None and smpp.long_messages is not SmppLongMessages.PAYLOAD

    def keep_pace(self) -> None:
        """Let the bucket follow what the carrier bears."""
        now = self.clock.monotonic()
        self.bucket.set_rate(self._pace.rate(now), now)

    @property
    def backlog(self) -> int:
        return len(self.queue) + len(self.claimed)

    @property
    def window_free(self) -> int:
        return max(0, self.config.window - self.open_messages) if self.config else 0

    def most_batches(self) -> int:
        """Bound the batches on their way, so that a queue fills the next ones instead."""
        if self.config is None:
            return 0
        return max(_LEAST_BATCHES, -(-self.config.window // self.config.batch_max))

    def put(self, flight: Flight) -> None:
        """Queue a flight by its lane, or ahead of all where it is claimed."""
        if flight.claimed_at is not None:
            self.claimed.append(flight)
        else:
            message = flight.plan.message
            put = self.queue.put_first if flight.is_back else self.queue.put
            put(message.lane, message.recipient, flight)
        self.wake.set()

    def take_slot(self, flight: Flight) -> None:
        """Count a flight in the window; its recipient is busy by having been drawn."""
        flight.has_slot = flight.has_recipient = True
        self.open_messages += 1

    def free_recipient(self, flight: Flight) -> None:
        """Let the next message to its recipient go."""
        if flight.has_recipient:
            flight.has_recipient = False
            self.queue.release(flight.plan.message.recipient)
            self.wake.set()

    def free_slot(self, flight: Flight) -> None:
        """Give its place in the window up."""
        self.free_recipient(flight)
        if flight.has_slot:
            flight.has_slot = False
            self.open_messages -= 1
            self.wake.set()

    def has_answered(self) -> None:
        """Note that the carrier answered a submit."""
        now = self.clock.monotonic()
        if self.breaker.has_answered(now):
            self._pace.is_back(now)
            self.bucket.empty(now)

    def has_failed(self, since: float | None = None) -> None:
        """Note that the carrier took nothing, broke off, or has been silent ``since``."""
        self.breaker.has_failed(self.clock.monotonic(), since)
        self.wake.set()

    def pause(self, seconds: float) -> None:
        """Claim nothing for a while: the carrier takes no more."""
        self.paused_until = max(self.paused_until, self.clock.monotonic() + seconds)

    def count(self, ending: Ending, message: MessageAccepted, latency_s: float) -> None:
        """Count what became of an attempt, for the report.

        A failure without a reason was our own lateness, and says nothing about the channel.
        """
        self.metrics.count(ending.outcome, ending.reason)
        counts = self.countries.get(message.country)
        if counts is None:
            counts = self.countries[message.country] = Counts()
        match ending.outcome:
            case AttemptOutcome.SUBMITTED:
                counts.submitted += 1
                counts.latency_ms_sum += latency_s * 1000
                age = self.clock.now() - message.origin.arrived_at
                self.metrics.submitted(message.lane, latency_s, age.total_seconds())
            case AttemptOutcome.REFUSED:
                counts.refused += 1
            case AttemptOutcome.FAILED:
                counts.failed += ending.reason is not Reason.NONE
            case _:
                counts.in_doubt += 1
        self.changed()

    def count_throttled(self, messages: int) -> None:
        """Count what the carrier would not take yet, and go slower."""
        self.throttled += messages
        self.metrics.throttled.inc(messages)
        now = self.clock.monotonic()
        if self._pace.was_throttled(now):
            self.keep_pace()
            self.bucket.empty(now)
        self.changed()

    def changed(self) -> None:
        """Have it reported."""
        self.is_changed = True
        self._on_change()
