"""Which way a query is answered, and which queries cannot be meant."""

from datetime import timedelta
from typing import Any

import pytest
from services.receipts.tests.unit.making import NOON

from receipts.log.domain import IN_FLIGHT, BadQuery, Kept, Query, Sieve, plan_of, span_of
from yizhan_contracts import ids

ACME = {"account_id": "acme"}
PHONE = "+8613800001111"


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (ACME, ("account_id",)),
        (ACME | {"batch_id": "b"}, ("account_id", "batch_id")),
        (ACME | {"batch_id": "b", "reference": "r"}, ("account_id", "reference")),
        ({"phone": PHONE}, ("recipient",)),
        (ACME | {"batch_id": "b", "reference": "r", "phone": PHONE}, ("recipient",)),
    ],
)
def test_the_index_that_tells_most_is_walked(asked: dict[str, str], key: tuple[str, ...]) -> None:
    plan = plan_of(Query(**asked))  # type: ignore[arg-type]
    assert (plan.source, tuple(plan.key)) == (Kept.MESSAGES, key)
    # Whatever else was named is a condition.
    assert len(plan.key) + len(plan.also) == len(asked)
    assert plan.sieves == ()
    assert plan.by == key[-1]


def test_a_status_of_an_account_is_in_an_index() -> None:
    plan = plan_of(Query(account_id="acme", status="failed"))
    assert plan.source is Kept.SETTLED
    assert plan.key == {"account_id": "acme", "status": "failed"}
    assert plan.is_by_index_alone
    assert plan.by == "status"


def test_a_reason_leaves_out_all_that_was_delivered() -> None:
    plan = plan_of(Query(account_id="acme", reason="blacklisted", channel="a"))
    assert plan.key["status"] == ("failed", "expired", "unknown", "cancelled")
    assert plan.also == {"reason": "blacklisted", "channel": "a"}
    assert "delivered" in plan_of(Query(account_id="acme", channel="a")).key["status"]


def test_a_settled_message_does_not_know_its_template_nor_its_text() -> None:
    plan = plan_of(
        Query(account_id="acme", status="failed", template_id="t", text="包裹", country="CN")
    )
    assert plan.also == {"country": "CN"}
    assert plan.sieves == (
        Sieve(Kept.MESSAGES, {"template_id": "t"}),
        Sieve(Kept.CONTENTS, text="包裹"),
    )


def test_of_a_phone_or_a_batch_what_is_settled_is_looked_up_and_texts_are_last() -> None:
    plan = plan_of(Query(phone=PHONE, status="failed", text="x"))
    assert plan.source is Kept.MESSAGES
    assert plan.sieves == (
        Sieve(Kept.SETTLED, {"status": "failed"}),
        Sieve(Kept.CONTENTS, text="x"),
    )


def test_in_flight_is_what_is_accepted_less_what_is_settled() -> None:
    plan = plan_of(Query(account_id="acme", status=IN_FLIGHT))
    assert plan.source is Kept.MESSAGES
    assert plan.sieves == (Sieve(Kept.SETTLED, is_there=False),)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "name a phone, a reference, a batch or an account_id"),
        ({"reference": "r"}, "name the account_id too"),
        ({"batch_id": "b"}, "name the account_id too"),
        (ACME | {"since": NOON, "until": NOON}, "since must be before until"),
        (ACME | {"status": IN_FLIGHT, "channel": "a"}, "leave them out"),
        (ACME | {"status": IN_FLIGHT, "reason": "roaming"}, "leave them out"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(BadQuery, match=says):
        plan_of(Query(**asked))


def test_a_range_takes_its_beginning_and_leaves_its_end() -> None:
    until = NOON + timedelta(seconds=1)
    span = span_of(Query(account_id="acme", since=NOON, until=until))
    noon_ms = int(NOON.timestamp() * 1000)
    drawn = [ids.new_message_id(PHONE, noon_ms + offset) for offset in (-1, 0, 999, 1000)]
    inside = [span.first <= one < span.below for one in drawn]
    assert inside == [False, True, True, False]


def test_a_range_without_ends_has_every_id() -> None:
    span = span_of(Query(account_id="acme"))
    assert span.first <= "0" * 32 < span.below
    assert span.first < ids.new_message_id(PHONE, 4_000_000_000_000) < span.below
