"""What a customer's receipt endpoint answers to a push: no I/O here."""

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from yizhan_simulators.behaviour import CustomerBehaviour
from yizhan_simulators.clock import Clock
from yizhan_simulators.customers.events import check_signature, parse_event
from yizhan_simulators.customers.pushes import ACKNOWLEDGED, MALFORMED, SmsResult, parse_push
from yizhan_simulators.customers.records import Arrival, CustomerBook
from yizhan_simulators.draws import Answer, hits
from yizhan_simulators.revision import Invalid, Problem, revise


class PushTaking(NamedTuple):
    """What a face has to tell whoever pushed, after `latency_s`."""

    answer: Answer
    resp_code: str = ACKNOWLEDGED
    problems: tuple[Problem, ...] = ()
    latency_s: float = 0
    error_status: int = 500
    lose_by: str = "close"


class Customer:
    """One simulated customer: reads pushes strictly and answers as its behaviour says."""

    def __init__(self, name: str, *, book: CustomerBook, rng: Random, clock: Clock) -> None:
        self.name = name
        self._book = book
        self._rng = rng
        self._clock = clock
        self.behaviour = CustomerBehaviour()

    def revise(self, patch: object) -> CustomerBehaviour:
        """Merge `patch` over the behaviour in force; Invalid leaves it as it was."""
        return self.behave(revise(self.behaviour, patch))

    def behave(self, behaviour: CustomerBehaviour) -> CustomerBehaviour:
        self.behaviour = behaviour
        return behaviour

    def take(self, headers: Mapping[str, str], body: bytes) -> PushTaking:
        """Take one push. When this returns, it is written down, whatever it is answered."""
        now = self._clock()
        try:
            self._check_signature(headers, body, now)
            results = parse_push(headers, body)
        except Invalid as invalid:
            self._book.keep_malformed(self.name, now, invalid.problems)
            return PushTaking(Answer.RESULTS, MALFORMED, tuple(invalid.problems))
        taking, said = self._decide()
        counts = Counter(pushes=1)
        if said != ACKNOWLEDGED:
            counts["not_acknowledged"] = 1
        self._book.keep(self.name, [_arrival(r, now, said) for r in results], counts)
        return taking

    def take_event(self, headers: Mapping[str, str], body: bytes) -> PushTaking:
        """Take one event, as `take` does."""
        now = self._clock()
        try:
            self._check_signature(headers, body, now)
            event = parse_event(body)
        except Invalid as invalid:
            self._book.keep_malformed(self.name, now, invalid.problems)
            return PushTaking(Answer.FAILED, MALFORMED, tuple(invalid.problems), error_status=400)
        taking, said = self._decide()
        self._book.keep_event(self.name, event.type, is_taken=said == ACKNOWLEDGED)
        return taking

    def _check_signature(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        if self.behaviour.secret is not None:
            check_signature(self.behaviour.secret.get_secret_value(), headers, body, now)

    def _decide(self) -> tuple[PushTaking, str]:
        """Return the answer, and the word for it in the record."""
        behaviour = self.behaviour
        latency_s = behaviour.latency_ms.draw_s(self._rng)
        if behaviour.hang or hits(self._rng, behaviour.lose_answer_ratio):
            lose_by = "hang" if behaviour.hang else behaviour.lose_answer_by
            return PushTaking(Answer.LOST, latency_s=latency_s, lose_by=lose_by), "lost"
        if hits(self._rng, behaviour.error_ratio):
            status = behaviour.error_status
            return PushTaking(Answer.FAILED, latency_s=latency_s, error_status=status), str(status)
        if hits(self._rng, behaviour.refuse_ratio):
            code = behaviour.refuse_resp_code
            return PushTaking(Answer.RESULTS, code, latency_s=latency_s), code
        return PushTaking(Answer.RESULTS, latency_s=latency_s), ACKNOWLEDGED


def _arrival(result: SmsResult, at: float, answer: str) -> Arrival:
    return Arrival(
        result.sms_id,
        result.phone,
        result.status,
        result.resp_message,
        result.receive_time,
        result.charging_num,
        at,
        answer,
    )
