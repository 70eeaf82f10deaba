"""What follows from a message's state: settle it, ask for another attempt, ask for a call, or wait.

Pure. The rules are the protocol's: ``chain_of``, ``final`` and ``decide`` are its model's, with the
router's own rule for whether an attempt has a successor, so that the two never disagree.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from receipts.ledger.facts import Accepted
from receipts.ledger.silence import Hold
from receipts.ledger.story import (
    NO_FAILURE,
    Attempt,
    Delivery,
    Failure,
    State,
    doubt,
    no_route,
)
from yizhan_contracts.events import (
    InDoubtPolicy,
    Medium,
    OverduePolicy,
    Policy,
    Status,
    VoicePolicy,
)
from yizhan_contracts.reasons import Reason
from yizhan_telecom.attempts import next_is_allowed
from yizhan_telecom.reasons import may_call


class Chain(NamedTuple):
    """The first attempt that may still end well, or the one that ended it all."""

    n: int
    has_ended: bool


class SmsVerdict(NamedTuple):
    """What became of the SMS, whatever a call did: this is what the receipt push speaks of."""

    status: Status
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    delivered_at: datetime | None = None


class Verdict(NamedTuple):
    """What a message settles to."""

    status: Status
    via: Medium
    reason: Reason
    carrier_code: str
    channel: str
    attempts: int
    delivered_at: datetime | None
    sms: SmsVerdict


class Settle(NamedTuple):
    """Settle it; if it is settled, correct it should this be a late "delivered", say it again."""

    verdict: Verdict


class Repeat(NamedTuple):
    """It is settled: say so again, whoever settled it may have died before saying it."""


class Call(NamedTuple):
    """Ask for the call, or ask again."""

    reason: Reason
    carrier_code: str
    sms_failed: bool


class Reroute(NamedTuple):
    """Ask for attempt ``n`` + 1."""

    n: int
    reason: Reason
    tried: tuple[str, ...]


class Held(NamedTuple):
    """One overdue attempt that is waited for on."""

    n: int
    k: int
    """How many times it had been held back before."""
    hold: Hold
    until: datetime
    channel: str


class HoldBack(NamedTuple):
    """Wait on: the silence is that of a whole channel, and says nothing of this message."""

    attempts: tuple[Held, ...]


_EXPIRED: Final = SmsVerdict(Status.EXPIRED, Reason.VALIDITY_EXPIRED)
_CANCELLED: Final = SmsVerdict(Status.CANCELLED, Reason.CANCELLED)

Action = Settle | Repeat | Call | Reroute | HoldBack


def decide(state: State, *, is_settled: bool, now: datetime) -> Action | None:
    """Decide what follows from what is known. None: it waits."""
    if state.accepted is None:
        return None
    if state.delivery is not None:
        return Settle(_delivered(state, state.delivery))
    if is_settled:
        return Repeat()
    chain = chain_of(state)
    if chain.has_ended:
        verdict = _at_end(state, chain)
        return verdict and _give_up(state, verdict)
    if _is_never_claimed(state, chain) and now >= state.accepted.check_at:
        verdict = _by_late_word(state)
        return None if verdict.status is Status.UNKNOWN else _give_up(state, verdict)
    return _reroute_after_receipt(state, chain)


def decide_swept(
    state: State, *, is_settled: bool, now: datetime, excused: Collection[int] = ()
) -> Action | None:
    """Decide what follows from what is known and from what has not come by ``now``.

    The silence of the attempts ``excused`` says nothing: nobody is called, nothing sent again.
    """
    accepted = state.accepted
    if accepted is None:
        return None
    action = decide(state, is_settled=is_settled, now=now)
    if isinstance(action, Settle | Repeat):
        return action
    action = action or _overdue(state, accepted, now, excused)
    if now < last_deadline(state, accepted) or _is_first_call(state, action):
        return action
    verdict = final(state)
    return _give_up(state, verdict) if _may_still_call(state, verdict) else Settle(verdict)


def chain_of(state: State) -> Chain:
    """Walk the attempts to the first that may still end well."""
    n = 1
    while (attempt := state.attempts.get(n)) is not None:
        if attempt.unroutable is not None:
            return Chain(n, has_ended=True)
        failures = tuple(_failures(state, attempt))
        if not failures:
            break
        if not _is_followed(state, attempt, failures):
            return Chain(n, has_ended=True)
        n += 1
    return Chain(n, has_ended=False)


def final(state: State) -> Verdict:
    """Judge at the last deadline: silence is unknown.

    Expired needs somebody's word that nothing was claimed.
    """
    if state.delivery is not None:
        return _delivered(state, state.delivery)
    chain = chain_of(state)
    if chain.has_ended:
        return _ended(state, chain)
    return _by_late_word(state) if _is_never_claimed(state, chain) else _unknown(state)


def last_deadline(state: State, accepted: Accepted) -> datetime:
    """Give the moment after which nothing more is waited for."""
    dues = [
        attempt.due_at
        for attempt in state.attempts.values()
        if attempt.due_at and not attempt.has_failed_receipt
    ]
    if state.call_due_at is not None:
        dues.append(state.call_due_at)
    return max((accepted.check_at, *dues))


def overdue_attempts(state: State, now: datetime) -> Iterator[Attempt]:
    """Give the attempts whose receipt should have come by ``now``."""
    for _, attempt in sorted(state.attempts.items()):
        if attempt.due_at and attempt.due_at <= now and not attempt.has_failed_receipt:
            yield attempt


def _failures(state: State, attempt: Attempt) -> Iterator[Failure]:
    yield from attempt.failures
    if attempt.is_in_doubt and _policy(state).in_doubt is InDoubtPolicy.RESEND:
        yield doubt(attempt)


def _is_followed(state: State, attempt: Attempt, failures: tuple[Failure, ...]) -> bool:
    """Any of its failures may have been the one that the router, or we, acted on."""
    if attempt.is_rerouted or attempt.n + 1 in state.attempts:
        return True
    policy = _policy(state)
    return any(next_is_allowed(policy, attempt.n, failure.reason) for failure in failures)


def _is_never_claimed(state: State, chain: Chain) -> bool:
    """Tell whether an adapter found the attempt too late. Sure once no claim can be under way."""
    attempt = state.attempts.get(chain.n)
    return attempt is not None and attempt.is_expired and not attempt.is_handed_over


def _at_end(state: State, chain: Chain) -> Verdict | None:
    verdict = _ended(state, chain)
    # An attempt in doubt may still be delivered: its receipt is waited for.
    return None if verdict.status is Status.UNKNOWN else verdict


def _ended(state: State, chain: Chain) -> Verdict:
    """Judge a message that is given up: for want of time, by its sender's will, or a channel."""
    attempt = state.attempts.get(chain.n)
    match attempt and attempt.unroutable:
        case Reason.CANCELLED:
            return _by_late_word(state, _CANCELLED)
        case Reason.VALIDITY_EXPIRED:
            return _by_late_word(state)
        case _:
            return _failed(state)


def _by_late_word(state: State, never_made: SmsVerdict = _EXPIRED) -> Verdict:
    """Judge a message whose next attempt was never claimed: ``never_made`` if none before was."""
    held = [attempt for attempt in state.attempts.values() if attempt.is_handed_over]
    if not held:
        return _verdict(state, never_made.status, never_made)
    if all(attempt.has_failed_receipt for attempt in held):
        return _failed(state)
    return _unknown(state)


def _failed(state: State) -> Verdict:
    best = _best_failure(state)
    return _verdict(state, Status.FAILED, _sms_failed(best), best.channel)


def _sms_failed(best: Failure) -> SmsVerdict:
    return SmsVerdict(Status.FAILED, best.reason, best.carrier_code)


def _unknown(state: State) -> Verdict:
    held = [attempt for attempt in state.attempts.values() if attempt.is_handed_over]
    reason = Reason.RECEIPT_OVERDUE if held else Reason.UNKNOWN
    channel = max(held).channel if held else ""
    return _verdict(state, Status.UNKNOWN, SmsVerdict(Status.UNKNOWN, reason), channel)


def _delivered(state: State, delivery: Delivery) -> Verdict:
    if state.by_sms is not None:
        sms = SmsVerdict(Status.DELIVERED, delivered_at=state.by_sms.at)
    elif chain_of(state).has_ended:
        sms = _sms_failed(_best_failure(state))
    else:
        sms = SmsVerdict(Status.UNKNOWN, Reason.RECEIPT_OVERDUE)
    verdict = _verdict(state, Status.DELIVERED, sms, delivery.channel)
    return verdict._replace(via=delivery.via, delivered_at=delivery.at, reason=Reason.NONE)


def _verdict(state: State, status: Status, sms: SmsVerdict, channel: str = "") -> Verdict:
    return Verdict(
        status=status,
        via=Medium.NONE,
        reason=sms.reason,
        carrier_code=sms.carrier_code,
        channel=channel,
        attempts=sum(_was_made(attempt) for attempt in state.attempts.values()),
        delivered_at=None,
        sms=sms,
    )


def _was_made(attempt: Attempt) -> bool:
    return attempt.unroutable is None and (not attempt.is_expired or attempt.is_handed_over)


def _best_failure(state: State) -> Failure:
    """Find the last carrier's reason rather than that nothing was left to try."""
    found = [f for attempt in state.attempts.values() for f in _failures(state, attempt)]
    found += [no_route(a) for a in state.attempts.values() if a.unroutable is not None]
    return max(found, default=NO_FAILURE)


def _reroute_after_receipt(state: State, chain: Chain) -> Reroute | None:
    """Ask for what the router does not plan by itself: after a receipt it waits for our word."""
    ended = state.attempts.get(chain.n - 1)
    if ended is None or not ended.has_failed_receipt or chain.n in state.attempts:
        return None
    return Reroute(ended.n, max(ended.failures).reason, _tried(state))


def _overdue(
    state: State, accepted: Accepted, now: datetime, excused: Collection[int]
) -> Action | None:
    for attempt in overdue_attempts(state, now):
        if attempt.n in excused:
            continue
        if _is_callable(state, Reason.RECEIPT_OVERDUE):
            return None if state.is_called else Call(Reason.RECEIPT_OVERDUE, "", sms_failed=False)
        if _may_reroute(state, accepted, attempt, now):
            return Reroute(attempt.n, Reason.RECEIPT_OVERDUE, _tried(state))
    return None


def _may_reroute(state: State, accepted: Accepted, attempt: Attempt, now: datetime) -> bool:
    return (
        accepted.policy.on_overdue is OverduePolicy.REROUTE
        and now < accepted.valid_until
        and attempt.n + 1 not in state.attempts
        and next_is_allowed(accepted.policy, attempt.n, Reason.RECEIPT_OVERDUE)
    )


def _give_up(state: State, verdict: Verdict) -> Action:
    """Follow a final SMS: by a call if it failed and one may help, else this is the end."""
    wants_call = verdict.status is Status.FAILED and _is_callable(state, verdict.reason)
    if wants_call and not state.is_called:
        return Call(verdict.reason, verdict.carrier_code, sms_failed=True)
    return Settle(verdict)


def _may_still_call(state: State, verdict: Verdict) -> bool:
    """At the last deadline only a call that nobody has asked for yet is worth waiting for."""
    return verdict.status is Status.FAILED and state.call_wait_until is None


def _is_first_call(state: State, action: Action | None) -> bool:
    return isinstance(action, Call) and state.call_wait_until is None


def _is_callable(state: State, reason: Reason) -> bool:
    accepted = state.accepted
    return (
        accepted is not None
        and accepted.has_script
        and accepted.policy.voice is VoicePolicy.ON_FAILURE
        and may_call(reason)
    )


def _tried(state: State) -> tuple[str, ...]:
    return tuple(sorted({name for attempt in state.attempts.values() for name in attempt.tried}))


def _policy(state: State) -> Policy:
    assert state.accepted is not None  # noqa: S101 - decide returns before anything asks
    return state.accepted.policy
