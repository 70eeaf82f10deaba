"""The AsyncAPI document in git: current, valid, and saying what the registry says."""

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from yizhan_cli.commands.documents import ASYNCAPI, asyncapi_text
from yizhan_contracts import topics
from yizhan_contracts.events import EVENTS

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).parent / "asyncapi" / "3.0.0.schema.json.gz"

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    loaded: Document = yaml.safe_load((ROOT / ASYNCAPI).read_text())
    return loaded


def test_the_document_is_current() -> None:
    assert (ROOT / ASYNCAPI).read_text() == asyncapi_text(), "run `make asyncapi`"


def test_the_document_is_asyncapi_3(document: Document) -> None:
    jsonschema.Draft7Validator(json.loads(gzip.decompress(SCHEMA.read_bytes()))).validate(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("channels", "service.dlq", "bindings", "kafka", "partitions"), "two"),
        (("operations", "router.send.attempt.planned.v1.channel.lane", "action"), "shout"),
        (("components", "messages", "SetAside", "payload"), 3),
    ],
)
def test_the_validation_would_notice(
    document: Document, path: tuple[str, ...], value: object
) -> None:
    broken = json.loads(json.dumps(document))
    target = broken
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        test_the_document_is_asyncapi_3(broken)


def test_every_reference_leads_somewhere(document: Document) -> None:
    references = list(_references(document))
    assert references
    for reference in references:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_every_topic_and_event_is_described(document: Document) -> None:
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {topic.name for topic in (*topics.SINGLE, *topics.FAMILIES)}
    assert {event.__name__ for event in EVENTS} < document["components"]["messages"].keys()


def test_an_address_declares_its_parameters(document: Document) -> None:
    for channel in document["channels"].values():
        for name in channel.get("parameters", {}):
            assert f"{{{name}}}" in channel["address"]
        assert channel["address"].count("{") == len(channel.get("parameters", {}))


def test_operations_are_those_of_the_registry(document: Document) -> None:
    sends = {
        (one["tags"][0]["name"], one["channel"]["$ref"].rpartition("/")[2])
        for one in document["operations"].values()
        if one["action"] == "send"
    }
    assert ("ingest", "shipment.answered.v1") in sends
    assert ("every-service", "service.dlq") in sends
    assert len(sends) == sum(len(t.producers) for t in (*topics.SINGLE, *topics.FAMILIES))


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
