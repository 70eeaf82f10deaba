from random import Random
from typing import Any

import pytest

from yizhan_simulators.behaviour import CarrierBehaviour
from yizhan_simulators.carriers.receipts import Plan, plan_receipts
from yizhan_simulators.revision import revise

NOW = 1000.0


def plan(patch: dict[str, Any], to: str = "+8613800138000", seed: int = 1) -> Plan:
    return plan_receipts(to, revise(CarrierBehaviour(), patch), NOW, Random(seed))


def states(planned: Plan) -> list[str]:
    return [said.state for said in planned.said]


@pytest.mark.parametrize(
    ("fate", "state", "code"),
    [
        ("delivered", "delivered", "000"),
        ("failed:EC27", "failed", "EC27"),
        ("failed", "failed", "UNDELIV"),
        ("expired", "expired", "UNDELIV"),
        ("rejected:11", "rejected", "11"),
        ("unknown", "unknown", "UNDELIV"),
    ],
)
def test_number_prefix_decides_the_outcome(fate: str, state: str, code: str) -> None:
    (said,) = plan({"receipt": {"numbers": {"+86138": fate}}}).said

    assert (said.state, said.code) == (state, code)


def test_number_without_receipt() -> None:
    assert plan({"receipt": {"numbers": {"+86138": "none"}}}) == Plan("failed", [])


def test_accepted_without_receipt_may_still_have_arrived() -> None:
    assert plan({"accept_but_no_receipt_ratio": 1}) == Plan("delivered", [])


def test_failures_carry_the_configured_state_and_code() -> None:
    receipt = {"delivered_ratio": 0, "fail_state": "expired", "fail_code": "E1"}
    (said,) = plan({"receipt": receipt}).said

    assert (said.state, said.code) == ("expired", "E1")


def test_duplicate_comes_later_and_says_the_same() -> None:
    first, second = plan({"receipt": {"duplicate_ratio": 1, "duplicate_after_ms": 50}}).said

    assert (first.state, first.code) == (second.state, second.code)
    assert second.due == pytest.approx(first.due + 0.05)


def test_early_receipt_is_due_at_once_and_its_duplicate_is_not() -> None:
    first, second = plan({"receipt": {"early_ratio": 1, "duplicate_ratio": 1}}).said

    assert first.early
    assert first.due == NOW
    assert not second.early


def test_contradiction_says_the_opposite_and_the_plan_keeps_the_truth() -> None:
    planned = plan({"receipt": {"contradict_ratio": 1, "delivered_ratio": 0}})

    assert states(planned) == ["failed", "delivered"]
    assert planned.final == "failed"


def test_buffered_comes_before_the_final_one() -> None:
    buffered, final = plan({"receipt": {"buffered_ratio": 1}}).said

    assert (buffered.state, final.state) == ("buffered", "delivered")
    assert NOW < buffered.due < final.due


def test_reordering_lets_the_final_one_overtake() -> None:
    patch = {"receipt": {"buffered_ratio": 1, "reorder": True}}
    orders = {
        said[0].due < said[1].due for said in (plan(patch, seed=seed).said for seed in range(40))
    }

    assert orders == {True, False}
