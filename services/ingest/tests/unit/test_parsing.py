"""Reading records: native JSON, CloudEvents in both modes, and everything else."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.ingest.tests.unit.making import US, US_OTHER, event, raw

from ingest.codes import Code
from ingest.errors import MAX_DETAIL, MalformedEvent
from ingest.events import cloudevents
from ingest.events.cloudevents import Mode
from ingest.events.parsing import ShipmentEvent, Unreadable, parse, read
from yizhan_contracts.events import Milestone
from yizhan_runtime.records import Headers, RawRecord

CE: dict[str, bytes | None] = {
    "ce_specversion": b"1.0",
    "ce_id": b"ce-1",
    "ce_type": b"com.example.shipment.updated.v1",
    "ce_source": b"/warehouse/7",
    "ce_time": b"2026-11-23T11:59:00Z",
    "content-type": b"application/json",
}
DATA = {k: v for k, v in event().items() if k not in {"event_id", "source", "occurred_at"}}
ENVELOPE = {
    "specversion": "1.0",
    "id": "ce-1",
    "source": "/warehouse/7",
    "type": "shipment.updated.v1",
    "time": "2026-11-23T11:59:00Z",
    "datacontenttype": "application/json",
    "data": DATA,
}


def binary(data: Any = DATA, **headers: bytes | None) -> RawRecord:
    changed = {
        **CE,
        **{name.replace("content_type", "content-type"): v for name, v in headers.items()},
    }
    value = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
    return raw(value, tuple((k, v) for k, v in changed.items() if v != b"-"))


def structured(envelope: Any, kind: bytes = b"application/cloudevents+json") -> RawRecord:
    value = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    return raw(value, (("content-type", kind),))


def readable(record: RawRecord) -> ShipmentEvent:
    found = read(record)
    assert isinstance(found, ShipmentEvent), found
    return found


def unreadable(record: RawRecord) -> Unreadable:
    found = read(record)
    assert isinstance(found, Unreadable), found
    return found


def test_native_json_is_read() -> None:
    found = readable(raw(json.dumps(event()).encode()))
    assert found.mode is Mode.NATIVE
    assert (found.event.event_id, found.event.milestone) == ("e-1", Milestone.DELIVERED)


def test_headers_of_others_do_not_matter() -> None:
    headers: Headers = (("traceparent", None), ("\udcff", b"\xff"), ("content-type", None))
    assert readable(raw(json.dumps(event()).encode(), headers)).mode is Mode.NATIVE


def test_binary_cloudevent_is_read() -> None:
    found = readable(binary())
    assert found.mode is Mode.BINARY
    assert (found.event.source, found.event.event_id) == ("/warehouse/7", "ce-1")
    assert found.event.occurred_at.isoformat() == "2026-11-23T11:59:00+00:00"


@pytest.mark.parametrize(
    "kind",
    [
        b"application/cloudevents+json",
        b"application/cloudevents+json; charset=utf-8",
        b"application/cloudevents+json; charset=UTF-8",
        b'Application/CloudEvents+JSON;charset="utf-8"',
    ],
)
def test_structured_cloudevent_is_read_whatever_the_case_of_its_content_type(kind: bytes) -> None:
    found = readable(structured(ENVELOPE, kind))
    assert found.mode is Mode.STRUCTURED
    assert found.event.event_id == "ce-1"


def test_the_conformance_shapes_keep_their_attributes_and_data() -> None:
    """The shapes of cloudevents/conformance, kafka-protocol-binding.feature."""
    attributes = {
        "specversion": "1.0",
        "id": "1234-1234-1234",
        "type": "com.example.someevent",
        "source": "/mycontext/subcontext",
        "time": "2018-04-05T03:56:24Z",
    }
    headers: Headers = tuple((f"ce_{name}", text.encode()) for name, text in attributes.items())
    data = {"message": "Hello World!"}
    plain = raw(json.dumps(data).encode(), (*headers, ("content-type", b"application/json")))
    whole = structured({**attributes, "datacontenttype": "application/json", "data": data})
    for found in (cloudevents.parse_binary(plain), cloudevents.parse_structured(whole)):
        assert found.data == data
        assert found.attributes == {**attributes, "datacontenttype": "application/json"}


def test_a_structured_record_may_repeat_its_attributes_as_headers() -> None:
    record = structured(ENVELOPE)
    repeated = raw(record.value, (*record.headers, ("ce_id", b"another")))
    assert readable(repeated).event.event_id == "ce-1"


def test_the_envelope_names_the_event_whatever_its_data_say() -> None:
    found = readable(binary({**DATA, "event_id": "inner", "source": "inner"}))
    assert (found.event.event_id, found.event.source) == ("ce-1", "/warehouse/7")


def test_subject_and_time_stand_in_for_shipment_and_moment() -> None:
    data = {k: v for k, v in DATA.items() if k != "shipment_id"}
    assert readable(binary(data, ce_subject=b"S9")).event.shipment_id == "S9"
    assert unreadable(binary(data)).code == "invalid"
    assert unreadable(binary(DATA, ce_time=b"-")).code == "invalid"


def test_data_may_be_base64_in_structured_mode() -> None:
    encoded = base64.b64encode(json.dumps(DATA).encode()).decode()
    envelope = {k: v for k, v in ENVELOPE.items() if k != "data"} | {"data_base64": encoded}
    assert readable(structured(envelope)).event.event_id == "ce-1"


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_specversion", "ce_type"])
@pytest.mark.parametrize("value", [b"-", b"", None])
def test_a_binary_event_without_its_identity_is_never_given_one(
    name: str, value: bytes | None
) -> None:
    found = unreadable(binary(**{name: value}))
    assert found.answer is Code.MALFORMED
    assert found.code == "attribute-missing"


@pytest.mark.parametrize("name", ["id", "source", "specversion", "type"])
@pytest.mark.parametrize("value", [..., "", None, 7])
def test_a_structured_event_without_its_identity_is_never_given_one(name: str, value: Any) -> None:
    envelope = {k: v for k, v in ENVELOPE.items() if k != name}
    if value is not ...:
        envelope[name] = value
    found = unreadable(structured(envelope))
    assert found.code in {"attribute-missing", "attribute-not-text"}


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (raw(None), "tombstone"),
        (raw(b""), "not-json"),
        (raw(b"\x00\xff"), "not-json"),
        (raw(b'{"event_id": "\xff"}'), "not-json"),
        (raw(b'{"event_id": "\\ud800"}'), "not-json"),
        (raw(b"[" * 100_000), "not-json"),
        (raw(b"NaN"), "not-json"),
        (raw(b"7"), "not-an-object"),
        (raw(b"[]"), "not-an-object"),
        (raw(b"{}"), "invalid"),
        (raw(json.dumps(event(recipients=[])).encode()), "invalid"),
        (raw(json.dumps(event(recipients="x")).encode()), "invalid"),
        (raw(json.dumps(event(*([US] * 21))).encode()), "invalid"),
        (raw(json.dumps(event(occurred_at="yesterday")).encode()), "invalid"),
        (raw(json.dumps(event(occurred_at="2026-11-23T12:00:00")).encode()), "invalid"),
        (raw(json.dumps(event(attributes={"x" * 10_000: 1})).encode()), "invalid"),
        (raw(json.dumps(event(event_id="x" * 201)).encode()), "invalid"),
        (binary(None), "tombstone"),
        (binary(b"{"), "not-json"),
        (binary([1]), "data-not-an-object"),
        (binary(ce_specversion=b"0.3"), "specversion"),
        (binary(ce_id=b"\xff"), "header-not-utf-8"),
        (binary(content_type=b"application/xml"), "data-not-json"),
        (binary(content_type=b"application/json; charset=gbk"), "data-not-json"),
        (raw(b"{}", (("ce_id", b"1"), ("ce_id", b"2"))), "header-repeated"),
        (structured(b"{"), "not-json"),
        (structured([ENVELOPE]), "not-an-object"),
        (structured(ENVELOPE, b"application/cloudevents-batch+json"), "format-not-supported"),
        (structured(ENVELOPE, b"application/cloudevents+avro"), "format-not-supported"),
        (structured({**ENVELOPE, "data_base64": "e30="}), "data-twice"),
        (structured({**ENVELOPE, "data": None}), "data-not-an-object"),
        (
            structured({k: v for k, v in ENVELOPE.items() if k != "data"} | {"data_base64": "*"}),
            "data-not-base64",
        ),
    ],
)
def test_what_cannot_be_read_is_poison_with_its_reason(record: RawRecord, code: str) -> None:
    found = unreadable(record)
    assert (found.code, found.answer, found.is_poison) == (code, Code.MALFORMED, True)
    assert len(found.detail) <= MAX_DETAIL


def test_events_of_other_types_are_answered_and_not_kept() -> None:
    found = unreadable(binary(ce_type=b"com.example.invoice.paid"))
    assert (found.answer, found.is_poison) == (Code.TYPE_UNKNOWN, False)
    assert found.named.event_id == "ce-1"


def test_a_type_must_end_at_a_dot() -> None:
    assert unreadable(binary(ce_type=b"notshipment.updated.v1")).code == "type-unknown"


def test_what_cannot_be_read_is_named_by_what_can() -> None:
    found = unreadable(raw(json.dumps(event(milestone="delivered", recipients=[])).encode()))
    assert (found.named.source, found.named.event_id, found.named.shipment_id) == (
        "upstream",
        "e-1",
        "S1",
    )


def test_garbage_is_named_by_its_key() -> None:
    assert unreadable(raw(b"garbage", key=b"S7")).named.shipment_id == "S7"
    assert unreadable(raw(b"garbage", key=b"\xff")).named.shipment_id == "\ufffd"
    assert unreadable(raw(b"garbage", key=None)).named.shipment_id == ""


def test_one_bad_recipient_leaves_the_others() -> None:
    recipients = [{"phone": US}, {"phone": 123}, {"phone": "x" * 41}, {"phone": US_OTHER}]
    found = readable(raw(json.dumps(event(recipients=recipients)).encode()))
    assert [r.phone for r in found.event.recipients] == [US, US_OTHER]
    assert found.indexes == (0, 3)
    assert [index for index, _ in found.bad_recipients] == [1, 2]


def test_an_unknown_milestone_is_read_as_unknown() -> None:
    found = readable(raw(json.dumps(event(milestone="teleported")).encode()))
    assert found.event.milestone is Milestone.UNKNOWN


def test_no_detail_holds_a_value() -> None:
    leaks = [
        raw(json.dumps(event(occurred_at="SECRET")).encode()),
        raw(json.dumps(event(recipients=[{"phone": ["SECRET"]}])).encode()),
        raw(b'{"event_id": SECRET}'),
        binary(b"SECRET"),
        binary({**DATA, "classifier": "SECRET"}),
    ]
    for record in leaks:
        assert "SECRET" not in unreadable(record).detail


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from([*event(), "revision", "classifier", "attributes"])
HEADER_NAMES = st.sampled_from([*CE, "ce_subject", "ce_", "content-type", "x"]) | st.text(
    max_size=8
)
HEADER_VALUES = st.none() | st.binary(max_size=12) | st.sampled_from([v for v in CE.values() if v])
CONTENT_TYPES = st.sampled_from(
    [b"application/cloudevents+json", b"application/json", b"APPLICATION/CLOUDEVENTS", b";", b"="]
)


def check_only_poison(record: RawRecord) -> None:
    mode = cloudevents.mode_of(record)
    with contextlib.suppress(MalformedEvent):
        parse(record, mode)
    assert isinstance(read(record), ShipmentEvent | Unreadable)


@given(st.none() | st.binary(max_size=200), st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES)))
def test_any_bytes_are_an_event_or_poison(
    value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    check_only_poison(raw(value, tuple(headers)))


@settings(max_examples=300)
@given(st.dictionaries(FIELDS, JSON, max_size=4), CONTENT_TYPES | st.none(), st.sampled_from(Mode))
def test_any_json_in_any_field_is_an_event_or_poison(
    changes: dict[str, Any], content_type: bytes | None, mode: Mode
) -> None:
    value = json.dumps({**event(), **ENVELOPE, **changes}).encode()
    headers = [*CE.items()] if mode is Mode.BINARY else []
    if content_type is not None:
        headers = [(k, v) for k, v in headers if k != "content-type"]
        headers.append(("content-type", content_type))
    check_only_poison(raw(value, tuple(headers)))


@given(st.dictionaries(st.sampled_from([*ENVELOPE, "data_base64", "x"]), JSON, max_size=4))
def test_any_json_in_any_attribute_is_an_event_or_poison(changes: dict[str, Any]) -> None:
    check_only_poison(structured({**ENVELOPE, **changes}))
