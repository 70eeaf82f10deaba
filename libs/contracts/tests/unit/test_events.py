"""What an event refuses, what it tolerates, and where it says that it belongs."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from yizhan_contracts import ids
from yizhan_contracts.events import (
    EVENTS,
    Answer,
    AttemptFinished,
    AttemptPlanned,
    Event,
    MessageAccepted,
    Milestone,
    Policy,
    RerouteRequested,
    ShipmentAnswered,
    ShipmentUpdated,
)
from yizhan_contracts.reasons import Reason

from .golden import load

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def changed(event: type[Event], case: str, **changes: Any) -> str:
    return json.dumps({**load(event, case), **changes})


def shipment(**changes: Any) -> ShipmentUpdated:
    return ShipmentUpdated.model_validate_json(
        changed(ShipmentUpdated, "out-for-delivery-france", **changes)
    )


def accepted(**changes: Any) -> MessageAccepted:
    return MessageAccepted.model_validate_json(
        changed(MessageAccepted, "parcel-alert-france", **changes)
    )


def test_every_event_has_its_own_topic_with_a_version() -> None:
    names = [event.TOPIC for event in EVENTS]
    assert len(set(names)) == len(names)
    assert all(name.endswith(".v1") for name in names)


def test_all_events_are_listed() -> None:
    def below(event: type[Event]) -> set[type[Event]]:
        return {event} | {deep for sub in event.__subclasses__() for deep in below(sub)}

    assert {event for event in below(Event) if hasattr(event, "TOPIC")} == set(EVENTS)


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        accepted().text = "other"  # type: ignore[misc]


def test_a_consumer_ignores_fields_that_it_does_not_know() -> None:
    assert accepted(added_in_two_years={"a": 1}) == accepted()


def test_times_are_written_in_utc() -> None:
    paris = timezone(timedelta(hours=1))
    event = ShipmentAnswered(
        origin="t/0/1", answer=Answer.WAITING, answered_at=NOON.astimezone(paris)
    )
    assert json.loads(event.model_dump_json())["answered_at"] == "2026-11-23T12:00:00Z"


def test_upstream_keeps_its_own_offset() -> None:
    assert shipment().occurred_at.utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize(
    "moment",
    [
        20261123,
        "20261123",
        1763892000,
        1763892000.5,
        "1763892000",
        "2026-11-23",
        "2026-11-23T10:00:00",
        "0001-01-01T00:00:00+08:00",
        "9999-12-31T23:59:59-08:00",
        "yesterday",
        None,
    ],
)
def test_a_time_that_would_have_to_be_guessed_is_refused(moment: object) -> None:
    with pytest.raises(ValidationError):
        shipment(occurred_at=moment)


def test_a_new_milestone_is_unknown_and_not_poison() -> None:
    assert shipment(milestone="teleported").milestone is Milestone.UNKNOWN


def test_a_milestone_must_be_a_word() -> None:
    with pytest.raises(ValidationError):
        shipment(milestone=7)


def test_a_new_reason_is_unknown_and_not_poison() -> None:
    assert Reason("carrier-on-holiday") is Reason.UNKNOWN
    assert Reason("") is Reason.NONE


def test_a_new_classifier_is_refused_so_that_an_estimate_is_never_taken_for_a_fact() -> None:
    with pytest.raises(ValidationError):
        shipment(classifier="perhaps")


@pytest.mark.parametrize(
    "changes",
    [
        {"recipients": []},
        {"recipients": [{"phone": ""}]},
        {"recipients": [{"phone": "+33639980042"}] * 21},
        {"shipment_id": ""},
        {"shipment_id": "x" * 201},
        {"attributes": {"note": "x" * 1001}},
        {"attributes": {f"k{n}": "" for n in range(101)}},
        {"attributes": {"pieces": 3}},
    ],
)
def test_a_shipment_event_is_bounded(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        shipment(**changes)


@pytest.mark.parametrize("recipient", ["33639980042", "+0639980042", "+33 6 39 98", "+1" * 9, ""])
def test_a_recipient_is_an_international_number(recipient: str) -> None:
    with pytest.raises(ValidationError):
        accepted(recipient=recipient)


def test_an_answer_without_shipment_is_keyed_by_where_the_event_stood() -> None:
    event = ShipmentAnswered(
        origin="shipment.updated.v1/5/77", answer=Answer.REJECTED, answered_at=NOON
    )
    assert event.key() == "shipment.updated.v1/5/77"


def test_all_that_happens_to_a_message_has_its_shard() -> None:
    message = accepted()
    planned = AttemptPlanned.model_validate(load(AttemptPlanned, "first-attempt-france"))
    finished = AttemptFinished.model_validate(load(AttemptFinished, "submitted-france"))
    assert {event.shard() for event in (message, planned, finished)} == {
        ids.shard_of_recipient(message.recipient)
    }
    assert {event.key() for event in (message, planned, finished)} == {message.message_id[12:16]}


@pytest.mark.parametrize("changes", [{"n": 2}, {"attempt_id": "0" * 32 + "-1"}])
def test_an_attempt_under_a_foreign_id_is_refused(changes: dict[str, Any]) -> None:
    # The claim is on attempt_id, the next number counts from n: apart, one attempt is sent twice.
    for event, case in (
        (AttemptPlanned, "first-attempt-france"),
        (AttemptFinished, "submitted-france"),
    ):
        with pytest.raises(ValidationError, match="attempt_id"):
            event.model_validate_json(changed(event, case, **changes))


@pytest.mark.parametrize(
    ("event", "case"),
    [(AttemptFinished, "refused-china"), (RerouteRequested, "receipt-said-failed-france")],
)
def test_what_is_planned_again_carries_its_own_message(event: type[Event], case: str) -> None:
    other = load(MessageAccepted, "test-message-without-template-britain")
    with pytest.raises(ValidationError, match="message"):
        event.model_validate_json(changed(event, case, message=other))


def test_what_a_policy_does_not_say_is_left_out_and_never_null() -> None:
    """Readers of before the field was optional know no null, and take their own default."""
    silent, own = Policy(), Policy(receipt_timeout_s=60)
    assert b"receipt_timeout_s" not in Policy.__pydantic_serializer__.to_json(silent)
    assert Policy.model_validate_json(own.model_dump_json()).receipt_timeout_s == 60
    assert Policy.model_validate_json(silent.model_dump_json()) == silent
