"""What becomes of a call handed to a voice provider: no I/O here."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from yizhan_simulators.behaviour import ProviderBehaviour, by_prefix
from yizhan_simulators.clock import Clock
from yizhan_simulators.draws import Answer, hits
from yizhan_simulators.revision import revise
from yizhan_simulators.voice.calls import Call, CallOrder, CallReport
from yizhan_simulators.voice.records import ProviderBook

_CODES = {"answered": "200", "no-answer": "480", "busy": "486"}  # as in SIP


class CallTaking(NamedTuple):
    """What a face has to tell the client: after `latency_s`, and after the early callbacks."""

    answer: Answer
    call_id: str = ""
    code: str = ""
    detail: str = ""
    latency_s: float = 0
    error_status: int = 500
    lose_by: str = "close"
    early: Sequence[CallReport] = ()

    @property
    def is_refused(self) -> bool:
        return not self.call_id


class Provider:
    """One simulated voice provider. The same seed, behaviour and calls give the same outcomes."""

    def __init__(
        self,
        name: str,
        *,
        book: ProviderBook,
        owe: Callable[[list[CallReport]], None],
        rng: Random,
        clock: Clock,
    ) -> None:
        self.name = name
        self._book = book
        self._owe = owe
        self._rng = rng
        self._clock = clock
        self._id_prefix = f"call-{int(clock() * 1000):x}"
        self._ids = 0
        self.behaviour = ProviderBehaviour()

    def revise(self, patch: object) -> ProviderBehaviour:
        """Merge `patch` over the behaviour in force; Invalid leaves it as it was."""
        return self.behave(revise(self.behaviour, patch))

    def behave(self, behaviour: ProviderBehaviour) -> ProviderBehaviour:
        self.behaviour = behaviour
        return behaviour

    def take(self, order: CallOrder) -> CallTaking:
        """Take one call. When this returns, what was taken is written down."""
        behaviour, now = self.behaviour, self._clock()
        latency_s = behaviour.latency_ms.draw_s(self._rng)
        if hits(self._rng, behaviour.error_ratio):
            self._book.keep(self.name, now, None, Counter(failed=1))
            return CallTaking(
                Answer.FAILED, latency_s=latency_s, error_status=behaviour.error_status
            )
        is_lost = behaviour.hang or hits(self._rng, behaviour.lose_answer_ratio)
        counts = Counter(answers_lost=1) if is_lost else Counter[str]()
        taking = CallTaking(
            Answer.LOST if is_lost else Answer.RESULTS,
            latency_s=latency_s,
            lose_by="hang" if behaviour.hang else behaviour.lose_answer_by,
        )
        code = self._refusal(order)
        if code is not None:
            self._book.keep(self.name, now, None, counts + Counter(refused=1))
            return taking._replace(code=code, detail=behaviour.refuse_detail)
        call = self._plan(order, now)
        reports = self._book.keep(self.name, now, call, counts)
        early = reports[:1] if call.early else []
        self._owe(reports[len(early) :])
        return taking._replace(call_id=call.call_id, early=early)

    def count(self, what: str) -> None:
        """Count what never came to be taken."""
        self._book.keep(self.name, self._clock(), None, Counter({what: 1}))

    def _refusal(self, order: CallOrder) -> str | None:
        code = by_prefix(self.behaviour.refuse_numbers, order.to)
        if code is None and hits(self._rng, self.behaviour.refuse_ratio):
            return self.behaviour.refuse_code
        return code

    def _plan(self, order: CallOrder, now: float) -> Call:
        behaviour = self.behaviour
        self._ids += 1
        fate = by_prefix(behaviour.numbers, order.to) or self._draw()
        outcome, _, code = fate.partition(":")
        early = hits(self._rng, behaviour.early_ratio)
        ended = now + (0 if early else behaviour.ring_ms.draw_s(self._rng))
        due = [] if outcome == "none" else [ended]
        if hits(self._rng, behaviour.accept_but_no_callback_ratio):
            due = []
        if due and hits(self._rng, behaviour.duplicate_ratio):
            due.append(ended + behaviour.duplicate_after_ms.draw_s(self._rng))
        return Call(
            order,
            f"{self._id_prefix}{self._ids:06x}",
            outcome,
            code or _CODES.get(outcome, behaviour.fail_code),
            behaviour.talk_s if outcome == "answered" else 0.0,
            tuple(due),
            early and bool(due),
        )

    def _draw(self) -> str:
        behaviour = self.behaviour
        drawn = self._rng.random()
        for outcome, ratio in (
            ("no-answer", behaviour.no_answer_ratio),
            ("busy", behaviour.busy_ratio),
            ("failed", behaviour.failed_ratio),
        ):
            if drawn < ratio:
                return outcome
            drawn -= ratio
        return "answered"
