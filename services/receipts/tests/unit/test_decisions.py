"""What follows from a state, where the protocol leaves it to policy, reason and time."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from services.receipts.tests.unit.making import HOLD, NOON, RESEND, WITH_CALL, Facts, accepted

from receipts.ledger.decisions import (
    Action,
    Call,
    Repeat,
    Reroute,
    Settle,
    Verdict,
    decide,
    decide_swept,
)
from receipts.ledger.facts import Fact, Kind
from receipts.ledger.story import State, fold
from yizhan_contracts.events import (
    CallOutcome,
    Medium,
    OverduePolicy,
    Policy,
    ReceiptState,
    Status,
)
from yizhan_contracts.reasons import Reason

SUBMITTED = Facts.attempt(Kind.SUBMITTED, 1)
DUE = NOON + timedelta(hours=1)
CHECKED = NOON + timedelta(minutes=10, seconds=20)
SECOND = timedelta(seconds=1)


def state(*facts: Fact, policy: Policy = RESEND, **changes: Any) -> State:
    return fold(accepted(policy=policy, **changes), facts)


def verdict(action: Action | None) -> Verdict:
    assert isinstance(action, Settle), action
    return action.verdict


def follow(*facts: Fact, policy: Policy = RESEND) -> Action | None:
    return decide(state(*facts, policy=policy), is_settled=False, now=NOON)


def sweep(at: datetime, *facts: Fact, policy: Policy = RESEND) -> Action | None:
    return decide_swept(state(*facts, policy=policy), is_settled=False, now=at)


def failed(n: int = 1, reason: Reason = Reason.CARRIER_ERROR) -> Fact:
    return Facts.receipt(ReceiptState.FAILED, n, reason)


def test_nothing_follows_before_the_message_is_known() -> None:
    unknown = fold(None, [Facts.receipt(ReceiptState.DELIVERED)])
    assert decide(unknown, is_settled=False, now=NOON) is None
    assert decide_swept(unknown, is_settled=False, now=DUE) is None


def test_delivered_names_the_channel_and_when() -> None:
    told = verdict(follow(SUBMITTED, Facts.receipt(ReceiptState.DELIVERED)))
    assert (told.status, told.via, told.channel, told.attempts) == (
        Status.DELIVERED,
        Medium.SMS,
        "a",
        1,
    )
    assert told.delivered_at == NOON + 10 * SECOND
    assert told.sms.delivered_at == told.delivered_at


def test_once_settled_there_is_no_reroute_and_no_call() -> None:
    """``settled`` freezes the status: a failed receipt after "unknown" changes nothing."""
    for policy in (RESEND, WITH_CALL):
        late = state(SUBMITTED, failed(), policy=policy)
        assert decide(late, is_settled=True, now=NOON) == Repeat()
        assert decide_swept(late, is_settled=True, now=DUE + SECOND) == Repeat()


def test_late_delivery_beats_what_is_settled() -> None:
    late = state(SUBMITTED, failed(), Facts.receipt(ReceiptState.DELIVERED))
    assert verdict(decide(late, is_settled=True, now=NOON)).status is Status.DELIVERED


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.CARRIER_ERROR, Reroute(1, Reason.CARRIER_ERROR, ("a",))),
        (Reason.NUMBER_VACANT, Status.FAILED),
    ],
)
def test_failed_receipt_is_rerouted_where_another_channel_may_do_it(
    reason: Reason, expected: Reroute | Status
) -> None:
    action = follow(SUBMITTED, failed(1, reason))
    assert (action if isinstance(expected, Reroute) else verdict(action).status) == expected


def test_a_request_for_the_next_attempt_is_not_forgotten_when_a_final_reason_comes_later() -> None:
    """Attempt 2 was asked for when the receipt was overdue: it may be on its way already."""
    facts = (SUBMITTED, Facts.rerouted(1), failed(1, Reason.NUMBER_VACANT))
    assert follow(*facts) == Reroute(1, Reason.NUMBER_VACANT, ("a",))


def test_failure_is_explained_by_the_carrier_and_not_by_what_we_ran_out_of() -> None:
    refused = Facts.attempt(Kind.REFUSED, 1, Reason.CARRIER_INTERCEPTED, carrier_code="DND")
    none_left = Facts.attempt(Kind.UNROUTABLE, 2, Reason.ATTEMPTS_EXHAUSTED, channel="none")
    told = verdict(follow(refused, none_left))
    assert (told.status, told.reason, told.carrier_code, told.channel, told.attempts) == (
        Status.FAILED,
        Reason.CARRIER_INTERCEPTED,
        "DND",
        "a",
        1,
    )


def test_without_any_route_the_message_fails_for_that() -> None:
    told = verdict(follow(Facts.attempt(Kind.UNROUTABLE, 1, Reason.NO_ROUTE, channel="none")))
    assert (told.status, told.reason, told.attempts) == (Status.FAILED, Reason.NO_ROUTE, 0)


TOO_LATE = Facts.attempt(Kind.UNROUTABLE, 2, Reason.VALIDITY_EXPIRED, channel="none")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ((Facts.attempt(Kind.FAILED, 1, Reason.CHANNEL_DOWN),), Status.EXPIRED),
        ((SUBMITTED, failed()), Status.FAILED),
    ],
)
def test_too_late_to_plan_is_expired_only_if_none_was_handed_over(
    first: tuple[Fact, ...], expected: Status
) -> None:
    assert verdict(follow(*first, TOO_LATE)).status is expected


def test_too_late_to_plan_waits_for_an_attempt_in_doubt() -> None:
    facts = (Facts.attempt(Kind.IN_DOUBT, 1, Reason.IN_DOUBT), TOO_LATE)
    assert follow(*facts) is None
    assert verdict(sweep(CHECKED, *facts)).status is Status.UNKNOWN


def test_expired_needs_the_word_of_an_adapter_and_silence_is_unknown() -> None:
    """Rule ``say``: nobody knows what became of a message of which nothing was heard."""
    late = Facts.attempt(Kind.EXPIRED, 1, Reason.VALIDITY_EXPIRED)
    assert sweep(CHECKED - SECOND) is None
    assert verdict(sweep(CHECKED)).status is Status.UNKNOWN
    assert sweep(CHECKED - SECOND, late) is None
    assert verdict(sweep(CHECKED, late)).status is Status.EXPIRED


def test_expired_after_a_failed_hand_over_is_failed() -> None:
    late = Facts.attempt(Kind.EXPIRED, 2, Reason.VALIDITY_EXPIRED)
    told = verdict(sweep(DUE, SUBMITTED, failed(), late))
    assert (told.status, told.reason) == (Status.FAILED, Reason.CARRIER_ERROR)


@pytest.mark.parametrize(("policy", "expected"), [(RESEND, Settle), (WITH_CALL, Call)])
def test_failed_hand_over_whose_next_came_too_late_waits_for_no_other_receipt(
    policy: Policy, expected: type[Action]
) -> None:
    late = Facts.attempt(Kind.EXPIRED, 2, Reason.VALIDITY_EXPIRED)
    known = state(SUBMITTED, failed(), late, policy=policy)
    assert decide(known, is_settled=False, now=CHECKED - SECOND) is None
    assert isinstance(decide(known, is_settled=False, now=CHECKED), expected)


def test_receipt_is_waited_for_from_the_hand_over_and_not_from_the_acceptance() -> None:
    assert sweep(CHECKED + SECOND, SUBMITTED) is None
    told = verdict(sweep(DUE, SUBMITTED))
    assert (told.status, told.reason, told.channel) == (
        Status.UNKNOWN,
        Reason.RECEIPT_OVERDUE,
        "a",
    )


def test_in_doubt_under_hold_waits_for_its_receipt() -> None:
    held = Facts.attempt(Kind.IN_DOUBT, 1, Reason.IN_DOUBT, due_at=DUE)
    assert follow(held, policy=HOLD) is None
    assert sweep(DUE - SECOND, held, policy=HOLD) is None
    assert verdict(sweep(DUE, held, policy=HOLD)).status is Status.UNKNOWN


def test_failed_sms_is_called_and_settled_when_the_call_is_reported() -> None:
    facts = (SUBMITTED, failed(1, Reason.HANDSET_UNREACHABLE))
    asks = Call(Reason.HANDSET_UNREACHABLE, "", sms_failed=True)
    assert follow(*facts, policy=WITH_CALL) == asks
    asked = Facts.call_requested(sms_failed=True)
    assert follow(*facts, asked, policy=WITH_CALL) == asks
    no_answer = verdict(
        follow(*facts, asked, Facts.called(CallOutcome.NO_ANSWER), policy=WITH_CALL)
    )
    assert (no_answer.status, no_answer.reason) == (Status.FAILED, Reason.HANDSET_UNREACHABLE)


def test_answered_call_delivers_and_says_that_the_sms_failed() -> None:
    told = verdict(
        follow(
            SUBMITTED,
            failed(1, Reason.HANDSET_UNREACHABLE),
            Facts.called(CallOutcome.ANSWERED),
            policy=WITH_CALL,
        )
    )
    assert (told.status, told.via, told.reason) == (Status.DELIVERED, Medium.VOICE, Reason.NONE)
    assert (told.sms.status, told.sms.reason) == (Status.FAILED, Reason.HANDSET_UNREACHABLE)


def test_nobody_is_called_where_a_call_makes_no_sense() -> None:
    vacant = (SUBMITTED, failed(1, Reason.NUMBER_VACANT))
    assert verdict(follow(*vacant, policy=WITH_CALL)).status is Status.FAILED
    silent = state(*vacant, policy=WITH_CALL, voice_script="")
    assert verdict(decide(silent, is_settled=False, now=NOON)).status is Status.FAILED


def test_overdue_receipt_asks_for_the_call() -> None:
    asks = Call(Reason.RECEIPT_OVERDUE, "", sms_failed=False)
    assert sweep(DUE - SECOND, SUBMITTED, policy=WITH_CALL) is None
    assert sweep(DUE, SUBMITTED, policy=WITH_CALL) == asks
    asked = Facts.call_requested(sms_failed=False, wait_s=4200)
    until = NOON + timedelta(seconds=4210)
    assert sweep(until - SECOND, SUBMITTED, asked, policy=WITH_CALL) == asks
    assert verdict(sweep(until, SUBMITTED, asked, policy=WITH_CALL)).status is Status.UNKNOWN


def test_message_that_was_never_handed_over_is_never_called() -> None:
    late = Facts.attempt(Kind.EXPIRED, 1, Reason.VALIDITY_EXPIRED)
    assert verdict(sweep(CHECKED, late, policy=WITH_CALL)).status is Status.EXPIRED
    assert verdict(sweep(CHECKED, policy=WITH_CALL)).status is Status.UNKNOWN


def test_call_that_nobody_reports_is_waited_for_no_longer_than_its_limit() -> None:
    facts = (SUBMITTED, failed(1, Reason.NOT_MOBILE), Facts.call_requested(sms_failed=True))
    until = max(CHECKED, NOON + timedelta(seconds=610))
    assert isinstance(sweep(until - SECOND, *facts, policy=WITH_CALL), Call)
    assert verdict(sweep(until, *facts, policy=WITH_CALL)).status is Status.FAILED


REROUTING = Policy(on_overdue=OverduePolicy.REROUTE, max_attempts=2)


def test_overdue_receipt_is_rerouted_while_the_message_is_valid() -> None:
    soon = Facts.attempt(Kind.SUBMITTED, 1, due_at=NOON + timedelta(minutes=5))
    asks = Reroute(1, Reason.RECEIPT_OVERDUE, ("a",))
    assert sweep(NOON + timedelta(minutes=5), soon, policy=REROUTING) == asks
    assert sweep(NOON + timedelta(minutes=5), soon, policy=RESEND) is None
    assert sweep(NOON + timedelta(minutes=10), soon, policy=REROUTING) is None
    second = Facts.attempt(Kind.SUBMITTED, 2)
    assert sweep(NOON + timedelta(minutes=6), soon, second, policy=REROUTING) is None


def test_overdue_last_attempt_waits_for_the_last_deadline() -> None:
    soon = NOON + timedelta(minutes=5)
    first = Facts.attempt(Kind.SUBMITTED, 1, due_at=soon)
    second = Facts.attempt(Kind.SUBMITTED, 2, due_at=soon)
    assert sweep(soon, first, second, policy=REROUTING) is None
    assert verdict(sweep(CHECKED, first, second, policy=REROUTING)).status is Status.UNKNOWN
