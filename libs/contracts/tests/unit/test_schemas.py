"""JSON schemas: current in git, and complete."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from yizhan_contracts.compatibility import breaking_changes
from yizhan_contracts.events import EVENTS, ChannelConfigured, Event
from yizhan_contracts.reasons import Reason
from yizhan_contracts.schemas import schema_of, snapshots

FOLDER = Path(__file__).parents[2] / "schemas"


def kept(event: type[Event]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{event.TOPIC}.json").read_text())
    return loaded


@pytest.mark.parametrize("event", EVENTS)
def test_a_change_is_one_that_running_consumers_can_follow(event: type[Event]) -> None:
    assert breaking_changes(kept(event), schema_of(event)) == []


@pytest.mark.parametrize("event", EVENTS)
def test_the_snapshot_is_current(event: type[Event]) -> None:
    assert kept(event) == json.loads(json.dumps(schema_of(event))), "run `make schemas`"


def test_no_snapshot_is_left_over() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {name for name, _ in snapshots()}


@pytest.mark.parametrize("event", EVENTS)
def test_a_schema_is_a_schema(event: type[Event]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(event))


def test_a_schema_has_the_sentences_of_the_code() -> None:
    fields = schema_of(ChannelConfigured)["properties"]
    assert fields["window"]["description"] == "Messages handed over and not yet answered."


def test_a_schema_marks_what_may_grow() -> None:
    reason = schema_of(ChannelConfigured)["$defs"]["Reason"]
    assert reason["x-open-enum"] is True
    assert set(reason["enum"]) == set(Reason)
