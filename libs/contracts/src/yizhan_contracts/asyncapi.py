"""The AsyncAPI 3 document of all topics, made from the registry.

FastStream could write one too, but behind a raw batch handler it sees bytes and no models.
Needed by tools and tests only: no service imports this.
"""

import re
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from yizhan_contracts import topics
from yizhan_contracts.events import EVENTS, NO_CHANNEL, Event, Lane
from yizhan_contracts.schemas import described
from yizhan_contracts.topics import Service, Topic

Document = dict[str, Any]

_VERSION = "3.0.0"
_KAFKA_BINDING = "0.5.0"
_SET_ASIDE = "SetAside"
_PARAMETER = re.compile(r"{(\w+)}")
_PARAMETERS: dict[str, Document] = {
    "lane": {
        "description": "How urgent: a full lane never delays another.",
        "enum": [lane.value for lane in Lane],
    },
    "channel": {
        "description": "A configured way through a carrier; `none` takes what has no route.",
        "examples": ["acme-eu", NO_CHANNEL],
    },
    "service": {
        "description": "Whose consumer set the record aside.",
        "enum": [service.value for service in Service],
    },
    "delay": {
        "description": "How long a record waits before it is tried again.",
        "enum": list(topics.RETRY_DELAYS_S),
    },
}
_HEADERS: dict[str, str] = {
    "dlq-reason": "Why it was set aside, in a word",
    "dlq-error": "The error, without values",
    "dlq-origin": "Where it stood: topic/partition/offset, the topic without namespace",
    "dlq-attempts": "How often it was tried again",
    "dlq-cut": "Size of the whole record, where only its beginning fits in",
    "retry-origin": "Where it stood: topic/partition/offset, the topic without namespace",
    "retry-group": "The consumer group that parked it",
    "retry-attempt": "How often it has been parked",
    "retry-first-seen": "Unix milliseconds when it was parked for the first time",
    "retry-not-before": "Unix milliseconds before which it is not tried again",
    "retry-reason": "Why it was parked, in a word",
    "null-key": "The original had neither key nor value",
}


def document() -> Document:
    """Describe every topic: address, messages, key, Kafka settings, who sends and who receives."""
    listed = [*topics.SINGLE, *topics.FAMILIES]
    return {
        "asyncapi": _VERSION,
        "info": {
            "title": "Yizhan",
            "version": "1.0.0",
            "description": (
                "Shipment events become SMS, receipts and phone calls. No address has a namespace: "
                "a deployment's prefix stands before them. Tags say whose an operation is."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {_id(topic): _channel(topic) for topic in listed},
        "operations": dict(operation for topic in listed for operation in _operations(topic)),
        "components": {
            "messages": {
                **{event.__name__: _message(event) for event in EVENTS},
                _SET_ASIDE: _set_aside(),
            },
            "schemas": _schemas(),
        },
    }


def _id(topic: Topic) -> str:
    return _PARAMETER.sub(r"\1", topic.name)


def _message_name(topic: Topic) -> str:
    return topic.event.__name__ if topic.event else _SET_ASIDE


def _channel(topic: Topic) -> Document:
    parameters = {name: _PARAMETERS[name] for name in _PARAMETER.findall(topic.name)}
    name = _message_name(topic)
    return {
        "address": topic.name,
        "description": f"{topic.summary} Key: {topic.key.value}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        **({"parameters": parameters} if parameters else {}),
        "bindings": {"kafka": _binding(topic)},
    }


def _binding(topic: Topic) -> Document:
    config = topic.config()
    return {
        "partitions": topic.partitions,
        "topicConfiguration": {
            "cleanup.policy": config["cleanup.policy"].split(","),
            "retention.ms": topic.retention_ms,
            "max.message.bytes": topic.max_message_bytes,
        },
        "bindingVersion": _KAFKA_BINDING,
    }


def _operations(topic: Topic) -> Iterator[tuple[str, Document]]:
    for action, parties in (("send", topic.producers), ("receive", topic.consumers)):
        for party in parties:
            # A family's own parameter as the party: every service does it.
            service = _PARAMETER.sub("every-service", party)
            yield f"{service}.{action}.{_id(topic)}", _operation(topic, action, service)


def _operation(topic: Topic, action: str, service: str) -> Document:
    channel = f"#/channels/{_id(topic)}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "tags": [{"name": service}],
        "messages": [{"$ref": f"{channel}/messages/{_message_name(topic)}"}],
    }


def _message(event: type[Event]) -> Document:
    return {
        "name": event.__name__,
        "title": event.TOPIC,
        "summary": (event.__doc__ or "").partition("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": _KAFKA_BINDING}},
    }


def _set_aside() -> Document:
    headers = {name: {"type": "string", "description": why} for name, why in _HEADERS.items()}
    return {
        "name": _SET_ASIDE,
        "title": "A record that was set aside",
        "summary": "Original key, value and headers, whatever they are, and what is known of it.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": headers},
        "payload": {"description": "The original bytes: any record of any topic that was read."},
    }


def _schemas() -> Document:
    models = [(event, "validation") for event in EVENTS]
    _, schema = models_json_schema(
        models,  # type: ignore[arg-type]  # the literal is lost in the list
        ref_template="#/components/schemas/{model}",
    )
    return {name: described(part) for name, part in sorted(schema["$defs"].items())}
