"""One call: from its request to the outcome that is stored. At most once rung per ring claimed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from voice_fallback.calling.lines import Line, Lines
from voice_fallback.calling.patience import patiently
from voice_fallback.calling.results import Results
from voice_fallback.domain import facts
from voice_fallback.domain.hours import Window, next_opening, zone
from voice_fallback.domain.story import (
    Chain,
    Outcome,
    Ring,
    RingResult,
    Story,
    rings_again,
)
from voice_fallback.metrics import VoiceMetrics
from voice_fallback.ports import CallStore, Ledger, MessageState
from voice_fallback.providers.base import Answer, Lost, NotTaken, Order, Refused, Taken
from voice_fallback.providers_file import VoiceConfig
from yizhan_contracts.events import CallOutcome, HoldChanged, VoiceFinished, VoiceRequested
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.logs import get_logger
from yizhan_runtime.publisher import to_json
from yizhan_telecom.holds import Holds

log = get_logger(__name__)

T = TypeVar("T")

_ANSWERS: dict[type[Answer], str] = {
    Taken: "taken",
    Refused: "refused",
    NotTaken: "not-taken",
    Lost: "lost",
}
_HELD_S = 1.0
_ASKED_IS_FRESH_S = 5.0
"""Older than that, the ledger's "open" is asked for again before anybody is rung."""


@dataclass(frozen=True)
class Tools:
    """What all calls of a process share. ``incarnation`` names it, and is on its claims."""

    config: VoiceConfig
    lines: Lines
    results: Results
    store: CallStore
    ledger: Ledger
    clock: Clock
    metrics: VoiceMetrics
    incarnation: str
    holds: Holds = field(default_factory=Holds)


class HeldBack(Exception):
    """Nobody is to be rung now, and no ring is claimed: another time."""


class Call:
    """Rings one recipient.

    A ring is claimed, then the ledger is asked, then it is dialled: whoever finds the claim of a
    ring that is not its own never rings it again, but waits for its result and else says unknown.
    """

    def __init__(self, request: VoiceRequested, tools: Tools) -> None:
        self._request = request
        self._t = tools
        self._asked_at = float("-inf")
        self._gave_up = Reason.CANCELLED
        self.is_begun = False
        """A ring is claimed: what follows is not left to others any more."""

    async def run(self) -> list[bytes]:
        """Work until the outcome is stored; give the facts to publish. Raises HeldBack."""
        chain = Chain(
            self._request.message_id,
            self._t.incarnation,
            self._request.account_id,
            self._request.country,
            self._now(),
        )
        await self._patiently(lambda: self._t.store.insert_chain(chain))
        while True:
            story = await self._load()
            if story.outcome is not None:
                return [story.outcome.fact]
            finished = await self._go_on(story)
            if finished is not None:
                return await self._conclude(finished)

    async def _go_on(self, story: Story) -> VoiceFinished | None:
        """Take the next step of a story. None: look at it anew."""
        k = story.last
        if k == 0:
            return await self._ring(story, self._new_ring(1))
        result = story.results.get(k)
        if result is None:
            return await self._of_open_ring(story, story.rings[k])
        if not rings_again(result, k, self._t.config.max_rings) or not self._has_time():
            return self._of_result(result, k)
        await self._t.clock.sleep(self._t.config.ring_again_after_s)
        return await self._ring(story, self._new_ring(k + 1))

    async def _of_open_ring(self, story: Story, ring: Ring) -> VoiceFinished | None:
        if ring.incarnation == self._t.incarnation:
            # An insert that timed out was done after all: this process has not dialled it.
            return await self._ring(story, ring, is_claimed=True)
        return await self._hear(ring, self._t.lines.longest_silence_s())

    async def _ring(
        self, story: Story, ring: Ring, *, is_claimed: bool = False
    ) -> VoiceFinished | None:
        tries = 0
        while (line := await self._ready_line(is_claimed=is_claimed)) is not None:
            async with line.slots:
                if not is_claimed:
                    if self._hold() is not None:
                        continue  # it came while this call waited for the line
                    ring = replace(ring, provider=line.name, at=self._now())
                    if self._is_late():
                        break
                    if not await self._claim(ring):
                        return None
                    is_claimed = True
                answer = await self._order(line, ring)
                if isinstance(answer, Taken | Lost):
                    return await self._hear(ring, line.config.silence_s)
            if answer is None:
                break
            if isinstance(answer, Refused):
                await self._refused(line, ring, answer)
                return None
            tries += 1
            self._gave_up = answer.reason
            line.rest(self._t.clock.monotonic())
            await self._t.clock.sleep(backoff_s(tries))
        return self._give_up(story)

    async def _ready_line(self, *, is_claimed: bool) -> Line | None:
        """Wait until somebody may be rung, and a line is there. None: it is not to be any more."""
        tries = 0
        while not self._is_late():
            now = self._now()
            if (hold := self._hold()) is not None:
                if hold.cancel and not is_claimed:
                    return None
                await self._wait_out()
                continue
            if not is_claimed:
                # While nothing is claimed a restart costs nothing: so long waits are here.
                if (opening := self._opening(now)) > now:
                    await self._sleep_until(opening)
                    continue
                state = await self._t.ledger.ask(self._request.message_id)
                if state is MessageState.SETTLED:
                    return None
                if state is MessageState.NO_ANSWER:
                    tries += 1
                    await self._t.clock.sleep(backoff_s(tries))
                    continue
            lines, mono = self._t.lines, self._t.clock.monotonic()
            if (line := lines.best(self._request.country, mono)) is not None:
                return line
            if not lines.serving(self._request.country):
                self._gave_up = Reason.NO_ROUTE
                return None
            await self._t.clock.sleep(max(0.1, lines.rest_s(self._request.country, mono)))
        return None

    def _hold(self) -> HoldChanged | None:
        request = self._request
        return self._t.holds.of(request.account_id, request.template_id, request.origin)

    async def _wait_out(self) -> None:
        """Wait for a hold to end: aside, in nobody's way, unless a ring is claimed."""
        if not self.is_begun:
            raise HeldBack
        await self._t.clock.sleep(_HELD_S)

    async def _claim(self, ring: Ring) -> bool:
        self.is_begun = True
        return await self._patiently(lambda: self._t.store.insert_ring(ring))

    async def _order(self, line: Line, ring: Ring) -> Taken | Refused | NotTaken | Lost | None:
        """Ask the ledger, then dial. None: the message is settled, or it has become too late."""
        if not await self._is_open():
            return None
        request = self._request
        order = Order(ring.ref, request.recipient, request.language, request.script)
        self._t.results.expect(ring.ref)
        answer = await line.provider.dial(order, self._may_dial)
        if not isinstance(answer, Taken | Lost):
            self._t.results.forget(ring.ref)
        self._t.metrics.orders.labels(line.name, _ANSWERS[type(answer)]).inc()
        log.info("a ring was ordered", extra={"ref": ring.ref, "answer": _ANSWERS[type(answer)]})
        return answer

    async def _is_open(self) -> bool:
        """Ask whether the message is still open, as long as it takes and there is time."""
        tries = 0
        while not self._is_late():
            self._asked_at = self._t.clock.monotonic()
            state = await self._t.ledger.ask(self._request.message_id)
            if state is not MessageState.NO_ANSWER:
                return state is MessageState.OPEN
            tries += 1
            await self._t.clock.sleep(backoff_s(tries))
        return False

    def _may_dial(self) -> bool:
        """Tell the provider's line, at the last moment, whether what was asked still counts."""
        age_s = self._t.clock.monotonic() - self._asked_at
        return age_s < _ASKED_IS_FRESH_S and not self._is_late()

    async def _hear(self, ring: Ring, seconds: float) -> VoiceFinished | None:
        """Wait for a ring's report. None: its result is stored. Silence is unknown, for ever."""
        self.is_begun = True
        if await self._t.results.wait(ring.ref, seconds) is not None:
            return None
        log.warning("a ring was never reported", extra={"ref": ring.ref})
        return facts.of_silence(
            self._request, ring.provider, ring.k, CallOutcome.UNKNOWN, Reason.UNKNOWN, self._now()
        )

    async def _refused(self, line: Line, ring: Ring, refusal: Refused) -> None:
        result = RingResult(ring.ref, line.name, CallOutcome.FAILED, refusal.code, at=self._now())
        await self._patiently(lambda: self._t.store.insert_result(result))

    def _give_up(self, story: Story) -> VoiceFinished:
        """End without another ring: with what the last one came to, else as never rung."""
        if story.results:
            k = max(story.results)
            return self._of_result(story.results[k], k)
        return facts.of_silence(
            self._request, "", 0, CallOutcome.CANCELLED, self._gave_up, self._now()
        )

    async def _conclude(self, finished: VoiceFinished) -> list[bytes]:
        """Store the outcome, then give what is to be published.

        Had another instance given the call up meanwhile, its "unknown" is stored; what this one
        knows is true all the same, and published as well.
        """
        fact = to_json(finished)
        outcome = Outcome(finished.message_id, finished.outcome, fact)
        if await self._patiently(lambda: self._t.store.insert_outcome(outcome)):
            return [fact]
        stored = (await self._load()).outcome
        if stored is None or stored.fact == fact or finished.outcome is CallOutcome.UNKNOWN:
            return [stored.fact if stored else fact]
        return [stored.fact, fact]

    def _of_result(self, result: RingResult, k: int) -> VoiceFinished:
        return facts.of_result(
            self._request.message_id, self._request.account_id, result, k, self._now()
        )

    def _new_ring(self, k: int) -> Ring:
        return Ring(self._request.message_id, k, self._t.incarnation, "", self._now())

    def _opening(self, now: datetime) -> datetime:
        hours = self._t.config.hours
        if not hours.enabled:
            return now
        name = hours.zones.get(self._request.country, self._request.time_zone)
        return next_opening(Window.parse(hours.window), zone(name, hours.otherwise), now)

    def _has_time(self) -> bool:
        again = timedelta(seconds=self._t.config.ring_again_after_s)
        return self._now() + again < self._request.wait_until

    def _is_late(self) -> bool:
        return self._now() >= self._request.wait_until

    async def _sleep_until(self, moment: datetime) -> None:
        until = min(moment, self._request.wait_until)
        await self._t.clock.sleep((until - self._now()).total_seconds())

    def _now(self) -> datetime:
        return self._t.clock.now()

    async def _load(self) -> Story:
        return await self._patiently(lambda: self._t.store.load_story(self._request.message_id))

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        return await patiently(self._t.clock, step)
