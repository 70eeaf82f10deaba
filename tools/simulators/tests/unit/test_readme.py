"""What the README tells to type is taken."""

import json
import re
from pathlib import Path

import pytest

from yizhan_simulators.behaviour import CarrierBehaviour
from yizhan_simulators.revision import revise
from yizhan_simulators.scenario import load_scenario

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
PATCHES = re.findall(r"-X PUT \S+/carriers/\S+ -d '([^']+)'", README)


@pytest.mark.parametrize("patch", PATCHES)
def test_every_change_of_the_readme_is_taken(patch: str) -> None:
    revised = revise(CarrierBehaviour(), json.loads(patch))

    assert revised != CarrierBehaviour()


def test_the_scenario_of_the_readme_is_taken(tmp_path: Path) -> None:
    (scenario,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    file = tmp_path / "scenario.yaml"
    file.write_text(scenario, "utf-8")

    assert len(load_scenario(file)) == 10
    assert len(PATCHES) == 8
