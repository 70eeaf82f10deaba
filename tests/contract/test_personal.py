"""Where numbers and texts are kept is declared, and the declaration is true."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from carrier_adapter.receiving.replies import GIVEN_UP_AFTER
from carrier_adapter.settings import AdapterSettings
from ingest.adapters.mongo import ANSWERS_KEPT_S, MARKS_KEPT_S
from ingest.quota.returns import KEPT_S
from ingest.settings import IngestSettings
from voice_fallback.settings import VoiceSettings
from yizhan_contracts import events, topics
from yizhan_contracts.events import E164
from yizhan_contracts.personal import (
    BOTH,
    NEITHER,
    OF_EVENTS,
    OF_SERVICES,
    Holds,
    gone_after,
    held_by,
)
from yizhan_runtime import RuntimeSettings

ROOT = Path(__file__).parents[2]
TEXTS = {"text", "script", "voice_script", "variables", "attributes", "name"}
"""Names of fields that hold what is said to somebody. A new one that does is to be added here."""
OF_NOBODY = {events.ChannelConfigured}
"""Its names are of templates and networks."""
NUMBERS = {"phone", "recipient", "sender"}
_E164 = re.compile(r"\^\\\+\[1-9\]")
_DAY_S = 86_400


def default(settings: type[RuntimeSettings], name: str) -> float:
    return float(settings.model_fields[name].default)


KEPT_DAYS = {
    ("ingest", "inputs"): default(IngestSettings, "ingest_inputs_kept_h") / 24,
    ("ingest", "answers"): ANSWERS_KEPT_S / _DAY_S,
    ("ingest", "marks"): MARKS_KEPT_S / _DAY_S,
    ("ingest", "returns"): KEPT_S / _DAY_S,
    ("carrier-adapter", "claims"): default(AdapterSettings, "adapter_keep_days"),
    ("carrier-adapter", "outcomes"): default(AdapterSettings, "adapter_keep_days"),
    ("voice-fallback", "calls"): default(VoiceSettings, "voice_keep_days"),
}


def held_in(model: type[BaseModel]) -> set[Holds]:
    """Look for numbers and texts through a model and all that it is made of."""
    found: set[Holds] = set()
    for name, field in model.model_fields.items():
        if is_number(field) or (name in NUMBERS - {"sender"} and field.annotation is str):
            found.add(Holds.NUMBER)
        if name in TEXTS:
            found.add(Holds.TEXT)
        for part in parts_of(field.annotation):
            found |= held_in(part)
    return found


def is_number(field: FieldInfo) -> bool:
    return any(_E164.match(getattr(one, "pattern", None) or "") for one in field.metadata)


def parts_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if get_origin(annotation) in (Union, UnionType, tuple, list, dict) or get_args(annotation):
        for inner in get_args(annotation):
            yield from parts_of(inner)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


@pytest.mark.parametrize("topic", [*topics.SINGLE, *topics.FAMILIES], ids=lambda one: one.name)
def test_an_event_that_holds_a_number_or_a_text_is_declared(topic: topics.Topic) -> None:
    if topic.event is not None and topic.event not in OF_NOBODY:
        assert held_by(topic) == held_in(topic.event)


def test_a_new_event_with_a_number_would_be_found() -> None:
    class New(BaseModel):
        to: E164

    class Around(BaseModel):
        inner: tuple[New, ...] | None = None

    assert held_in(Around) == {Holds.NUMBER}
    assert {Holds.NUMBER, Holds.TEXT} == BOTH
    assert OF_EVENTS


def test_what_is_set_aside_stays_longer_than_all_that_it_is_read_from() -> None:
    for service in topics.Service:
        dlq = topics.dlq_topic(service)
        assert held_by(dlq) == BOTH
        longest = max(
            bound
            for topic in topics.all_topics(())
            if topic.event is not None and held_by(topic)
            for bound in (gone_after(topic),)
            if bound is not None
        )
        bound = gone_after(dlq)
        assert bound is not None
        assert bound > longest


@pytest.mark.parametrize("store", OF_SERVICES, ids=lambda one: f"{one.service}:{one.name}")
def test_a_store_is_kept_as_long_as_its_service_keeps_it(store: Any) -> None:
    kept = KEPT_DAYS.get((store.service, store.name))
    if kept is not None:
        assert store.kept_days == kept
    elif store.name == "reply_parts":
        assert store.kept_days * _DAY_S > GIVEN_UP_AFTER.total_seconds()
    else:
        assert store.kept_days is None


def collections_of(service: str) -> set[str]:
    """Find the collections that a service's adapters name."""
    texts = [file.read_text() for file in (ROOT / "services" / service / "src").rglob("*.py")]
    constants = dict(
        pair
        for text in texts
        for pair in re.findall(r'^([A-Z_]+)(?:: \w+)? = "([a-z_]+)"$', text, re.MULTILINE)
    )
    used = {
        name
        for text in texts
        for name in re.findall(r"mongo\.\w+\(\s*([A-Z_]+)", text)
        + re.findall(r"Feed\(\s*\w+,\s*([A-Z_]+)", text)
    }
    return {constants[name] for name in used}


@pytest.mark.parametrize("service", ["ingest", "carrier-adapter", "voice-fallback", "router"])
def test_every_collection_of_another_service_is_declared(service: str) -> None:
    declared = {store.name for store in OF_SERVICES if store.service == service}
    assert collections_of(service) == declared


def test_the_tables_say_nothing_of_no_use() -> None:
    assert all(held != NEITHER for held in OF_EVENTS.values())
