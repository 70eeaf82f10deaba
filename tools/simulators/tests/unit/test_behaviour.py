from random import Random

import pytest

from yizhan_simulators.behaviour import (
    CarrierBehaviour,
    CustomerBehaviour,
    ProviderBehaviour,
    Spread,
    by_prefix,
)
from yizhan_simulators.revision import Invalid, merge, per_country, revise


def problems(patch: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        revise(CarrierBehaviour(), patch)
    return {problem.field: problem.do for problem in caught.value.problems}


def test_partial_json_changes_only_what_it_names() -> None:
    first = revise(CarrierBehaviour(), {"receipt": {"delay_ms": 50, "numbers": {"+86": "expired"}}})
    second = revise(first, {"receipt": {"numbers": {"+33": "none"}}, "down": True})

    assert second.down
    assert second.receipt.delay_ms == Spread(p50=50, p99=50)
    assert second.receipt.numbers == {"+86": "expired", "+33": "none"}


def test_null_takes_a_field_back_to_its_default() -> None:
    changed = revise(
        CarrierBehaviour(),
        {"throttle_tps": 5, "refuse_code": "99", "receipt": {"numbers": {"+86": "none"}}},
    )
    back = revise(
        changed,
        {"throttle_tps": None, "refuse_code": None, "receipt": {"numbers": {"+86": None}}},
    )

    assert back == CarrierBehaviour()


def test_every_fault_is_named_with_its_path() -> None:
    found = problems(
        {
            "refuse_ratio": 1.5,
            "latency_ms": "fast",
            "receipt": {"dely_ms": 1, "numbers": {"86": "delivered", "+86": "lost"}},
        }
    )

    assert set(found) == {
        "refuse_ratio",
        "latency_ms",
        "receipt.dely_ms",
        "receipt.numbers.86",
        "receipt.numbers.+86",
    }
    assert "delay_ms" in found["receipt.dely_ms"]


def test_fault_in_a_country_is_named_with_its_path() -> None:
    found = problems({"by_country": {"FR": {"down": True, "receipt": {"delay_ms": -1}}}})

    assert set(found) == {"by_country.FR.down", "by_country.FR.receipt.delay_ms.p50"} | {
        "by_country.FR.receipt.delay_ms.p99"
    }


def test_body_that_is_no_object_is_refused() -> None:
    assert set(problems([1])) == {"(body)"}


def test_secret_survives_a_revision_and_is_not_shown() -> None:
    behaviour = revise(revise(CarrierBehaviour(), {"secret": "s3cret"}), {"down": True})

    assert behaviour.secret is not None
    assert behaviour.secret.get_secret_value() == "s3cret"
    assert "s3cret" not in behaviour.model_dump_json()


def test_country_keeps_what_it_does_not_override() -> None:
    behaviour = revise(
        CarrierBehaviour(),
        {
            "refuse_code": "77",
            "receipt": {"delay_ms": 10},
            "by_country": {"FR": {"refuse_ratio": 1, "receipt": {"delivered_ratio": 0}}},
        },
    )
    france = per_country(behaviour)["FR"]

    assert france.refuse_ratio == 1
    assert france.refuse_code == "77"
    assert france.receipt.delivered_ratio == 0
    assert france.receipt.delay_ms == Spread(p50=10, p99=10)


def test_provider_ratios_above_one_are_refused() -> None:
    with pytest.raises(Invalid):
        revise(ProviderBehaviour(), {"busy_ratio": 0.6, "failed_ratio": 0.6})


def test_customer_behaviour_can_be_revised() -> None:
    assert revise(CustomerBehaviour(), {"error_ratio": 1, "error_status": 404}).error_status == 404


def test_merge_leaves_its_target_alone() -> None:
    target = {"a": {"b": 1}}

    assert merge(target, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}
    assert target == {"a": {"b": 1}}


def test_spread_has_the_median_and_tail_it_says() -> None:
    rng = Random(1)
    drawn = sorted(Spread(p50=20, p99=200).draw_s(rng) for _ in range(20_000))

    assert drawn[10_000] == pytest.approx(0.020, rel=0.05)
    assert drawn[19_800] == pytest.approx(0.200, rel=0.15)


def test_longest_prefix_counts() -> None:
    table = {"+86": "a", "+86138": "b"}

    assert by_prefix(table, "+8613800000000") == "b"
    assert by_prefix(table, "+8615000000000") == "a"
    assert by_prefix(table, "+33600000000") is None
