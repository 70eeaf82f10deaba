"""What becomes of shipment events, decided without I/O.

What was stored wins over everything that depends on time, rules or order: a repeat gets the first
answer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ingest import composing
from ingest.catalogue import Account, Notify, Rule
from ingest.codes import Code, Refusal
from ingest.composing import Draft
from ingest.content.checking import ContentRules
from ingest.events import identity, ordering
from ingest.events.parsing import ShipmentEvent
from ingest.holds import service as holding
from ingest.numbers import Number, check
from ingest.optouts.domain import Stop, Who, refusal_of
from ingest.ports import Catalogue, Input, Mark
from ingest.quota.till import Till
from ingest.templates.model import Template
from yizhan_contracts.events import (
    Answer,
    Classifier,
    MessageAccepted,
    Milestone,
    Origin,
    OriginKind,
    ShipmentRecipient,
    ShipmentUpdated,
)
from yizhan_telecom.holds import Holds

DrawId = Callable[[str], str]
"""Draws a message id for a recipient."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One recipient of an event, and the name of the input that it would be."""

    index: int
    recipient: ShipmentRecipient
    number: Number | Refusal
    input_id: str


@dataclass(frozen=True, slots=True)
class Case:
    """One event to be judged."""

    read: ShipmentEvent
    arrived_at: datetime
    digest: str
    candidates: tuple[Candidate, ...]

    @property
    def event(self) -> ShipmentUpdated:
        return self.read.event

    def input_ids(self) -> Iterator[str]:
        """Name the inputs to look up: none for what notifies nobody, whatever the rules."""
        if _never_notifies(self.event) is None:
            yield from (c.input_id for c in self.candidates if isinstance(c.number, Number))

    def recipients(self) -> Iterator[Who]:
        """Name the numbers that may want no messages."""
        if _never_notifies(self.event) is None:
            for candidate in self.candidates:
                if isinstance(candidate.number, Number):
                    yield self.event.account_id, candidate.number.e164

    def mark_ids(self, catalogue: Catalogue) -> Iterator[str]:
        """Name the marks that the event is judged by."""
        end = ordering.end_that_stops(self.event.milestone)
        if end is not None:
            yield identity.end_mark_id(self.event, end)
        rule = _rule(catalogue.account(self.event.account_id), self.event.milestone)
        if rule is not None and rule.notify is Notify.FIRST:
            for candidate in self.candidates:
                if isinstance(candidate.number, Number):
                    yield _first_mark_id(self.event, candidate.number)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one recipient. Accepted: ``input_id`` names the stored message."""

    index: int
    answer: Answer
    refusal: Refusal | None = None
    input_id: str = ""
    is_repeat: bool = False


def open_case(read: ShipmentEvent, arrived_at: datetime) -> Case:
    """Check an event's numbers and name what it would make."""
    event, digest = read.event, identity.event_id(read.event)
    indexes = read.indexes or range(len(event.recipients))
    candidates = []
    for index, recipient in zip(indexes, event.recipients, strict=True):
        number = check(recipient.phone)
        named = number.e164 if isinstance(number, Number) else ""
        input_id = identity.input_id(digest, event.milestone, named) if named else ""
        candidates.append(Candidate(index, recipient, number, input_id))
    return Case(read, arrived_at, digest, tuple(candidates))


@dataclass(frozen=True, slots=True)
class Known:
    """What the stores knew of a batch when it was looked up."""

    inputs: Mapping[str, Input]
    marks: Mapping[str, Mark]
    stops: Mapping[Who, tuple[Stop, ...]]


@dataclass(slots=True)
class Judge:
    """Judges the events of one batch, in order; what it decided it knows for the next."""

    catalogue: Catalogue
    now: datetime
    draw_id: DrawId
    known: Known
    rules: ContentRules
    till: Till
    holds: Holds
    new_inputs: dict[str, Input] = field(default_factory=dict)
    new_marks: dict[str, Mark] = field(default_factory=dict)

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Decide about every recipient of an event."""
        event = case.event
        account = self.catalogue.account(event.account_id)
        rule = _rule(account, event.milestone)
        stop = self._event_refusal(event, account, rule) or self._hold(case, account, rule)
        seen: set[str] = set()
        verdicts = [
            _refused(index, Refusal(Code.RECIPIENT_MALFORMED, detail=detail))
            for index, detail in case.read.bad_recipients
        ]
        for candidate in case.candidates:
            if candidate.input_id and candidate.input_id in seen:
                verdict = _refused(candidate.index, Refusal(Code.RECIPIENT_REPEATED))
            elif candidate.input_id in self.known.inputs or candidate.input_id in self.new_inputs:
                verdict = _accepted(candidate, is_repeat=True)
            elif stop is not None or account is None or rule is None:
                verdict = _refused(candidate.index, stop or Refusal(Code.NO_RULE))
            else:
                verdict = self._recipient(case, candidate, account, rule)
            seen.add(candidate.input_id)
            verdicts.append(verdict)
        self._note_ends(event, case.digest)
        return tuple(verdicts)

    def _event_refusal(
        self, event: ShipmentUpdated, account: Account | None, rule: Rule | None
    ) -> Refusal | None:
        """Find what stops the whole event, if anything."""
        if account is None:
            return Refusal(Code.ACCOUNT_UNKNOWN, "account_id")
        if (never := _never_notifies(event)) is not None:
            return never
        if rule is None:
            return Refusal(Code.NO_RULE)
        if (self.now - event.occurred_at).total_seconds() > rule.max_age_s:
            return Refusal(Code.TOO_OLD, detail=f"Over {rule.max_age_s} s.")
        if self._is_superseded(event):
            return Refusal(Code.SUPERSEDED)
        return composing.usable(account, account.template(rule.template))

    def _hold(self, case: Case, account: Account | None, rule: Rule | None) -> Refusal | None:
        if self.holds.is_empty or account is None or rule is None:
            return None
        return holding.refusal(self.holds, account.id, rule.template, _origin(case))

    def _is_superseded(self, event: ShipmentUpdated) -> bool:
        end = ordering.end_that_stops(event.milestone)
        mark = self._mark(identity.end_mark_id(event, end)) if end is not None else None
        return ordering.is_superseded(event.milestone, event.occurred_at, mark)

    def _mark(self, mark_id: str) -> Mark | None:
        return self.known.marks.get(mark_id) or self.new_marks.get(mark_id)

    def _recipient(self, case: Case, candidate: Candidate, account: Account, rule: Rule) -> Verdict:
        number, event = candidate.number, case.event
        if isinstance(number, Refusal):
            return _refused(candidate.index, number)
        mark_id = _first_mark_id(event, number) if rule.notify is Notify.FIRST else ""
        mark = self._mark(mark_id) if mark_id else None
        if mark is not None and mark.owner != case.digest:
            return _refused(candidate.index, Refusal(Code.ALREADY_NOTIFIED))
        draft = _draft(case, candidate.recipient, number, account, rule)
        if unfit := self._unfit(draft):
            return _refused(candidate.index, unfit)
        message = composing.compose(draft, self.draw_id(number.e164), self.now)
        wrong = composing.check_content(self.rules, draft, message.text)
        if wrong:
            return _refused(candidate.index, wrong[0])
        verdict = self._pay(candidate, message, account.home_region)
        if mark_id and verdict.refusal is None:
            self._set_mark(mark_id, event, case.digest)
        return verdict

    def _unfit(self, draft: Draft) -> Refusal | None:
        """Find what keeps a message from being rendered for this recipient."""
        account, template, number = draft.account, draft.template, draft.number
        if stops := self.known.stops.get((account.id, number.e164)):
            no = refusal_of(stops, template.category)
            if no is not None:
                return no
        no = composing.check_sender(account, template, draft.language, draft.sender, number.country)
        wrong = (no,) if no else composing.check_values(template, draft.values)
        return wrong[0] if wrong else None

    def _pay(self, candidate: Candidate, message: MessageAccepted, home_region: str) -> Verdict:
        lease = self.till.charge(candidate.input_id, message, home_region)
        if not isinstance(lease, str):
            return _refused(candidate.index, lease[0] if lease else _UNPAID)
        new = Input(candidate.input_id, message, self.now, lease=lease)
        self.new_inputs[candidate.input_id] = new
        return _accepted(candidate)

    def _note_ends(self, event: ShipmentUpdated, owner: str) -> None:
        """Mark an end as reached, whether anybody is told of it or not."""
        if event.classifier is not Classifier.ACTUAL:
            return
        for end in ordering.ends_set_by(event.milestone):
            self._set_mark(identity.end_mark_id(event, end), event, owner)

    def _set_mark(self, mark_id: str, event: ShipmentUpdated, owner: str) -> None:
        if self._mark(mark_id) is None:
            self.new_marks[mark_id] = Mark(mark_id, owner, event.occurred_at, self.now)


_UNPAID = Refusal(Code.PACKAGE_EMPTY)
"""Only until the till is filled and the batch is judged again."""

_SUPPRESSES = frozenset(
    {
        Code.MILESTONE_UNKNOWN,
        Code.NO_RULE,
        Code.NOT_HAPPENED,
        Code.TOO_OLD,
        Code.SUPERSEDED,
        Code.ALREADY_NOTIFIED,
        Code.RECIPIENT_REPEATED,
        Code.RECIPIENT_OPTED_OUT,
        Code.RECIPIENT_BLACKLISTED,
    }
)
"""Nothing is wrong with these: nobody is to be told."""


def _accepted(candidate: Candidate, *, is_repeat: bool = False) -> Verdict:
    return Verdict(
        candidate.index, Answer.ACCEPTED, input_id=candidate.input_id, is_repeat=is_repeat
    )


def _refused(index: int, refusal: Refusal) -> Verdict:
    answer = Answer.SUPPRESSED if refusal.code in _SUPPRESSES else Answer.REJECTED
    return Verdict(index, answer, refusal)


def _never_notifies(event: ShipmentUpdated) -> Refusal | None:
    if event.milestone is Milestone.UNKNOWN:
        return Refusal(Code.MILESTONE_UNKNOWN, "milestone")
    if event.classifier is not Classifier.ACTUAL:
        return Refusal(Code.NOT_HAPPENED, "classifier")
    return None


def _rule(account: Account | None, milestone: Milestone) -> Rule | None:
    rule = account.rules.get(milestone) if account is not None else None
    return None if rule is None or rule.notify is Notify.NEVER else rule


def _first_mark_id(event: ShipmentUpdated, number: Number) -> str:
    return identity.first_mark_id(event, event.milestone, number.e164)


def _draft(
    case: Case, recipient: ShipmentRecipient, number: Number, account: Account, rule: Rule
) -> Draft:
    event, template = case.event, account.newest[rule.template]
    return Draft(
        account=account,
        template=template,
        language=composing.choose_language(account, template, recipient.language),
        values=_values(template, event, recipient),
        number=number,
        lane=rule.lane,
        sender=rule.sender or account.sender,
        validity_s=rule.validity_s,
        reference=event.attributes.get("reference", event.shipment_id)[:200],
        origin=_origin(case),
        test=account.is_test_number(number.e164),
    )


def _origin(case: Case) -> Origin:
    event = case.event
    return Origin(
        kind=OriginKind.SHIPMENT_EVENT,
        source=event.source,
        event_id=event.event_id,
        revision=event.revision,
        shipment_id=event.shipment_id,
        occurred_at=event.occurred_at,
        arrived_at=case.arrived_at,
    )


def _values(
    template: Template, event: ShipmentUpdated, recipient: ShipmentRecipient
) -> dict[str, str]:
    """Take the template's variables from the attributes; some have a natural value without one."""
    natural = {
        "shipment_id": event.shipment_id,
        "tracking_number": event.shipment_id,
        "name": recipient.name,
    }
    values = {name: event.attributes.get(name) or natural.get(name) for name in template.variables}
    return {name: value for name, value in values.items() if value is not None}
