"""Receipts that contradict each other: which rule, what it is called, where it is seen."""

from itertools import permutations
from typing import Any

import pytest
from services.receipts.tests.unit.making import (
    MESSAGE_ID,
    NOON,
    Facts,
    accepted,
    finished,
    message,
    receipt,
)
from services.receipts.tests.unit.world import REGISTRY, World

from receipts.ledger.conflicts import RULES, Conflict
from receipts.ledger.decisions import final
from receipts.ledger.facts import Fact, Kind
from receipts.ledger.story import conflicts_with, fold
from receipts.ledger.timeline import timeline
from yizhan_contracts.events import AttemptOutcome, Policy, ReceiptState, Status
from yizhan_contracts.reasons import Reason

SUBMITTED = Facts.attempt(Kind.SUBMITTED)
DELIVERED = Facts.receipt(ReceiptState.DELIVERED)
VACANT = Facts.receipt(ReceiptState.FAILED, reason=Reason.NUMBER_VACANT, code="1")
ODD = Facts.receipt(ReceiptState.FAILED, reason=Reason.UNKNOWN, code="zz")
REFUSED = Facts.attempt(Kind.REFUSED, 1, Reason.CARRIER_ERROR)
ONCE = Policy(max_attempts=1)

CASES = [
    ((SUBMITTED, DELIVERED), (), Status.DELIVERED, Reason.NONE),
    ((SUBMITTED, VACANT), (), Status.FAILED, Reason.NUMBER_VACANT),
    (
        (SUBMITTED, VACANT, DELIVERED),
        (Conflict.DELIVERED_AND_FAILED,),
        Status.DELIVERED,
        Reason.NONE,
    ),
    ((SUBMITTED, VACANT, ODD), (Conflict.TWO_FAILURES,), Status.FAILED, Reason.NUMBER_VACANT),
    (
        (SUBMITTED, VACANT, ODD, DELIVERED),
        (Conflict.DELIVERED_AND_FAILED, Conflict.TWO_FAILURES),
        Status.DELIVERED,
        Reason.NONE,
    ),
    ((REFUSED, DELIVERED), (Conflict.DELIVERED_THOUGH_REFUSED,), Status.DELIVERED, Reason.NONE),
]


@pytest.mark.parametrize(("facts", "conflicts", "status", "reason"), CASES)
def test_conflict_is_resolved_by_its_rule_in_any_order(
    facts: tuple[Fact, ...], conflicts: tuple[Conflict, ...], status: Status, reason: Reason
) -> None:
    for told in permutations(facts):
        state = fold(accepted(policy=ONCE), told)
        assert conflicts_with(state, 1) == conflicts
        verdict = final(state)
        assert (verdict.status, verdict.reason) == (status, reason)


def test_parts_that_fare_differently_do_not_contradict_each_other() -> None:
    parts = [
        Facts.receipt(ReceiptState.DELIVERED, part="p-1", parts=2),
        Facts.receipt(ReceiptState.FAILED, part="p-2", parts=2),
    ]
    submitted = Facts.attempt(Kind.SUBMITTED, parts=2)
    state = fold(accepted(policy=ONCE), [submitted, *parts])
    assert conflicts_with(state, 1) == ()
    assert final(state).status is Status.FAILED


def test_message_delivered_by_two_attempts_is_told() -> None:
    second = Facts.receipt(ReceiptState.DELIVERED, 2)
    state = fold(accepted(), [SUBMITTED, Facts.attempt(Kind.SUBMITTED, 2), DELIVERED, second])
    assert conflicts_with(state, 2) == (Conflict.DELIVERED_TWICE,)
    assert state.delivery is not None
    assert state.delivery.n == 1


def counted(kind: Conflict) -> float:
    value = REGISTRY.get_sample_value("yizhan_receipt_conflicts_total", {"kind": kind.value})
    return value or 0.0


@pytest.mark.parametrize("is_named", [True, False])
async def test_conflict_is_counted_once_and_both_receipts_are_kept(*, is_named: bool) -> None:
    world = World()
    attempt: dict[str, Any] = {} if is_named else {"attempt_id": None}
    first = receipt(
        ReceiptState.FAILED, reason=Reason.NUMBER_VACANT, carrier_code="MK.1", **attempt
    )
    second = receipt(ReceiptState.FAILED, reason=Reason.UNKNOWN, carrier_code="zz", **attempt)
    before = counted(Conflict.TWO_FAILURES)
    await world.hear(message(), finished(AttemptOutcome.SUBMITTED))
    await world.hear(first)
    assert counted(Conflict.TWO_FAILURES) == before
    await world.hear(second)
    await world.hear(first, second)
    assert counted(Conflict.TWO_FAILURES) == before + 1
    told = [fact for fact in world.store.facts.values() if fact["kind"] == Kind.RECEIPT]
    assert {fact["carrier_code"] for fact in told} == {"MK.1", "zz"}
    assert world.settled()["reason"] == Reason.NUMBER_VACANT


async def test_timeline_shows_the_conflict_the_code_and_what_it_means() -> None:
    world = World()
    failed = receipt(ReceiptState.FAILED, reason=Reason.NUMBER_SUSPENDED, carrier_code="MK:5")
    await world.hear(message(), finished(AttemptOutcome.SUBMITTED, sender="72345"))
    await world.hear(failed)
    await world.hear(receipt(ReceiptState.DELIVERED))
    facts = [fact for fact in world.store.facts.values() if fact["message_id"] == MESSAGE_ID]
    submitted, *told = timeline(facts)
    assert submitted["sender"] == "72345"
    assert submitted["decision"] == {"why": "best"}
    rule = {"delivered-and-failed": RULES[Conflict.DELIVERED_AND_FAILED]}
    assert [entry["conflicts"] for entry in told] == [rule, rule]
    (bad,) = [entry for entry in told if entry["state"] == "failed"]
    assert bad["carrier_code"] == "MK:5"
    assert bad["reason"] == "number-suspended"
    assert "suspended" in bad["meaning"]
    assert submitted["at"] > NOON
