"""The table of reasons is whole, and says what the product needs."""

import pytest

from yizhan_contracts.reasons import Reason
from yizhan_telecom.reasons import (
    BEHAVIOURS,
    is_curable_elsewhere,
    may_call,
    message_for,
    speaks_against_channel,
)


def test_every_reason_has_a_behaviour() -> None:
    assert set(BEHAVIOURS) == set(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_message_is_one_sentence_of_its_own(reason: Reason) -> None:
    message = message_for(reason)
    assert message[0].isupper()
    assert message.endswith(".")
    assert message.count(".") == 1
    assert [r for r in Reason if message_for(r) == message] == [reason]


@pytest.mark.parametrize(
    "reason",
    [Reason.NUMBER_INVALID, Reason.NUMBER_VACANT, Reason.OPTED_OUT, Reason.BLACKLISTED],
)
def test_nobody_goes_on_with_a_number_that_must_not_be_written_to(reason: Reason) -> None:
    assert not is_curable_elsewhere(reason)
    assert not may_call(reason)


@pytest.mark.parametrize("reason", [Reason.NOT_MOBILE, Reason.HANDSET_UNREACHABLE])
def test_what_no_other_sms_can_do_a_call_may(reason: Reason) -> None:
    assert not is_curable_elsewhere(reason)
    assert may_call(reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_what_speaks_against_a_channel_is_worth_another(reason: Reason) -> None:
    assert is_curable_elsewhere(reason) or not speaks_against_channel(reason)
