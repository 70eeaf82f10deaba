"""The protocol's model: with all rules no promise breaks, without any one of them one does.

Each rule is searched at the smallest bounds that show why it is there: N attempts, W records at a
time, and how often each fault may happen. Larger bounds: ``python model/protocol_model.py``.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "model" / "protocol_model.py"
LIMIT = 2_000_000

# One worker at a time where the story needs no two: tens of times fewer states.
BOUNDS: dict[str, dict[str, int]] = {
    "outcome": {"crash": 1},
    "timeout": {"crash": 0},
    "same": {"crash": 1, "release": 1},
    "join": {"N": 1, "crash": 1, "fork": 1},
    "owner": {"crash": 0, "fork": 1},
    "free": {"N": 1, "crash": 0, "fork": 1},
    "factid": {"N": 1, "crash": 0, "fork": 1},
    "cont": {"N": 1, "crash": 1, "W": 1},
    "first": {"N": 1, "crash": 0},
    "fold": {"N": 1, "crash": 0},
    "rank": {"N": 1, "crash": 0, "second": 1},
    "repub": {"N": 1, "crash": 1, "W": 1},
    "srepub": {"N": 1, "crash": 1, "W": 1},
    "pushread": {"N": 1, "crash": 0, "W": 1},
    "say": {"N": 1, "crash": 0},
    "nochan": {"N": 1, "crash": 0, "nochan": 1},
    "ncclaim": {"N": 1, "crash": 1, "nochan": 1},
    "vout": {"N": 1, "crash": 1, "voice": 1, "W": 1},
    "vread": {"N": 1, "crash": 0, "voice": 1},
    "fence": {"N": 1, "crash": 1},
    "cclaim": {"N": 1, "crash": 1, "W": 1, "hold": 1},
    "crepub": {"N": 1, "crash": 1, "W": 1, "hold": 1},
    "cwait": {"crash": 0, "W": 1, "hold": 1},
    "hkeep": {"N": 1, "crash": 0, "miss": 1},
}
# What these rules prevent shows only when a second owner may also lose patience.
WITH_OWNER = ("free", "factid")
SLOW = ("join", "factid")

SOUND: list[dict[str, int]] = [
    {"N": 1, "crash": 1, "W": 1},
    {"N": 1, "crash": 0, "fork": 1},
    {"N": 1, "crash": 0, "second": 1},
    {"N": 1, "crash": 0, "voice": 1},
    {"N": 1, "crash": 0, "nochan": 1},
    {"N": 1, "crash": 1, "W": 1, "hold": 1},
    {"N": 1, "crash": 1, "W": 1, "miss": 2},
    {"N": 1, "crash": 0, "voice": 1, "miss": 1},
]
SOUND_SLOWLY: list[dict[str, int]] = [{"N": 1, "crash": 1}, {"N": 2, "crash": 0, "W": 1, "hold": 1}]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("protocol_model", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model() -> ModuleType:
    return load()


def test_every_rule_is_tried(model: ModuleType) -> None:
    assert BOUNDS.keys() == model.RULES.keys()


@pytest.mark.parametrize("bounds", SOUND, ids=str)
def test_with_all_rules_no_promise_breaks(model: ModuleType, bounds: dict[str, int]) -> None:
    violations, _, _, ends, is_cut = model.check((), LIMIT, **bounds)
    assert violations == {}
    assert ends, "nothing was searched to its end"
    assert not is_cut


@pytest.mark.slow
@pytest.mark.parametrize("bounds", SOUND_SLOWLY, ids=str)
def test_with_all_rules_no_promise_breaks_among_more_states(
    model: ModuleType, bounds: dict[str, int]
) -> None:
    test_with_all_rules_no_promise_breaks(model, bounds)


@pytest.mark.parametrize(
    "rule",
    [pytest.param(rule, marks=pytest.mark.slow if rule in SLOW else ()) for rule in BOUNDS],
)
def test_without_the_rule_a_promise_breaks(model: ModuleType, rule: str) -> None:
    without = (rule, "owner") if rule in WITH_OWNER else (rule,)
    violations, *_ = model.check(without, LIMIT, first=True, **BOUNDS[rule])
    assert violations
    assert all(story for story in violations.values())
