"""What becomes of a message handed to a carrier, whatever the protocol it came by: no I/O here."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from yizhan_simulators.behaviour import CarrierBehaviour, MessageBehaviour, by_prefix
from yizhan_simulators.carriers.bucket import Bucket
from yizhan_simulators.carriers.handed import Accepted, Receipt, Submission
from yizhan_simulators.carriers.receipts import WANTS_ALL, plan_receipts
from yizhan_simulators.carriers.replies import Reply, new_id, plan_replies
from yizhan_simulators.carriers.verdicts import Single, Status, Taking, Verdict
from yizhan_simulators.clock import Clock
from yizhan_simulators.draws import Answer, hits
from yizhan_simulators.revision import per_country, revise

BAD_NUMBER = "bad-number"
_BAD_NUMBER_DETAIL = "not an E.164 number: + and 7 to 15 digits, country code first"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_UNKNOWN_CODES = range(0x400, 0x500)  # SMPP 5.1.3 leaves them to vendors


class Book(Protocol):
    """Where a carrier writes down what it was handed."""

    def keep(
        self, carrier: str, at: float, accepted: list[Accepted], counts: Counter[str]
    ) -> list[Receipt]:
        """Keep one submit; return the receipts that are now owed."""
        ...


class Carrier:
    """One simulated carrier: takes messages as its behaviour says and owes receipts for them.

    The same seed, behaviour and submits give the same results.
    """

    def __init__(
        self,
        name: str,
        *,
        book: Book,
        owe: Callable[[list[Receipt]], None],
        say: Callable[[list[Reply]], None],
        country_of: Callable[[str], str],
        rng: Random,
        clock: Clock,
    ) -> None:
        self.name = name
        self._book = book
        self._owe = owe
        self._say = say
        self._country_of = country_of
        self._rng = rng
        self._clock = clock
        # Ids are unique within one carrier only, and over its restarts, as in life.
        self._id_prefix = f"{int(clock() * 1000):x}"
        self._ids = 0
        self._bucket: Bucket | None = None
        self._callback = ""
        self.behaviour = CarrierBehaviour()
        self._by_country: dict[str, MessageBehaviour] = {}

    def revise(self, patch: object) -> CarrierBehaviour:
        """Merge `patch` over the behaviour in force; Invalid leaves it as it was."""
        return self.behave(revise(self.behaviour, patch))

    def behave(self, behaviour: CarrierBehaviour) -> CarrierBehaviour:
        self._by_country = per_country(behaviour)
        if behaviour.throttle_tps != self.behaviour.throttle_tps:
            tps = behaviour.throttle_tps
            self._bucket = Bucket(tps, self._clock()) if tps is not None else None
        self.behaviour = behaviour
        return behaviour

    def take(self, submissions: Sequence[Submission]) -> Taking:
        """Take one submit. When this returns, what was taken is written down."""
        now = self._clock()
        countries = [self._country_of(submission.to) for submission in submissions]
        behaviours = self._behaviours(countries)
        failing = self._one_of(behaviours, [b.error_ratio for b in behaviours])
        if failing is not None:
            return self._fail(len(submissions), failing, now)
        granted = self._grant(len(submissions), now)
        if submissions and not granted:
            return self._throttle(len(submissions), now)
        return self._answer(submissions, countries, behaviours, granted, now)

    def take_singly(self, submissions: Sequence[Submission]) -> tuple[list[Single], list[Receipt]]:
        """Take messages that are answered one by one; return also what to say before the answers.

        When this returns, what was taken is written down.
        """
        now = self._clock()
        accepted: list[Accepted] = []
        counts: Counter[str] = Counter()
        singles = [self._take_one(submission, now, accepted, counts) for submission in submissions]
        return singles, self._keep(now, accepted, counts)

    def reply(self, sender: str, to: str, text: str) -> None:
        """Have a recipient write a message, now."""
        now, reply_id = self._clock(), new_id(self._rng)
        self._say([Reply(self.name, sender, to, text, now, self.reply_callback, reply_id)])

    @property
    def reply_callback(self) -> str:
        """Where replies go; empty while nobody said so."""
        return self.behaviour.reply_callback or self._callback.replace("/receipts/", "/replies/", 1)

    def count(self, what: str) -> None:
        """Count something that is no message."""
        self._book.keep(self.name, self._clock(), [], Counter({what: 1}))

    def turn_away(self, why: str) -> Taking | None:
        """Count a submit with nothing in it to take; None when the carrier is fit to say why.

        One that fails or hangs does so for these too: clients use them to ask whether it is up.
        """
        self._book.keep(self.name, self._clock(), [], Counter({why: 1}))
        if self.behaviour.hang:
            return Taking(Answer.LOST, lose_by="hang")
        if hits(self._rng, self.behaviour.error_ratio):
            return Taking(Answer.FAILED, error_status=self.behaviour.error_status)
        return None

    def _behaviours(self, countries: list[str]) -> list[MessageBehaviour]:
        """Return the behaviours that this submit meets, each once."""
        if not self._by_country:
            return [self.behaviour]
        met = {country: self._by_country.get(country, self.behaviour) for country in countries}
        return list({id(behaviour): behaviour for behaviour in met.values()}.values())

    def _one_of(
        self, behaviours: list[MessageBehaviour], ratios: list[float]
    ) -> MessageBehaviour | None:
        """Decide for a whole submit: the country it is worst for decides."""
        worst = max(range(len(ratios)), key=ratios.__getitem__, default=None)
        if worst is None or not hits(self._rng, ratios[worst]):
            return None
        return behaviours[worst]

    def _fail(self, messages: int, behaviour: MessageBehaviour, now: float) -> Taking:
        self._book.keep(self.name, now, [], Counter(failed=messages))
        return Taking(
            Answer.FAILED,
            latency_s=behaviour.latency_ms.draw_s(self._rng),
            error_status=behaviour.error_status,
        )

    def _grant(self, wanted: int, now: float) -> int:
        return wanted if self._bucket is None else self._bucket.take(wanted, now)

    def _throttle(self, messages: int, now: float) -> Taking:
        self._book.keep(self.name, now, [], Counter(throttled=messages))
        wait_s = self._bucket.wait_s() if self._bucket else 1
        return Taking(Answer.THROTTLED, retry_after_s=wait_s)

    def _answer(
        self,
        submissions: Sequence[Submission],
        countries: list[str],
        behaviours: list[MessageBehaviour],
        granted: int,
        now: float,
    ) -> Taking:
        accepted: list[Accepted] = []
        counts: Counter[str] = Counter()
        verdicts = [
            self._judge(submission, country, now, accepted, counts)
            for submission, country in zip(submissions[:granted], countries, strict=False)
        ]
        for submission in submissions[granted:]:
            verdicts.append(Verdict(submission.ref, Status.THROTTLED))
            counts["throttled"] += 1
        losing = self._one_of(behaviours, [b.lose_answer_ratio for b in behaviours])
        is_lost = self.behaviour.hang or losing is not None
        if is_lost:
            counts["answers_lost"] += len(submissions)
        early = self._keep(now, accepted, counts)
        return Taking(
            Answer.LOST if is_lost else Answer.RESULTS,
            verdicts,
            latency_s=max((b.latency_ms.draw_s(self._rng) for b in behaviours), default=0),
            lose_by="hang" if self.behaviour.hang or losing is None else losing.lose_answer_by,
            early=early,
        )

    def _take_one(
        self, submission: Submission, now: float, accepted: list[Accepted], counts: Counter[str]
    ) -> Single:
        country = self._country_of(submission.to)
        behaviour = self._by_country.get(country, self.behaviour)
        latency_s = behaviour.latency_ms.draw_s(self._rng)
        if hits(self._rng, behaviour.error_ratio):
            counts["failed"] += 1
            return Single(Answer.FAILED, latency_s=latency_s)
        if not self._grant(1, now):
            counts["throttled"] += 1
            return Single(Answer.THROTTLED, latency_s=latency_s)
        verdict = self._judge(submission, country, now, accepted, counts)
        if self.behaviour.hang or hits(self._rng, behaviour.lose_answer_ratio):
            counts["answers_lost"] += 1
            lose_by = "hang" if self.behaviour.hang else behaviour.lose_answer_by
            return Single(Answer.LOST, verdict, latency_s, lose_by)
        return Single(Answer.RESULTS, verdict, latency_s)

    def _keep(self, now: float, accepted: list[Accepted], counts: Counter[str]) -> list[Receipt]:
        """Write down, hand over what is due later, return what must be said before the answer."""
        receipts = self._book.keep(self.name, now, accepted, counts)
        if accepted:
            self._callback = accepted[-1].submission.callback
        self._plan_replies(accepted)
        early = [receipt for receipt in receipts if receipt.early]
        self._owe([receipt for receipt in receipts if not receipt.early] if early else receipts)
        return early

    def _plan_replies(self, accepted: list[Accepted]) -> None:
        if self.behaviour.reply.ratio > 0 or self._by_country:
            behaviours = [self._by_country.get(a.country, self.behaviour) for a in accepted]
            replies = plan_replies(self.name, accepted, behaviours, self.reply_callback, self._rng)
            if replies:
                self._say(replies)

    def _judge(
        self,
        submission: Submission,
        country: str,
        now: float,
        accepted: list[Accepted],
        counts: Counter[str],
    ) -> Verdict:
        behaviour = self._by_country.get(country, self.behaviour)
        code = self._refusal(submission.to, behaviour)
        if code is not None:
            counts[f"refused.{code}"] += 1
            detail = _BAD_NUMBER_DETAIL if code == BAD_NUMBER else behaviour.refuse_detail
            return Verdict(submission.ref, Status.REFUSED, code=code, detail=detail)
        self._ids += 1
        carrier_message_id = f"{self._id_prefix}{self._ids:08x}"
        part = submission.number if submission.total > 1 else 0
        plan = plan_receipts(submission.to, behaviour, now, self._rng, part)
        if submission.wants != WANTS_ALL:
            plan = plan.wanted(submission.wants)
        accepted.append(
            Accepted(submission, country, carrier_message_id, plan, behaviour.receipt.echo_ref)
        )
        return Verdict(submission.ref, Status.ACCEPTED, carrier_message_id)

    def _refusal(self, to: str, behaviour: MessageBehaviour) -> str | None:
        if not _E164.fullmatch(to):
            return BAD_NUMBER
        code = by_prefix(behaviour.refuse_numbers, to)
        if code is None and hits(self._rng, behaviour.refuse_ratio):
            if hits(self._rng, behaviour.unknown_code_ratio):
                return str(self._rng.choice(_UNKNOWN_CODES))
            return behaviour.refuse_code
        return code
