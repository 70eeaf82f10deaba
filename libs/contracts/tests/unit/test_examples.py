"""The golden examples: what is on the wire today, and what a change would make of it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from yizhan_contracts.events import EVENTS, Event, ShipmentUpdated
from yizhan_contracts.schemas import schema_of
from yizhan_contracts.topics import address_of

from .golden import FOLDER, cases, load

CASES = list(cases())
NAMES = [f"{event.TOPIC}/{case}" for event, case in CASES]

# Numbers that regulators keep for fiction; China keeps none, 138 0000 00xx is what documents use.
FICTION = (
    "+44770090",
    "+33639980",
    "+12025550",
    "+61491570",
    "+49171392",
    "+46701740",
    "+8613800000",
)

# What upstream may write and a model does not: unknown fields, and values that become UNKNOWN.
NOT_OURS = {"number-as-upstream-wrote-it"}


def test_every_event_has_at_least_two_examples_and_no_folder_is_left_over() -> None:
    counts = Counter(event.TOPIC for event, _ in CASES)
    assert all(counts[event.TOPIC] >= 2 for event in EVENTS)
    assert {folder.name for folder in FOLDER.iterdir()} == set(counts)


@pytest.mark.parametrize(("event", "case"), CASES, ids=NAMES)
def test_example_is_what_the_model_writes(event: type[Event], case: str) -> None:
    golden = load(event, case)
    parsed = event.model_validate_json(json.dumps(golden))
    written = json.loads(parsed.model_dump_json())
    if event is ShipmentUpdated:
        # Upstream leaves out what has a default.
        assert case in NOT_OURS or _is_within(golden, written)
    else:
        assert written == golden
    assert event.model_validate_json(parsed.model_dump_json()) == parsed


@pytest.mark.parametrize(("event", "case"), CASES, ids=NAMES)
def test_example_has_no_field_that_the_model_does_not_know(event: type[Event], case: str) -> None:
    if case not in NOT_OURS:
        event.model_validate_json(json.dumps(load(event, case)), extra="forbid")


@pytest.mark.parametrize(("event", "case"), CASES, ids=NAMES)
def test_example_follows_the_json_schema(event: type[Event], case: str) -> None:
    if case not in NOT_OURS:
        jsonschema.validate(load(event, case), schema_of(event))


@pytest.mark.parametrize(("event", "case"), CASES, ids=NAMES)
def test_example_has_a_place(event: type[Event], case: str) -> None:
    address = address_of(event.model_validate(load(event, case)))
    assert address.topic.startswith(event.TOPIC)
    assert address.key


@pytest.mark.parametrize(("event", "case"), CASES, ids=NAMES)
def test_example_rings_nobody(event: type[Event], case: str) -> None:
    for text in _texts(load(event, case)):
        for number in re.findall(r"\+[1-9][0-9]{6,14}\b", text):
            assert number.startswith(FICTION), number


def test_examples_are_of_several_countries_and_languages() -> None:
    loaded = [load(event, case) for event, case in CASES]
    countries = {one["country"] for one in loaded if one.get("country")}
    languages = {one["template"]["language"] for one in loaded if one.get("template")}
    assert len(countries) >= 6
    assert len(languages) >= 3


def _is_within(part: object, whole: object) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _is_within(part[key], whole[key]) for key in part)
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_is_within, part, whole))
    return part == whole


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
