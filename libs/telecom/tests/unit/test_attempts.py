"""Succession: what follows an attempt, by outcome, reason and policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yizhan_contracts.events import AttemptOutcome, InDoubtPolicy, Policy
from yizhan_contracts.reasons import Reason
from yizhan_telecom.attempts import (
    Succession,
    ends_chain,
    next_is_allowed,
    succession,
    tried_before,
    tried_with,
)

RESEND = Policy(max_attempts=3, in_doubt=InDoubtPolicy.RESEND)
HOLD = Policy(max_attempts=3, in_doubt=InDoubtPolicy.HOLD)


@pytest.mark.parametrize(
    ("policy", "n", "outcome", "reason", "follows", "ends"),
    [
        (RESEND, 1, AttemptOutcome.SUBMITTED, Reason.NONE, Succession.NOTHING, False),
        (RESEND, 1, AttemptOutcome.EXPIRED, Reason.VALIDITY_EXPIRED, Succession.NOTHING, True),
        (RESEND, 1, AttemptOutcome.UNROUTABLE, Reason.CANCELLED, Succession.NOTHING, True),
        (RESEND, 1, AttemptOutcome.UNROUTABLE, Reason.NO_ROUTE, Succession.NOTHING, True),
        (RESEND, 3, AttemptOutcome.RELEASED, Reason.CHANNEL_DOWN, Succession.SAME, False),
        (RESEND, 1, AttemptOutcome.REFUSED, Reason.CARRIER_ERROR, Succession.NEXT, False),
        (RESEND, 3, AttemptOutcome.REFUSED, Reason.CARRIER_ERROR, Succession.NOTHING, True),
        (RESEND, 1, AttemptOutcome.REFUSED, Reason.NUMBER_VACANT, Succession.NOTHING, True),
        (RESEND, 2, AttemptOutcome.FAILED, Reason.CARRIER_UNAVAILABLE, Succession.NEXT, False),
        (RESEND, 1, AttemptOutcome.IN_DOUBT, Reason.IN_DOUBT, Succession.NEXT, False),
        (RESEND, 1, AttemptOutcome.IN_DOUBT, Reason.NUMBER_VACANT, Succession.NEXT, False),
        (RESEND, 3, AttemptOutcome.IN_DOUBT, Reason.IN_DOUBT, Succession.NOTHING, True),
        (HOLD, 1, AttemptOutcome.IN_DOUBT, Reason.IN_DOUBT, Succession.NOTHING, False),
    ],
)
def test_what_follows(
    policy: Policy,
    n: int,
    outcome: AttemptOutcome,
    reason: Reason,
    follows: Succession,
    *,
    ends: bool,
) -> None:
    assert succession(policy, n, outcome, reason) is follows
    assert ends_chain(policy, n, outcome, reason) is ends


@given(st.integers(1, 9), st.integers(1, 99), st.sampled_from(Reason))
def test_never_more_than_the_allowed_attempts(most: int, n: int, reason: Reason) -> None:
    assert not (n >= most and next_is_allowed(Policy(max_attempts=most), n, reason))


@given(
    st.integers(1, 9),
    st.sampled_from(AttemptOutcome),
    st.sampled_from(Reason),
    st.sampled_from(InDoubtPolicy),
)
def test_a_chain_that_ended_has_no_successor(
    n: int, outcome: AttemptOutcome, reason: Reason, in_doubt: InDoubtPolicy
) -> None:
    policy = Policy(max_attempts=4, in_doubt=in_doubt)
    if ends_chain(policy, n, outcome, reason):
        assert succession(policy, n, outcome, reason) is Succession.NOTHING


def test_tried_names_each_channel_once_in_order() -> None:
    assert tried_with(("b", "a"), "c") == ("b", "a", "c")
    assert tried_with(("b", "a"), "b") == ("b", "a")
    assert tried_before(("b", "a"), "a") == ("b",)
