"""Shipments: what upstream tells, and what it is answered."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from yizhan_contracts.events._base import Event, LocalTime, MessageId, Name, Part, Utc
from yizhan_contracts.open_enum import OpenEnum

_AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_AttributeValue = Annotated[str, StringConstraints(max_length=1000)]


class Milestone(OpenEnum):
    """What happened to a shipment: 15 of transport, 4 of returns, 3 of the warehouse."""

    CREATED = "created"
    PICKED_UP = "picked-up"
    IN_TRANSIT = "in-transit"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    CUSTOMS_PROCESSING = "customs-processing"
    CUSTOMS_HELD = "customs-held"
    CUSTOMS_CLEARED = "customs-cleared"
    OUT_FOR_DELIVERY = "out-for-delivery"
    AVAILABLE_FOR_PICKUP = "available-for-pickup"
    DELIVERY_ATTEMPT_FAILED = "delivery-attempt-failed"
    DELIVERED = "delivered"
    DELAYED = "delayed"
    EXCEPTION = "exception"
    CANCELLED = "cancelled"
    RETURN_ACCEPTED = "return-accepted"
    RETURN_IN_TRANSIT = "return-in-transit"
    RETURN_COMPLETED = "return-completed"
    REFUND_UPDATED = "refund-updated"
    WAREHOUSE_INBOUND = "warehouse-inbound"
    WAREHOUSE_OUTBOUND = "warehouse-outbound"
    STOCK_LOW = "stock-low"
    UNKNOWN = "unknown"


class Classifier(StrEnum):
    """Planned or estimated is not happened: only ACTUAL notifies anybody."""

    ACTUAL = "actual"
    ESTIMATED = "estimated"
    PLANNED = "planned"


class ShipmentRecipient(Part):
    """Whom an event concerns. ``phone`` is as upstream wrote it: ingest checks it and answers."""

    phone: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    language: Annotated[str, StringConstraints(max_length=35)] | None = None
    name: Annotated[str, StringConstraints(max_length=200)] | None = None


class ShipmentUpdated(Event):
    """A milestone of a shipment, in Yizhan's own JSON.

    Identity: ``source`` + ``event_id`` + ``revision``. An id alone is none: sources use it again.
    """

    TOPIC = "shipment.updated.v1"

    event_id: Name
    source: Name
    revision: Annotated[str, StringConstraints(max_length=64)] = ""
    account_id: Name
    shipment_id: Name
    milestone: Milestone
    classifier: Classifier = Classifier.ACTUAL
    occurred_at: LocalTime
    recipients: Annotated[tuple[ShipmentRecipient, ...], Field(min_length=1, max_length=20)]
    attributes: Annotated[dict[_AttributeName, _AttributeValue], Field(max_length=100)] = Field(
        default_factory=dict
    )
    """Values for the template: tracking_number, place, eta ..."""

    def key(self) -> str:
        return self.shipment_id


class Answer(StrEnum):
    """What became of a shipment event, or of one recipient of it."""

    ACCEPTED = "accepted"
    SUPPRESSED = "suppressed"
    WAITING = "waiting"
    REJECTED = "rejected"


class AnsweredMessage(Part):
    """What became of one recipient of an event."""

    recipient_index: int
    answer: Answer
    code: str = ""
    detail: str = ""
    message_id: MessageId | None = None
    rule: str = ""


class ShipmentAnswered(Event):
    """One answer per event read.

    ``origin`` is topic/partition/offset, so that a record without an id has one too.
    """

    TOPIC = "shipment.answered.v1"

    origin: str
    source: str = ""
    event_id: str = ""
    revision: str = ""
    shipment_id: str = ""
    answer: Answer
    code: str = ""
    detail: str = ""
    duplicate: bool = False
    """The event had been taken before: the ids are the first ones, and nobody hears of it twice."""
    messages: tuple[AnsweredMessage, ...] = ()
    answered_at: Utc

    def key(self) -> str:
        return self.shipment_id or self.origin
