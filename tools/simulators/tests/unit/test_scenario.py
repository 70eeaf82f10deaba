from pathlib import Path
from typing import Any

import pytest

from yizhan_simulators.revision import Invalid
from yizhan_simulators.scenario import Step, load_scenario, play


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

    async def apply(step: Step) -> None:
        told.append((step.kind, step.name, step.set))

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


def test_a_step_may_come_again(tmp_path: Path) -> None:
    steps = load_scenario(
        write(
            tmp_path,
            "- {at_s: 2, every_s: 3, times: 3, carrier: a, cut: true}\n"
            "- {at_s: 4, carrier: a, reset: true}\n",
        )
    )

    assert [(step.at_s, step.cut) for step in steps] == [(2, True), (4, None), (5, True), (8, True)]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("- {at_s: 1, set: {}}", "scenario.yaml:1: 0"),
        ("- {at_s: 1, carrier: a, set: {}, reset: true}", "scenario.yaml:1: 0"),
        ("- {at_s: 1, customer: a, cut: true}", "scenario.yaml:1: 0"),
        ("- {at_s: 1, carrier: a, times: 2, set: {}}", "scenario.yaml:1: 0"),
        ("#\n- at_s: 1\n  carrier: a\n  reply: {from: '1', to: 2, text: x}", ":4: 0.reply.to"),
        ("#\n\n- at_s: 1\n  carrier: a\n  sett: {}", "scenario.yaml:5: 0.sett"),
        ("- {at_s: -1, carrier: a, set: {}}", "0.at_s"),
        ("- {at_s: 1, carrier: a}", "scenario.yaml:1: 0"),
        ("- {at_s: 3, carrier: a, set: {donw: true}}", "yaml:1: a at 3 s: donw"),
        (
            "- at_s: 0\n  carrier: a\n  set:\n    receipt:\n      early_ratio: 2\n",
            "yaml:5: a at 0 s: receipt.early_ratio",
        ),
        ("-\n  {", "scenario.yaml:2"),
        ("3", "scenario.yaml:1"),
    ],
)
def test_fault_in_a_scenario_is_named_with_its_line(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        load_scenario(write(tmp_path, text))

    assert field in caught.value.problems[0].field


def test_missing_scenario_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="No such file"):
        load_scenario(tmp_path / "none.yaml")
