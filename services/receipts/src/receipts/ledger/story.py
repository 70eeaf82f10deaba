"""The fold: a message's state out of its facts. Pure; any order, any repetition, the same state."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from receipts.ledger.conflicts import Conflict, conflicts_of
from receipts.ledger.facts import OF_ATTEMPTS, Accepted, Fact, Kind
from receipts.ledger.silence import Hold
from yizhan_contracts.events import CallOutcome, Medium, ReceiptState
from yizhan_contracts.reasons import Reason

_WEIGHTS = {Kind.RECEIPT: 3, Kind.REFUSED: 3, Kind.FAILED: 2, Kind.IN_DOUBT: 1, Kind.UNROUTABLE: 0}
"""Whose reason explains a failure best: the carrier's own word before ours."""

_SAYS_NOTHING = frozenset({Reason.NONE, Reason.UNKNOWN})


class Failure(NamedTuple):
    """A reason for which an attempt ended badly. The greatest explains the message's failure."""

    weight: int
    n: int
    is_known: bool
    """Of two codes for one failure the one that means something to us explains it."""
    reason: Reason
    carrier_code: str = ""
    channel: str = ""


NO_FAILURE = Failure(0, 0, is_known=False, reason=Reason.UNKNOWN)


class Attempt(NamedTuple):
    """What the facts say of one attempt."""

    n: int
    is_submitted: bool
    is_in_doubt: bool
    is_expired: bool
    unroutable: Reason | None
    failures: tuple[Failure, ...]
    """All but the doubt, which only the policy can weigh."""
    has_failed_receipt: bool
    """Of one part at least: the message has failed with it."""
    delivered_at: datetime | None
    """When the last of its parts was delivered, once all of them are."""
    is_rerouted: bool
    channel: str
    tried: tuple[str, ...]
    handed_over_at: datetime | None
    due_at: datetime | None
    """When it is looked at: its own time or, where it is held back, the end of that."""
    own_due_at: datetime | None
    holds: int
    """How many times it has been held back."""
    last_hold: Hold | None
    conflicts: tuple[Conflict, ...]

    @property
    def is_handed_over(self) -> bool:
        """As far as the ledger knows: a carrier has it, or may have it."""
        return self.is_submitted or self.is_in_doubt or self.has_failed_receipt


class Delivery(NamedTuple):
    """It got there."""

    at: datetime
    via: Medium
    n: int
    channel: str


class State(NamedTuple):
    """All that is known of a message. ``accepted`` is None while facts have come and it has not."""

    accepted: Accepted | None
    attempts: dict[int, Attempt]
    by_sms: Delivery | None
    by_voice: Delivery | None
    call_wait_until: datetime | None
    """The first request's: set as soon as a call was asked for."""
    call_due_at: datetime | None
    is_called: bool
    """The call has been reported, whatever came of it."""

    @property
    def delivery(self) -> Delivery | None:
        return self.by_sms or self.by_voice


def fold(accepted: Accepted | None, facts: Iterable[Fact]) -> State:
    """Fold facts into the state of their message."""
    of_attempts: dict[int, list[Fact]] = {}
    calls: list[Fact] = []
    for fact in facts:
        if fact.kind in OF_ATTEMPTS:
            of_attempts.setdefault(fact.n, []).append(fact)
        else:
            calls.append(fact)
    attempts = {n: _attempt(n, its) for n, its in of_attempts.items()}
    asked = [fact for fact in calls if fact.kind is Kind.CALL_REQUESTED]
    called = [fact for fact in calls if fact.kind is Kind.CALLED]
    return State(
        accepted=accepted,
        attempts=attempts,
        by_sms=_first_delivery(attempts),
        by_voice=_first_answer(called),
        call_wait_until=min((fact.at for fact in asked if fact.at), default=None),
        call_due_at=max((fact.due_at for fact in asked if fact.due_at), default=None),
        is_called=bool(called),
    )


def _attempt(n: int, facts: list[Fact]) -> Attempt:
    """Fold one attempt's facts. One pass: this is the innermost loop of the service."""
    kinds = set()
    failures = set()
    tried: set[str] = set()
    unroutable: list[Reason] = []
    receipts: list[Fact] = []
    parts = 1
    due_at = own_due_at = handed_over_at = None
    held: list[Fact] = []
    for fact in facts:
        kind = fact.kind
        kinds.add(kind)
        tried.update(fact.tried)
        tried.add(fact.channel)
        parts = max(parts, fact.parts)
        if fact.due_at is not None and (due_at is None or fact.due_at > due_at):
            due_at = fact.due_at
        if kind is Kind.HELD_BACK:
            held.append(fact)
            continue
        if fact.due_at is not None and (own_due_at is None or fact.due_at > own_due_at):
            own_due_at = fact.due_at
        if kind is Kind.RECEIPT:
            receipts.append(fact)
        elif kind is Kind.SUBMITTED:
            if fact.at is not None and (handed_over_at is None or fact.at < handed_over_at):
                handed_over_at = fact.at
        elif kind is Kind.REFUSED or kind is Kind.FAILED:
            failures.add(_failure(fact))
        elif kind is Kind.UNROUTABLE:
            unroutable.append(fact.reason)
    tried.discard("")
    failed = [_failure(fact) for fact in receipts if fact.state == ReceiptState.FAILED]
    failures.update(failed)
    return Attempt(
        n,
        Kind.SUBMITTED in kinds,
        Kind.IN_DOUBT in kinds,
        Kind.EXPIRED in kinds,
        min(unroutable, default=None),
        tuple(sorted(failures)),
        bool(failed),
        _delivered_at(receipts, parts),
        Kind.REROUTED in kinds,
        _channel(facts),
        tuple(sorted(tried)),
        handed_over_at,
        due_at,
        own_due_at,
        len({fact.fact_id for fact in held}),
        _last_hold(held),
        conflicts_of(receipts, kinds),
    )


def _last_hold(held: Iterable[Fact]) -> Hold | None:
    last = max(((fact.due_at, fact.state) for fact in held if fact.due_at), default=None)
    return Hold(last[1]) if last else None


def _delivered_at(receipts: list[Fact], parts: int) -> datetime | None:
    """Give when the last part was delivered: None while fewer of them than ``parts`` are."""
    if len(receipts) < parts:
        return None
    first_of: dict[str, datetime] = {}
    for fact in receipts:
        if fact.at is not None and fact.state == ReceiptState.DELIVERED:
            part = fact.part if parts > 1 else ""
            first_of[part] = min(fact.at, first_of.get(part, fact.at))
    return sorted(first_of.values())[parts - 1] if len(first_of) >= parts else None


def _failure(fact: Fact) -> Failure:
    is_known = fact.reason not in _SAYS_NOTHING
    return Failure(
        _WEIGHTS[fact.kind], fact.n, is_known, fact.reason, fact.carrier_code, fact.channel
    )


def conflicts_with(state: State, n: int) -> tuple[Conflict, ...]:
    """Give how what is said of an attempt contradicts itself, or another attempt's delivery."""
    attempt = state.attempts.get(n)
    if attempt is None:
        return ()
    delivered = [one.n for one in state.attempts.values() if one.delivered_at is not None]
    is_twice = n in delivered and len(delivered) > 1
    return attempt.conflicts + ((Conflict.DELIVERED_TWICE,) if is_twice else ())


def doubt(attempt: Attempt) -> Failure:
    """Give the failure that an attempt in doubt is where the policy resends it."""
    weight = _WEIGHTS[Kind.IN_DOUBT]
    return Failure(
        weight, attempt.n, is_known=True, reason=Reason.IN_DOUBT, channel=attempt.channel
    )


def no_route(attempt: Attempt) -> Failure:
    """Give the failure that an unroutable attempt is: the weakest explanation of all."""
    weight, reason = _WEIGHTS[Kind.UNROUTABLE], attempt.unroutable or Reason.NO_ROUTE
    return Failure(weight, attempt.n, is_known=True, reason=reason, channel=attempt.channel)


def _channel(facts: list[Fact]) -> str:
    """Take the attempt's own word before a receipt's: that may come by another channel's bind."""
    own = [fact.channel for fact in facts if fact.kind is not Kind.RECEIPT and fact.channel]
    return min(own or (fact.channel for fact in facts), default="")


def _first_delivery(attempts: dict[int, Attempt]) -> Delivery | None:
    told = [
        Delivery(attempt.delivered_at, Medium.SMS, attempt.n, attempt.channel)
        for attempt in attempts.values()
        if attempt.delivered_at is not None
    ]
    return min(told, default=None)


def _first_answer(called: list[Fact]) -> Delivery | None:
    told = [
        Delivery(fact.at, Medium.VOICE, 0, fact.channel)
        for fact in called
        if fact.state == CallOutcome.ANSWERED and fact.at
    ]
    return min(told, default=None)
