"""The golden examples: one folder per topic, one file per case."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yizhan_contracts.events import EVENTS, Event

FOLDER = Path(__file__).parents[2] / "examples"


def cases() -> Iterator[tuple[type[Event], str]]:
    for event in EVENTS:
        for file in sorted((FOLDER / event.TOPIC).glob("*.json")):
            yield event, file.stem


def load(event: type[Event], case: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / event.TOPIC / f"{case}.json").read_text())
    return loaded
