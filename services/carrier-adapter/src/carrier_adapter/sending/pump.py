"""Draws a channel's queue: when the next batch may go, and how large it is."""

import asyncio
from datetime import datetime

from carrier_adapter.domain.breaker import State
from carrier_adapter.domain.facts import Ending, handed_over
from carrier_adapter.sending.channel import Channel
from carrier_adapter.sending.desk import Desk
from carrier_adapter.sending.flight import Flight, Intent
from carrier_adapter.sending.handover import Handover
from carrier_adapter.sending.waiting import wait_until
from yizhan_contracts.events import AttemptOutcome
from yizhan_contracts.reasons import Reason
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_TURN_S = 10.0
"""What comes from a retry topic goes first in its lane; for so long the others there wait for it,
whatever their channel."""
_SWEEP_S = 1.0
"""While something is queued, what has grown too late is looked for this often, all of it: that it
expired must be said before its last deadline, however slow the queue."""


class Pump:
    """Runs one channel: sends while it works, probes while it fails, hands back while down."""

    def __init__(self, channel: Channel, desk: Desk, linger_s: float) -> None:
        self._channel = channel
        self._desk = desk
        self._linger_s = linger_s
        self._left_at = float("-inf")
        self._swept_at = float("-inf")
        self._state = State.CLOSED

    async def run(self) -> None:
        """Work for ever; sleeps while there is nothing to do. A batch that raises ends it."""
        async with asyncio.TaskGroup() as batches:
            while True:
                self._channel.wake.clear()
                self._tidy()
                await self._probe_if_due()
                batch = self._next_batch()
                if batch:
                    batches.create_task(Handover(self._channel, self._desk).run(batch))
                else:
                    await wait_until(self._channel.wake, self._channel.clock, self._pause_s())

    def _tidy(self) -> None:
        """Let go of what cannot be sent from here: what is too late, and all of it while shut."""
        channel, now = self._channel, self._channel.clock.now()
        channel.breaker.look(channel.clock.monotonic())
        channel.keep_pace()
        self._note_state()
        if channel.backlog and channel.clock.monotonic() - self._swept_at >= _SWEEP_S:
            self._swept_at = channel.clock.monotonic()
            self._sweep(now)
        if channel.is_shut and channel.backlog:
            self._desk.inquiry.ask(channel.queue.pull(lambda _flight: True), Intent.RELEASE)
            self._fail_claimed()

    def _sweep(self, now: datetime) -> None:
        """Take out what is too late, and what holds up a retry topic for longer than is fair."""
        too_long = self._channel.clock.monotonic() - _TURN_S
        for flight in self._channel.queue.pull(
            lambda one: one.is_late(now) or (one.is_back and one.queued_at < too_long)
        ):
            if flight.is_late(now):
                self._desk.inquiry.ask([flight], Intent.EXPIRE)
            else:
                self._desk.put_off(flight)

    def _fail_claimed(self) -> None:
        """Say of what an insert that timed out had claimed that it never left us."""
        channel = self._channel
        ending = Ending(AttemptOutcome.FAILED, Reason.CHANNEL_DOWN)
        account = self._desk.directory.carrier_account(channel.name)
        while channel.claimed:
            flight = channel.claimed.popleft()
            now = channel.clock.now()
            fact = handed_over(flight.plan, account, "", ending, flight.claimed_at, now)
            self._desk.writer.conclude(flight, [fact])

    def _note_state(self) -> None:
        state = self._channel.breaker.state
        if state is not self._state:
            log.warning(
                "a channel changed its state",
                extra={"channel": self._channel.name, "from": self._state, "to": state},
            )
            self._state = state
            self._channel.changed()

    async def _probe_if_due(self) -> None:
        channel = self._channel
        due_s = channel.breaker.seconds_until_probe(channel.clock.monotonic())
        if channel.carrier is None or due_s is None or due_s > 0:
            return
        is_up = await channel.carrier.is_up()
        channel.breaker.was_probed(channel.clock.monotonic(), is_up=is_up)
        self._note_state()

    def _next_batch(self) -> list[Flight]:
        channel = self._channel
        if channel.claimed and (room := self._room()) > 0:
            return [channel.claimed.popleft() for _ in range(min(room, len(channel.claimed)))]
        size = self._size()
        if size <= 0 or self._lingers(size) > 0:
            return []
        return self._draw(size)

    def _draw(self, size: int) -> list[Flight]:
        channel, now = self._channel, self._channel.clock.now()
        batch: list[Flight] = []
        late: list[Flight] = []
        while len(batch) < size and (flight := channel.queue.take()) is not None:
            channel.take_slot(flight)
            if flight.is_late(now):
                late.append(flight)
                channel.free_slot(flight)
            elif self._desk.is_held(flight):
                channel.free_slot(flight)
                self._desk.hold_back(flight)
            else:
                batch.append(flight)
        self._desk.inquiry.ask(late, Intent.EXPIRE)
        self._left_at = channel.clock.monotonic()
        channel.spend(batch)
        return batch

    def _size(self) -> int:
        """Count the messages that may go now; 0 when none may, or more are worth a wait."""
        channel, now = self._channel, self._channel.clock.monotonic()
        wanted = min(self._room(), channel.queue.ready)
        if wanted <= 0 or channel.bucket.seconds_until(wanted, now) > 0:
            return 0
        return min(wanted, channel.bucket.available(now))

    def _room(self) -> int:
        """Give the number of messages that the window and the breaker allow."""
        channel = self._channel
        if channel.config is None or channel.clock.monotonic() < channel.paused_until:
            return 0
        if channel.open_batches >= channel.most_batches():
            return 0
        room = min(channel.config.batch_max, channel.window_free)
        match channel.breaker.state:
            case State.CLOSED:
                return room
            case State.TRIAL:
                return min(1, room) if channel.open_messages == 0 else 0
            case _:
                return 0

    def _lingers(self, size: int) -> float:
        """Give the time that a batch which is not full still waits for company.

        The first one goes at once; while messages come, the others leave at intervals. A batch
        costs as much as ten messages, so small ones are what a loaded machine cannot afford.
        """
        channel = self._channel
        if channel.config is None or size >= channel.config.batch_max:
            return 0.0
        return self._left_at + self._linger_s - channel.clock.monotonic()

    def _pause_s(self) -> float | None:
        """Give the time until something is to be done that nobody wakes us for."""
        channel, now = self._channel, self._channel.clock.monotonic()
        wanted = min(self._room(), channel.queue.ready)
        pauses = []
        if (probe_s := channel.breaker.seconds_until_probe(now)) is not None and channel.carrier:
            pauses.append(probe_s)
        if channel.backlog:
            pauses.append(_SWEEP_S)
            if channel.paused_until > now:
                pauses.append(channel.paused_until - now)
            elif wanted > 0:
                tokens_s = channel.bucket.seconds_until(wanted, now)
                pauses.append(max(tokens_s, self._lingers(wanted) if tokens_s <= 0 else 0.0))
        return min(pauses, default=None)
