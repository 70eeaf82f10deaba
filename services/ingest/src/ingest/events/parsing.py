"""A record of ``shipment.updated`` becomes an event, or something that can be answered."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ingest.codes import Code
from ingest.errors import MalformedEvent, Named
from ingest.events import cloudevents
from ingest.events.cloudevents import CloudEvent, Mode
from yizhan_contracts.events import ShipmentUpdated
from yizhan_runtime.records import RawRecord, describe

EVENT_TYPE = "shipment.updated.v1"
"""The CloudEvents type, alone or behind the sender's name: ``com.example.shipment.updated.v1``."""

_validate_json = ShipmentUpdated.__pydantic_validator__.validate_json
_validate = ShipmentUpdated.__pydantic_validator__.validate_python


@dataclass(frozen=True, slots=True)
class ShipmentEvent:
    """An event as it was read. Recipients that cannot be read leave the others alone."""

    event: ShipmentUpdated
    mode: Mode = Mode.NATIVE
    indexes: tuple[int, ...] | None = None
    """Where the event's recipients stood in the record, if some of it were left out."""
    bad_recipients: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is no shipment event, with what can be told to its sender."""

    code: str
    detail: str
    named: Named
    answer: Code
    mode: Mode

    @property
    def is_poison(self) -> bool:
        """Say whether its bytes are kept for people. Events of other types are not for us."""
        return self.answer is Code.MALFORMED


def read(raw: RawRecord) -> ShipmentEvent | Unreadable:
    """Read a record; never raises, because every record gets an answer."""
    mode = cloudevents.mode_of(raw)
    try:
        return parse(raw, mode)
    except MalformedEvent as error:
        named = error.named if error.named.shipment_id else _with_key(error.named, raw)
        return Unreadable(error.code, error.detail, named, error.answer, mode)


def parse(raw: RawRecord, mode: Mode) -> ShipmentEvent:
    """Read a record. Raises MalformedEvent, a Poison, and nothing else."""
    if mode is Mode.NATIVE:
        return _parse_native(raw)
    binary = mode is Mode.BINARY
    event = cloudevents.parse_binary(raw) if binary else cloudevents.parse_structured(raw)
    return _lenient(_flatten(event), mode)


def _parse_native(raw: RawRecord) -> ShipmentEvent:
    try:
        return ShipmentEvent(_validate_json(raw.value or b""))
    except ValidationError:
        # Once more, slowly: to keep the readable recipients, or to say what is wrong.
        return _lenient(cloudevents.json_of(raw.value), Mode.NATIVE)


def _flatten(event: CloudEvent) -> dict[str, Any]:
    """Write a CloudEvent as a native event: identity is the envelope's, the rest is the data's."""
    attributes, data = event.attributes, event.data
    named = cloudevents.named_by(attributes)
    kind = attributes["type"]
    if kind != EVENT_TYPE and not kind.endswith(f".{EVENT_TYPE}"):
        raise MalformedEvent("type-unknown", "type", named, Code.TYPE_UNKNOWN)
    if not isinstance(data, dict):
        raise MalformedEvent("data-not-an-object", "data: a JSON object", named)
    defaults = {"shipment_id": attributes.get("subject"), "occurred_at": attributes.get("time")}
    given = {name: value for name, value in defaults.items() if value}
    return {**given, **data, "source": attributes["source"], "event_id": attributes["id"]}


def _lenient(data: Any, mode: Mode) -> ShipmentEvent:  # noqa: ANN401 - it is JSON
    if not isinstance(data, dict):
        raise MalformedEvent("not-an-object", "an event is a JSON object")
    try:
        return ShipmentEvent(_validate(data), mode)
    except ValidationError as error:
        return _without(data, _bad_recipients(data, error), mode)


def _bad_recipients(data: dict[str, Any], error: ValidationError) -> dict[int, str]:
    """Name the recipients that are to blame. Raises MalformedEvent if something else is, too."""
    bad: dict[int, str] = {}
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        match problem["loc"]:
            case ("recipients", int() as index, *rest):
                bad.setdefault(index, f"{'.'.join(map(str, rest))}: {problem['msg']}.".lstrip(": "))
            case _:
                raise MalformedEvent("invalid", describe(error), _named(data)) from None
    if len(bad) == len(data["recipients"]):
        raise MalformedEvent("invalid", describe(error), _named(data)) from None
    return bad


def _without(data: dict[str, Any], bad: Mapping[int, str], mode: Mode) -> ShipmentEvent:
    recipients = data["recipients"]
    indexes = tuple(index for index in range(len(recipients)) if index not in bad)
    kept = {**data, "recipients": [recipients[index] for index in indexes]}
    return ShipmentEvent(_validate(kept), mode, indexes, tuple(sorted(bad.items())))


def _named(data: Mapping[str, Any]) -> Named:
    return Named(
        *_texts(data.get(name) for name in ("source", "event_id", "revision", "shipment_id"))
    )


def _texts(values: Iterable[Any]) -> Iterable[str]:
    return (value[:200] if isinstance(value, str) else "" for value in values)


def _with_key(named: Named, raw: RawRecord) -> Named:
    """Fall back to the record's key: upstream keys its records by shipment."""
    key = (raw.key or b"").decode("utf-8", "replace")[:200]
    return Named(named.source, named.event_id, named.revision, key)
