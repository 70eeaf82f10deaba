"""The fold: any order, any repetition, the same state."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from services.receipts.tests.unit.making import NOON, Facts, accepted

from receipts.ledger.decisions import final
from receipts.ledger.facts import Fact, Kind
from receipts.ledger.silence import Hold
from receipts.ledger.story import fold
from yizhan_contracts.events import CallOutcome, Medium, ReceiptState, Status
from yizhan_contracts.reasons import Reason

OUTCOMES = [
    Kind.SUBMITTED,
    Kind.REFUSED,
    Kind.FAILED,
    Kind.IN_DOUBT,
    Kind.UNROUTABLE,
    Kind.EXPIRED,
]
REASONS = st.sampled_from(list(Reason))
NUMBERS = st.integers(1, 4)


PARTS = ("p.1", "p.2", "p.3")
PART_RECEIPTS = st.builds(
    Facts.receipt,
    st.sampled_from(list(ReceiptState)),
    st.just(1),
    part=st.sampled_from(PARTS),
    parts=st.just(len(PARTS)),
    at_s=st.integers(1, 60),
)


def facts() -> st.SearchStrategy[Fact]:
    return st.one_of(
        st.builds(Facts.attempt, st.sampled_from(OUTCOMES), NUMBERS, REASONS),
        st.builds(
            Facts.receipt,
            st.sampled_from(list(ReceiptState)),
            NUMBERS,
            REASONS,
            code=st.sampled_from(["", "1", "MK.2"]),
        ),
        PART_RECEIPTS,
        st.builds(Facts.rerouted, NUMBERS),
        st.builds(
            Facts.held_back,
            NUMBERS,
            st.integers(0, 3),
            st.sampled_from(list(Hold)),
            st.floats(1, 7200),
        ),
        st.builds(Facts.called, st.sampled_from(list(CallOutcome))),
        st.builds(
            lambda sms_failed, wait_s: Facts.call_requested(sms_failed=sms_failed, wait_s=wait_s),
            st.booleans(),
            st.floats(1, 600),
        ),
    )


@given(st.lists(facts(), max_size=12), st.randoms(use_true_random=False), st.data())
def test_fold_is_the_same_in_any_order_and_with_any_repetition(
    known: list[Fact], random: Random, data: st.DataObject
) -> None:
    repeated = known + (data.draw(st.lists(st.sampled_from(known))) if known else [])
    random.shuffle(repeated)
    assert fold(accepted(), repeated) == fold(accepted(), known)


def test_delivery_is_the_earliest_that_was_told() -> None:
    state = fold(
        accepted(),
        [
            Facts.attempt(Kind.SUBMITTED, 1),
            Facts.receipt(ReceiptState.DELIVERED, 2),
            Facts.receipt(ReceiptState.DELIVERED, 1),
        ],
    )
    assert state.delivery is not None
    assert (state.delivery.n, state.delivery.channel) == (1, "a")


def test_sms_counts_before_the_call_that_was_answered_too() -> None:
    state = fold(
        accepted(),
        [Facts.called(CallOutcome.ANSWERED), Facts.receipt(ReceiptState.DELIVERED, 1)],
    )
    assert state.delivery is not None
    assert state.delivery.via is Medium.SMS


def test_receipts_that_say_nothing_final_change_nothing() -> None:
    submitted = [Facts.attempt(Kind.SUBMITTED, 1)]
    waiting = [Facts.receipt(ReceiptState.BUFFERED), Facts.receipt(ReceiptState.UNKNOWN)]
    assert fold(accepted(), submitted + waiting) == fold(accepted(), submitted)


def test_channel_of_an_attempt_is_its_own_and_not_that_of_the_bind_a_receipt_came_by() -> None:
    own = Facts.attempt(Kind.SUBMITTED, 1, channel="b")
    state = fold(accepted(), [Facts.receipt(ReceiptState.FAILED, 1), own])
    assert state.attempts[1].channel == "b"


def test_facts_without_their_message_fold_too() -> None:
    state = fold(None, [Facts.attempt(Kind.SUBMITTED, 1)])
    assert state.accepted is None
    assert state.attempts[1].handed_over_at is not None
    assert state.attempts[1].handed_over_at > NOON


@given(st.lists(PART_RECEIPTS, max_size=12, unique_by=lambda fact: fact.fact_id))
def test_delivered_by_all_parts_and_failed_by_any(receipts: list[Fact]) -> None:
    submitted = Facts.attempt(Kind.SUBMITTED, 1, parts=len(PARTS))
    attempt = fold(accepted(), [submitted, *receipts]).attempts[1]
    told = {
        state: {fact.part: fact.at for fact in receipts if fact.state == state}
        for state in (ReceiptState.DELIVERED, ReceiptState.FAILED)
    }
    assert attempt.has_failed_receipt == bool(told[ReceiptState.FAILED])
    delivered = told[ReceiptState.DELIVERED]
    is_whole = set(delivered) == set(PARTS)
    assert attempt.delivered_at == (max(filter(None, delivered.values())) if is_whole else None)


def test_overdue_with_a_part_missing_is_unknown_and_not_delivered() -> None:
    submitted = Facts.attempt(Kind.SUBMITTED, 1, parts=2)
    state = fold(accepted(), [submitted, Facts.receipt(ReceiptState.DELIVERED, part="p-1")])
    assert state.delivery is None
    assert final(state).status is Status.UNKNOWN


def test_what_is_held_back_is_looked_at_at_the_end_of_it_and_keeps_its_own_time() -> None:
    submitted = Facts.attempt(Kind.SUBMITTED)
    holds = [Facts.held_back(k=1, hold=Hold.GRACE), Facts.held_back(k=0)]
    attempt = fold(accepted(), [*holds, submitted]).attempts[1]
    assert attempt.own_due_at == submitted.due_at
    assert attempt.due_at == holds[0].due_at
    assert (attempt.holds, attempt.last_hold) == (2, Hold.GRACE)
    assert attempt.channel == "a"
