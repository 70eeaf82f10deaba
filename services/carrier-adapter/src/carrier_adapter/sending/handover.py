"""One batch, from its claims to its answers."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answer,
    Carrier,
    Cause,
    Lost,
    NotTaken,
    Refused,
    Submission,
)
from carrier_adapter.domain.breaker import State
from carrier_adapter.domain.claims import SEND_WITHIN
from carrier_adapter.domain.facts import Ending, handed_over
from carrier_adapter.domain.templates import templated
from carrier_adapter.sending.channel import Channel
from carrier_adapter.sending.claiming import claim
from carrier_adapter.sending.desk import Desk
from carrier_adapter.sending.flight import Flight
from carrier_adapter.sending.waiting import ends_within
from yizhan_contracts.events import AttemptFinished, AttemptOutcome, ChannelConfigured
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import backoff_s
from yizhan_runtime.logs import get_logger
from yizhan_telecom.channel_rules import sender_in

log = get_logger(__name__)

_FIRST_RETRY_S = 0.1
_LONGEST_RETRY_S = 1.0
_LOOK_S = 0.1
LATE_TIMEOUTS = 2.0
"""After the submit timeout an answer is still waited for, this many times as long again."""


class Handover:
    """Hands one batch over, once.

    Claims before it sends, sends only while its claims are young, and calls in doubt whatever was
    written and not answered. The configuration and carrier are those of the moment it began.
    """

    def __init__(self, channel: Channel, desk: Desk) -> None:
        if channel.config is None or channel.carrier is None:
            raise ValueError("a shut channel hands nothing over")
        self._channel = channel
        self._desk = desk
        self._config: ChannelConfigured = channel.config
        self._carrier: Carrier = channel.carrier
        self._clock = channel.clock
        self._flights: dict[str, Flight] = {}
        self._send_until = 0.0
        self._written_at: float | None = None
        self._is_counted = False

    async def run(self, batch: Sequence[Flight]) -> None:
        """Work until every message is decided, and late answers are in or given up."""
        self._channel.open_batches += 1
        self._is_counted = True
        try:
            await self._hand_over(await claim(batch, self._channel, self._desk))
        finally:
            self._leave()

    def _leave(self) -> None:
        """Make room for the next batch: only late answers, if any, are still waited for."""
        if self._is_counted:
            self._is_counted = False
            self._channel.open_batches -= 1
            self._channel.wake.set()

    async def _hand_over(self, flights: list[Flight]) -> None:
        tries = 0
        while flights:
            await self._submit(flights)
            flights = [flight for flight in flights if not flight.is_decided]
            tries += 1
            if flights and not await self._may_try_again(flights, tries):
                for flight in flights:
                    self._fail(flight)
                return

    async def _submit(self, flights: Sequence[Flight]) -> None:
        oldest = min(flight.claimed_mono for flight in flights)
        timeout_s = self._config.submit_timeout_s
        self._send_until = oldest + timeout_s * SEND_WITHIN
        self._written_at = None
        self._flights = {flight.attempt_id: flight for flight in flights}
        if self._clock.monotonic() >= self._send_until:
            for flight in flights:
                flight.not_taken = TOO_LATE
            return
        for flight in flights:
            flight.not_taken = None
        self._channel.metrics.batch_messages.observe(len(flights))
        now = self._clock.now()
        submissions = [self._submission(flight, now) for flight in flights]
        submit = asyncio.create_task(
            self._carrier.submit(submissions, self._may_write, self._answered)
        )
        try:
            left_s = oldest + timeout_s - self._clock.monotonic()
            if not await ends_within(submit, self._clock, left_s):
                await self._outlast(submit)
        finally:
            submit.cancel()
            await asyncio.wait((submit,))
        self._conclude(submit)

    def _submission(self, flight: Flight, now: datetime) -> Submission:
        message = flight.plan.message
        return Submission(
            flight.attempt_id,
            message.recipient,
            sender_in(self._config, message.country, message.sender),
            message.text,
            max(1, int((message.valid_until - now).total_seconds())),
            templated(self._config, message),
        )

    def _may_write(self) -> bool:
        """Tell the carrier, at the last moment, whether the claims are young enough.

        Else others may have called them in doubt, and a new attempt may be on its way.
        """
        now = self._clock.monotonic()
        if now >= self._send_until:
            return False
        if self._written_at is None:
            self._written_at = now
        return True

    async def _outlast(self, submit: "asyncio.Task[None]") -> None:
        """Call what was written and not answered in time in doubt, and wait on for late answers."""
        if self._written_at is None:
            return
        for flight in self._flights.values():
            if not flight.is_decided:
                self._decide(flight, _in_doubt("no answer within the submit timeout"))
                flight.is_in_doubt = True
        if self._channel.breaker.answered_at < self._written_at:
            self._channel.has_failed(self._written_at)
        self._leave()
        await ends_within(submit, self._clock, self._config.submit_timeout_s * LATE_TIMEOUTS)

    def _conclude(self, submit: "asyncio.Task[None]") -> None:
        """Decide what the carrier never answered: no more answers can come."""
        error = None if submit.cancelled() else submit.exception()
        if error is not None:
            log.error("a submit failed", extra={"channel": self._channel.name}, exc_info=error)
        for attempt_id, flight in self._flights.items():
            if flight.is_decided or flight.not_taken is not None:
                continue
            if self._written_at is not None:
                self._answered(attempt_id, Lost("the carrier's connection ended without an answer"))
            else:
                unsent = NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "could not be written")
                self._answered(attempt_id, unsent)

    def _answered(self, attempt_id: str, answer: Answer) -> None:
        flight = self._flights.get(attempt_id)
        if flight is None:
            log.warning("an answer to nothing", extra={"attempt_id": attempt_id})
        elif flight.is_decided:
            self._answered_late(flight, answer)
        else:
            self._answered_in_time(flight, answer)

    def _answered_in_time(self, flight: Flight, answer: Answer) -> None:
        match answer:
            case Accepted() | Refused():
                self._channel.has_answered()
                self._decide(flight, self._ending(flight, answer))
            case NotTaken(cause=cause):
                flight.not_taken = answer
                if cause is Cause.DOWN:
                    self._channel.has_failed()
                elif cause is Cause.THROTTLED:
                    self._channel.count_throttled(1)
            case Lost():
                self._channel.has_failed()
                self._decide(flight, self._ending(flight, answer))

    def _answered_late(self, flight: Flight, answer: Answer) -> None:
        """Tell what an attempt in doubt has turned out to be, as a fact of its own."""
        if not flight.is_in_doubt or (isinstance(answer, Lost) and not answer.carrier_message_ids):
            return
        flight.is_in_doubt = False
        self._channel.metrics.late_answers.inc()
        log.info("a late answer", extra={"attempt_id": flight.attempt_id})
        fact = self._fact(flight, self._ending(flight, answer))
        self._desk.writer.add_late(flight.attempt_id, [fact])

    def _ending(self, flight: Flight, answer: Answer) -> Ending:
        """Say how an answer ends its attempt."""
        match answer:
            case Accepted(carrier_message_ids=carrier_ids, segments=segments):
                self._remember(flight, carrier_ids, len(carrier_ids))
                return Ending(
                    AttemptOutcome.SUBMITTED, carrier_message_ids=carrier_ids, segments=segments
                )
            case Refused(code=code, reason=reason, detail=detail):
                return Ending(AttemptOutcome.REFUSED, reason, code, detail=detail)
            case NotTaken(reason=reason, detail=detail):
                return Ending(AttemptOutcome.FAILED, reason, detail=detail)
            case Lost(detail=detail, carrier_message_ids=carrier_ids, segments=segments):
                # What was taken of it answers for a part only: it is not delivered by that alone.
                self._remember(flight, carrier_ids, max(segments, len(carrier_ids)))
                return _in_doubt(detail, carrier_ids, segments)

    def _remember(self, flight: Flight, carrier_ids: Sequence[str], parts: int) -> None:
        account = self._config.carrier_account
        self._desk.remembered.put_all(account, carrier_ids, flight.plan, parts)

    def _fail(self, flight: Flight) -> None:
        if flight.not_taken is not None:
            self._decide(flight, self._ending(flight, flight.not_taken))

    def _decide(self, flight: Flight, ending: Ending) -> None:
        """Have what became of a flight stored, which makes room for the next, and published."""
        flight.is_decided = True
        self._channel.free_recipient(flight)
        latency_s = self._clock.monotonic() - (self._written_at or flight.claimed_mono)
        self._channel.count(ending, flight.plan.message, latency_s)
        self._desk.writer.conclude(flight, [self._fact(flight, ending)])
        if self._channel.window_free == 0:
            self._desk.writer.hurry()

    def _fact(self, flight: Flight, ending: Ending) -> AttemptFinished:
        now, config = self._clock.now(), self._config
        message = flight.plan.message
        sender = sender_in(config, message.country, message.sender)
        account = config.carrier_account
        return handed_over(flight.plan, account, sender, ending, flight.claimed_at, now)

    async def _may_try_again(self, flights: Sequence[Flight], tries: int) -> bool:
        """Wait until what was certainly not taken may be tried again, or tell that it may not."""
        answers = [flight.not_taken for flight in flights if flight.not_taken is not None]
        if any(answer.cause is Cause.TOO_LATE for answer in answers):
            return False
        pause_s = backoff_s(tries, first=_FIRST_RETRY_S, longest=_LONGEST_RETRY_S)
        pause_s = max(pause_s, *(answer.retry_after_s for answer in answers))
        if all(answer.cause is Cause.THROTTLED for answer in answers):
            self._channel.pause(pause_s)
        if self._clock.monotonic() + pause_s >= self._send_until:
            return False
        await self._clock.sleep(pause_s)
        if not await self._works_again():
            return False
        self._channel.spend(flights)
        return True

    async def _works_again(self) -> bool:
        """Wait while the carrier is being probed; tell whether it works."""
        breaker = self._channel.breaker
        while breaker.state is State.FAILING and self._clock.monotonic() < self._send_until:
            await self._clock.sleep(_LOOK_S)
        return breaker.state in (State.CLOSED, State.TRIAL)


def _in_doubt(detail: str, carrier_ids: tuple[str, ...] = (), segments: int = 1) -> Ending:
    return Ending(
        AttemptOutcome.IN_DOUBT,
        Reason.IN_DOUBT,
        carrier_message_ids=carrier_ids,
        segments=segments,
        detail=detail,
    )
