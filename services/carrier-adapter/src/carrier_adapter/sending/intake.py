"""Where records come in and go out: one flight per attempt, whoever else reads of it joins."""

from collections.abc import Collection, Mapping, Sequence

from carrier_adapter.domain.holds import SOON, hold_of, look_again_in
from carrier_adapter.domain.replay import ReplayWatch
from carrier_adapter.metrics import AdapterMetrics
from carrier_adapter.ports import AttemptStore, EventPublisher
from carrier_adapter.receiving.remembered import RememberedIds
from carrier_adapter.sending.channel import Channel
from carrier_adapter.sending.closing import Closing
from carrier_adapter.sending.desk import Desk
from carrier_adapter.sending.facts import FactWriter
from carrier_adapter.sending.flight import Flight, Intent
from carrier_adapter.sending.inquiry import Directory, Inquiry
from yizhan_contracts.events import NO_CHANNEL, AttemptPlanned
from yizhan_runtime.clock import Clock
from yizhan_runtime.gathering import Gathering
from yizhan_runtime.window import OpenRecord
from yizhan_telecom.holds import Holds

Opened = OpenRecord[AttemptPlanned]

_CLAIMS_INTERVAL_S = 0.02
"""Rounds of claims begin so far apart: what many channels claim meanwhile goes in one insert."""


class Intake:
    """Follows every open record until what became of its attempt is durable.

    A record of an attempt that is in hand already waits for it and is looked up then: dropped, it
    would take the only word on the attempt with it should this process die.
    """

    def __init__(  # noqa: PLR0913 - one port each
        self,
        channels: Mapping[str, Channel],
        directory: Directory,
        store: AttemptStore,
        publisher: EventPublisher,
        clock: Clock,
        incarnation: str,
        *,
        metrics: AdapterMetrics,
        remembered: RememberedIds,
        holds: Holds,
        replay_span: int,
    ) -> None:
        self._channels = channels
        self._clock = clock
        self._replays = ReplayWatch(replay_span)
        self._in_hand: dict[str, Flight] = {}
        self.writer = FactWriter(store, publisher, clock, self._free_slot, self._close, metrics)
        self.inquiry = Inquiry(
            store,
            self.writer,
            directory,
            clock,
            incarnation,
            send=self._send,
            close=self._close,
            abandon=self._abandon,
        )
        self.closing = Closing(
            store, self.writer, clock, incarnation, lambda one: self.inquiry.ask([one], Intent.SEND)
        )
        self._holds = holds
        self._metrics = metrics
        self.desk = Desk(
            incarnation,
            Gathering(store.insert_claims, clock, _CLAIMS_INTERVAL_S),
            self.inquiry,
            self.writer,
            remembered,
            directory,
            holds,
            self._hold_back,
            lambda flight: self._set_aside(flight, "waits for its turn", SOON),
        )

    @property
    def in_hand(self) -> int:
        """Count the attempts in hand."""
        return len(self._in_hand)

    def take(self, records: Sequence[Opened]) -> None:
        """Begin records. Only queues."""
        suspects = []
        now = self._clock.monotonic()
        for opened in records:
            plan = opened.record.event
            flight = Flight(opened, plan, plan.attempt_id, now)
            if flight.plan.channel == NO_CHANNEL:
                self.closing.put(flight)
            elif not self._joins(flight):
                if self._is_suspect(opened):
                    suspects.append(flight)
                else:
                    self._send(flight)
        if suspects:
            self.inquiry.ask(suspects, Intent.SEND)

    def forget(self, _revoked: Collection[Opened]) -> None:
        """Let go of revoked records that are not begun; what is claimed goes on to its end."""
        for flight in self._in_hand.values():
            for joined in [one for one in flight.joined if one.opened.is_revoked]:
                flight.joined.remove(joined)
                joined.opened.abandon()
        for channel in self._channels.values():
            for flight in channel.queue.pull(lambda one: one.opened.is_revoked):
                self._abandon(flight)
        for flight in self.closing.pull_revoked():
            self._abandon(flight)
        self.inquiry.abandon_revoked()

    def _is_suspect(self, opened: Opened) -> bool:
        raw = opened.record.raw
        return (
            raw.attempt > 0
            or raw.first_seen_ms > 0
            or self._replays.is_suspect(raw.topic, raw.partition, raw.offset)
        )

    def _joins(self, flight: Flight) -> bool:
        first = self._in_hand.setdefault(flight.attempt_id, flight)
        if first is flight:
            return False
        first.joined.append(flight)
        return True

    def _send(self, flight: Flight) -> None:
        self._channels[flight.plan.channel].put(flight)

    def _hold_back(self, flight: Flight) -> None:
        """Keep what is held from being claimed: cancel it, or look again later.

        On a retry topic it is in nobody's way, whatever its partition holds behind it.
        """
        hold = hold_of(self._holds, flight.plan)
        cancels = hold is not None and hold.cancel
        kind = hold.kind.value if hold is not None else ""
        self._metrics.held.labels(kind, "cancelled" if cancels else "waits").inc()
        if cancels:
            self.closing.put(flight)
            return
        first_seen_ms = flight.opened.record.raw.first_seen_ms
        delay = look_again_in(flight.plan, first_seen_ms, self._clock.now())
        self._set_aside(flight, "held", delay)

    def _set_aside(self, flight: Flight, why: str, delay: str) -> None:
        flight.opened.park(why, delay, counts=False)
        self._let_go(flight)

    def _free_slot(self, flight: Flight) -> None:
        """Make room in the window, once an outcome is stored: a crash puts a window in doubt."""
        if flight.has_slot:
            self._channels[flight.plan.channel].free_slot(flight)

    def _close(self, flight: Flight) -> None:
        """End a flight whose facts are durable, or that is a repeat of what was reported."""
        flight.opened.finish()
        self._let_go(flight)

    def _abandon(self, flight: Flight) -> None:
        """Leave a record to the next owner of its partition: nothing was done about it."""
        flight.opened.abandon()
        self._let_go(flight)

    def _let_go(self, flight: Flight) -> None:
        if self._in_hand.get(flight.attempt_id) is not flight:
            return
        del self._in_hand[flight.attempt_id]
        waiting = [joined for joined in flight.joined if not self._joins(joined)]
        if waiting:
            self.inquiry.ask(waiting, Intent.SEND)
