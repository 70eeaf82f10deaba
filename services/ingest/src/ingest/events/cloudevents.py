"""CloudEvents 1.0 on Kafka (Kafka protocol binding 1.0.2), binary and structured.

Our own, because the SDK draws a fresh id for a record that has none, at every reading: one SMS per
redelivery. The required attributes are checked on the raw headers or the raw JSON.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_core import from_json

from ingest.errors import NAMELESS, MalformedEvent, Named
from yizhan_runtime.records import RawRecord

_PREFIX = "ce_"
_FAMILY = "application/cloudevents"
_REQUIRED = ("id", "source", "specversion", "type")
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


class Mode(StrEnum):
    """How a record carries its event."""

    NATIVE = "native"
    BINARY = "cloudevents-binary"
    STRUCTURED = "cloudevents-structured"


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """Attributes as text, and the data as parsed JSON."""

    attributes: Mapping[str, str]
    data: Any


@dataclass(frozen=True, slots=True)
class MediaType:
    """A content type, lower case, and its charset."""

    name: str
    charset: str

    @classmethod
    def parse(cls, written: str) -> "MediaType":
        """Split ``application/json; charset=UTF-8``."""
        name, *parameters = [part.strip() for part in written.lower().split(";")]
        pairs = dict(part.partition("=")[::2] for part in parameters)
        return cls(name, pairs.get("charset", "utf-8").strip('"'))

    @property
    def is_json(self) -> bool:
        return self.name in {"", "application/json", "text/json"} or self.name.endswith("+json")


def mode_of(raw: RawRecord) -> Mode:
    """Tell the mode by the content type (binding, 3); without it, ce_ headers make it binary."""
    if not raw.headers:
        return Mode.NATIVE
    if _content_type(raw).lower().startswith(_FAMILY):
        return Mode.STRUCTURED
    return Mode.BINARY if any(key.startswith(_PREFIX) for key, _ in raw.headers) else Mode.NATIVE


def parse_binary(raw: RawRecord) -> CloudEvent:
    """Read an event whose attributes are headers. Raises MalformedEvent."""
    attributes = dict(_header_attributes(raw))
    content_type = _content_type(raw)
    if content_type:
        attributes["datacontenttype"] = content_type
    _check(attributes)
    media = MediaType.parse(content_type)
    if not media.is_json or media.charset not in _UTF8:
        raise MalformedEvent("data-not-json", "content-type: JSON in UTF-8", named_by(attributes))
    return CloudEvent(attributes, json_of(raw.value, named_by(attributes)))


def parse_structured(raw: RawRecord) -> CloudEvent:
    """Read an event that is one JSON object. Raises MalformedEvent."""
    media = MediaType.parse(_content_type(raw))
    if media.name != f"{_FAMILY}+json" or media.charset not in _UTF8:
        detail = "content-type: application/cloudevents+json, one event a record"
        raise MalformedEvent("format-not-supported", detail)
    envelope = json_of(raw.value)
    if not isinstance(envelope, dict):
        raise MalformedEvent("not-an-object", "a CloudEvent is a JSON object")
    attributes = dict(_json_attributes(envelope))
    _check(attributes)
    return CloudEvent(attributes, _data_of(envelope, attributes))


def json_of(value: bytes | None, named: Named = NAMELESS) -> Any:  # noqa: ANN401 - it is JSON
    """Parse JSON bytes. Raises MalformedEvent."""
    if value is None:
        raise MalformedEvent("tombstone", "the record has no value", named)
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedEvent("not-json", _position(error), named) from None


def named_by(attributes: Mapping[str, str]) -> Named:
    """Say what the attributes name: for answering an event that is otherwise unreadable."""
    named = (attributes.get(name, "")[:200] for name in ("source", "id", "subject"))
    source, event_id, subject = named
    return Named(source=source, event_id=event_id, shipment_id=subject)


def _position(error: ValueError) -> str:
    """Keep where it went wrong, without the text around it."""
    return str(error).split("\n", 1)[0][:120]


def _content_type(raw: RawRecord) -> str:
    found = next((v for key, v in raw.headers if key.lower() == "content-type" and v), b"")
    return found.decode("utf-8", "replace")


def _header_attributes(raw: RawRecord) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for key, value in raw.headers:
        if not key.startswith(_PREFIX):
            continue
        name = key.removeprefix(_PREFIX)
        if name in seen:
            raise MalformedEvent("header-repeated", "a ce_ header stands there twice")
        seen.add(name)
        yield name, _text_of(value)


def _text_of(value: bytes | None) -> str:
    try:
        return (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedEvent("header-not-utf-8", "ce_ headers are UTF-8") from None


def _json_attributes(envelope: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in envelope.items():
        if name in {"data", "data_base64"} or value is None:
            continue
        if isinstance(value, str):
            yield name, value
        elif name in _REQUIRED:
            raise MalformedEvent("attribute-not-text", f"{name}: must be a text")


def _check(attributes: Mapping[str, str]) -> None:
    named = named_by(attributes)
    missing = [name for name in _REQUIRED if not attributes.get(name)]
    if missing:
        raise MalformedEvent("attribute-missing", ", ".join(missing), named)
    if attributes["specversion"] != "1.0":
        raise MalformedEvent("specversion", "specversion: only 1.0 is taken", named)


def _data_of(envelope: dict[str, Any], attributes: Mapping[str, str]) -> Any:  # noqa: ANN401
    named = named_by(attributes)
    if "data_base64" not in envelope:
        return envelope.get("data")
    if "data" in envelope:
        raise MalformedEvent("data-twice", "data or data_base64, not both", named)
    try:
        return json_of(base64.b64decode(envelope["data_base64"], validate=True), named)
    except (binascii.Error, TypeError, ValueError):
        raise MalformedEvent("data-not-base64", "data_base64: Base64 of JSON", named) from None
