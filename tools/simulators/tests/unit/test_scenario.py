from pathlib import Path
from typing import Any

import pytest

from yizhan_simulators.revision import Invalid
from yizhan_simulators.scenario import load_scenario, play


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, "utf-8")
    return path


async def test_steps_are_played_in_order_of_time(tmp_path: Path) -> None:
    steps = load_scenario(
        write(
            tmp_path,
            "- {at_s: 9, carrier: a, set: {down: false}}\n"
            "- {at_s: 0, carrier: a, set: {throttle_tps: 5}}\n"
            "- {at_s: 4, provider: v, set: {hang: true}}\n",
        )
    )
    told: list[Any] = []

    async def apply(kind: str, name: str, patch: dict[str, Any]) -> None:
        told.append((kind, name, patch))

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    await play(steps, apply, sleep)

    assert told == [
        ("carriers", "a", {"throttle_tps": 5}),
        4.0,
        ("providers", "v", {"hang": True}),
        5.0,
        ("carriers", "a", {"down": False}),
    ]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("- {at_s: 1, set: {}}", "0"),
        ("- {at_s: -1, carrier: a, set: {}}", "0.at_s"),
        ("- {at_s: 1, carrier: a}", "0.set"),
        ("- {at_s: 3, carrier: a, set: {donw: true}}", "a at 3 s: donw"),
        ("{", "scenario.yaml"),
    ],
)
def test_fault_in_a_scenario_is_named(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        load_scenario(write(tmp_path, text))

    assert field in caught.value.problems[0].field


def test_missing_scenario_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="No such file"):
        load_scenario(tmp_path / "none.yaml")
