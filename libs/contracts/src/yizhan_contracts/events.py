"""Every event that crosses a topic, as frozen pydantic models.

Consumers ignore fields that they do not know, so a field may be added with a default; anything else is a new
version of the topic. Times are aware datetimes, written as RFC 3339 in UTC. Each event knows its topic, its
key and, where its topic is sharded, its shard: whoever publishes it cannot put it in the wrong place.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from yizhan_contracts import ids
from yizhan_contracts.reasons import Reason

MessageId = Annotated[str, StringConstraints(pattern=ids.MESSAGE_ID_PATTERN)]
AttemptId = Annotated[str, StringConstraints(pattern=ids.ATTEMPT_ID_PATTERN)]
AttemptNumber = Annotated[int, Field(ge=1, le=99)]
E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Country = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}|[0-9]{3})$")]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Utc = AwareDatetime

NO_CHANNEL = "none"
"""The channel that takes what has no route, or is too late: its attempts are claimed and reported, never sent."""


class Lane(StrEnum):
    """A million exam results in BULK never delay a parcel alert in STANDARD."""

    URGENT = "urgent"
    STANDARD = "standard"
    BULK = "bulk"


class Event(BaseModel):
    """What one record of a topic says. ``TOPIC`` is the topic's name, or its family's, without a namespace."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TOPIC: ClassVar[str]

    schema_version: int = 1

    def topic(self) -> str:
        return self.TOPIC

    def key(self) -> str:
        raise NotImplementedError

    def shard(self) -> int | None:
        """The shard that places the record, or None where the key does."""
        return None


class Part(BaseModel):
    """A part of an event."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _OfMessage(Event):
    message_id: MessageId

    def key(self) -> str:
        return ids.key_of_shard(ids.shard_of(self.message_id)).decode()

    def shard(self) -> int | None:
        return ids.shard_of(self.message_id)


# ---- shipments ------------------------------------------------------------------------------------------


class Milestone(StrEnum):
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

    @classmethod
    def _missing_(cls, value: object) -> "Milestone":
        return cls.UNKNOWN


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
    """A milestone of a shipment, in Yizhan's own JSON. Identity: ``source`` + ``event_id`` + ``revision``."""

    TOPIC = "shipment.updated.v1"

    event_id: Name
    source: Name
    revision: Annotated[str, StringConstraints(max_length=64)] = ""
    account_id: Name
    shipment_id: Name
    milestone: Milestone
    classifier: Classifier = Classifier.ACTUAL
    occurred_at: Utc
    recipients: Annotated[tuple[ShipmentRecipient, ...], Field(min_length=1, max_length=20)]
    attributes: dict[str, str] = Field(default_factory=dict)
    """Values for the template: tracking_number, place, eta ..."""

    def key(self) -> str:
        return self.shipment_id


class Answer(StrEnum):
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
    """One answer per event read. ``origin`` is topic/partition/offset, so that a record without id has one too."""

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


# ---- messages -------------------------------------------------------------------------------------------


class InDoubtPolicy(StrEnum):
    """What follows when nobody can know whether the carrier took an attempt."""

    RESEND = "resend"
    HOLD = "hold"


class VoicePolicy(StrEnum):
    NEVER = "never"
    ON_FAILURE = "on-failure"


class OverduePolicy(StrEnum):
    """What follows when a receipt is overdue and the message may not be called."""

    WAIT = "wait"
    REROUTE = "reroute"


class RoutingPolicy(StrEnum):
    QUALITY = "quality"
    COST = "cost"
    BALANCED = "balanced"


class Policy(Part):
    """A snapshot of what later steps need of the account, taken at acceptance."""

    routing: RoutingPolicy = RoutingPolicy.QUALITY
    max_attempts: Annotated[int, Field(ge=1, le=9)] = 3
    in_doubt: InDoubtPolicy = InDoubtPolicy.RESEND
    receipt_timeout_s: Annotated[float, Field(gt=0, le=259_200)] = 14_400
    on_overdue: OverduePolicy = OverduePolicy.WAIT
    voice: VoicePolicy = VoicePolicy.NEVER
    voice_wait_s: Annotated[float, Field(gt=0, le=86_400)] = 600
    """How long a call may take to be placed and reported, from its request."""


class TemplateUse(Part):
    """The template that was rendered, and with what."""

    template_id: Name
    version: Annotated[int, Field(ge=1)]
    language: str
    category: str = "notification"
    variables: dict[str, str] = Field(default_factory=dict)


class OriginKind(StrEnum):
    SHIPMENT_EVENT = "shipment-event"
    API = "api"


class Origin(Part):
    """What made the message: the request or event, by the names its sender knows."""

    kind: OriginKind
    source: str = ""
    event_id: str = ""
    revision: str = ""
    shipment_id: str = ""
    occurred_at: Utc | None = None
    arrived_at: Utc
    """When Kafka appended the event, or the request came in: latencies count from here."""


class MessageAccepted(_OfMessage):
    """One text to one recipient, rendered and checked. Ids dedupe: a repeat changes nothing."""

    TOPIC = "message.accepted.v1"

    account_id: Name
    reference: Annotated[str, StringConstraints(max_length=200)] = ""
    lane: Lane
    recipient: E164
    country: Country
    sender: str
    """The signature or sender ID asked for; the channel may rewrite it."""
    text: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    charging_num: Annotated[int, Field(ge=1)]
    template: TemplateUse | None = None
    voice_script: str = ""
    policy: Policy
    time_zone: str = "Asia/Shanghai"
    origin: Origin
    test: bool = False
    accepted_at: Utc
    valid_until: Utc

    def topic(self) -> str:
        return f"{self.TOPIC}.{self.lane}"


# ---- attempts -------------------------------------------------------------------------------------------


class Candidate(Part):
    """What the router knew of one channel when it chose."""

    channel: ChannelName
    score: float = 0.0
    state: str = ""
    note: str = ""


class Decision(Part):
    """Why this channel: travels with the attempt, so that the choice can be explained later."""

    why: str
    candidates: tuple[Candidate, ...] = ()


class AttemptPlanned(Event):
    """One message for one channel. The claim on ``attempt_id`` decides who sends it, and once."""

    TOPIC = "attempt.planned.v1"

    attempt_id: AttemptId
    n: AttemptNumber
    channel: ChannelName
    message: MessageAccepted
    tried: tuple[ChannelName, ...] = ()
    decision: Decision
    reason: Reason = Reason.NONE
    """On the channel ``none``: why there is no other."""
    planned_at: Utc

    def topic(self) -> str:
        return f"{self.TOPIC}.{self.channel}.{self.message.lane}"

    def key(self) -> str:
        return self.message.key()

    def shard(self) -> int | None:
        return self.message.shard()


class AttemptOutcome(StrEnum):
    SUBMITTED = "submitted"
    REFUSED = "refused"
    """The carrier said no."""
    FAILED = "failed"
    """It never left us: another try is safe."""
    RELEASED = "released"
    """Unclaimed and handed back: planned again under the same attempt id."""
    IN_DOUBT = "in-doubt"
    """Sent and not answered, or claimed by somebody who never said what became of it."""
    UNROUTABLE = "unroutable"
    EXPIRED = "expired"
    """Found past its validity, never claimed."""


class AttemptFinished(Event):
    """What became of an attempt. ``message`` is there unless it was submitted: who re-plans needs it."""

    TOPIC = "attempt.finished.v1"

    attempt_id: AttemptId
    message_id: MessageId
    n: AttemptNumber
    channel: ChannelName
    carrier_account: str = ""
    """Whose ids ``carrier_message_id`` is unique among: a receipt may arrive by another channel's bind."""
    outcome: AttemptOutcome
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    detail: str = ""
    carrier_message_id: str = ""
    sender: str = ""
    country: Country
    tried: tuple[ChannelName, ...] = ()
    """All channels tried so far, this one included."""
    decision: Decision | None = None
    message: MessageAccepted | None = None
    receipt_timeout_s: Annotated[float, Field(gt=0, le=259_200)] | None = None
    """From the message's policy, where ``message`` is left out: counted by receipts from its own insert."""
    claimed_at: Utc | None = None
    finished_at: Utc

    def key(self) -> str:
        return ids.key_of_shard(ids.shard_of(self.message_id)).decode()

    def shard(self) -> int | None:
        return ids.shard_of(self.message_id)


class ReceiptState(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"
    BUFFERED = "buffered"
    """On its way: says nothing final."""
    UNKNOWN = "unknown"


class ReceiptReceived(Event):
    """A carrier's word on an attempt, normalised. ``attempt_id`` is there where the carrier echoed it or the
    adapter still knew it.
    """

    TOPIC = "receipt.received.v1"

    channel: ChannelName
    carrier_account: str
    carrier_message_id: str
    attempt_id: AttemptId | None = None
    state: ReceiptState
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    country: str = ""
    """Country of the recipient where the adapter knows it, else empty."""
    carrier_time: str = ""
    """The carrier's own time, as it wrote it."""
    delivered_at: Utc | None = None
    received_at: Utc

    def key(self) -> str:
        return f"{self.carrier_account}:{self.carrier_message_id}"


class ReplyReceived(Event):
    """What a recipient sent back (MO)."""

    TOPIC = "reply.received.v1"

    channel: ChannelName
    carrier_account: str
    carrier_message_id: str
    sender: E164
    recipient: str
    """The number or short code that the reply was sent to."""
    text: str
    received_at: Utc

    def key(self) -> str:
        return ids.key_of_shard(ids.shard_of_recipient(self.sender)).decode()

    def shard(self) -> int | None:
        return ids.shard_of_recipient(self.sender)


class RerouteRequested(_OfMessage):
    """Attempt ``n`` ended after its submit, and another channel may still do it: plan ``n`` + 1."""

    TOPIC = "reroute.requested.v1"

    n: AttemptNumber
    reason: Reason
    tried: tuple[ChannelName, ...]
    message: MessageAccepted
    requested_at: Utc


# ---- channels -------------------------------------------------------------------------------------------


class Protocol(StrEnum):
    HTTP_JSON = "http-json"
    SMPP = "smpp"
    NONE = "none"


class CountryRoute(Part):
    """What a channel offers in one country; ``*`` in ChannelConfigured.countries stands for the rest."""

    price: Annotated[float, Field(ge=0)] = 0.0
    priority: int = 100
    """Smaller is preferred, before health."""
    weight: Annotated[int, Field(ge=0)] = 100


class ChannelConfigured(Event):
    """One channel of the table in force. Compacted; a tombstone takes the channel away. Secrets by reference."""

    TOPIC = "channel.configured.v1"

    channel: ChannelName
    carrier: str
    carrier_account: str
    protocol: Protocol
    enabled: bool = True
    url: str = ""
    secret_ref: str = ""
    """Name of the environment variable that holds the carrier's secret."""
    countries: dict[str, CountryRoute]
    currency: str = "EUR"
    sender: str = ""
    """The sender that this channel puts in place of the message's; empty: it keeps the message's."""
    tps: Annotated[float, Field(gt=0)] = 100.0
    window: Annotated[int, Field(ge=1, le=5000)] = 100
    """Messages handed over and not yet answered."""
    batch_max: Annotated[int, Field(ge=1, le=100)] = 1
    submit_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    reasons: dict[str, Reason] = Field(default_factory=dict)
    """The carrier's own codes, translated."""
    webhook_token_ref: str = ""
    """Name of the environment variable that holds the token in the path of the carrier's webhook."""
    table_version: str = ""
    configured_at: Utc

    def key(self) -> str:
        return self.channel


class CountryOutcomes(Part):
    """Counts since the reporter's start (its ``incarnation``): a reader takes differences."""

    submitted: int = 0
    refused: int = 0
    failed: int = 0
    in_doubt: int = 0
    latency_ms_sum: float = 0.0


class ChannelReported(Event):
    """How a channel does, seen by one adapter instance. Four times a second while something changes."""

    TOPIC = "channel.reported.v1"

    channel: ChannelName
    instance: str
    incarnation: str
    bound: bool
    window_free: int
    backlog: int
    throttled: int = 0
    countries: dict[str, CountryOutcomes] = Field(default_factory=dict)
    reported_at: Utc

    def key(self) -> str:
        return f"{self.channel}:{self.instance}"


class CountryReceipts(Part):
    """Counts since the reporter's start; failures are those that speak against the channel, not the number."""

    delivered: int = 0
    failed: int = 0
    overdue: int = 0
    age_s_sum: float = 0.0


class DeliveryReported(Event):
    """What receipts say of a channel, seen by one receipts instance. Once a second while something changes."""

    TOPIC = "delivery.reported.v1"

    channel: ChannelName
    instance: str
    incarnation: str
    countries: dict[str, CountryReceipts] = Field(default_factory=dict)
    reported_at: Utc

    def key(self) -> str:
        return f"{self.channel}:{self.instance}"


class HoldKind(StrEnum):
    ACCOUNT = "account"
    TEMPLATE = "template"
    BATCH = "batch"
    SHIPMENT = "shipment"
    CHANNEL = "channel"


class HoldChanged(Event):
    """Stop or resume what is named. Looked at before a claim."""

    TOPIC = "hold.changed.v1"

    kind: HoldKind
    held_id: Name
    held: bool
    cancel: bool = False
    """What is stopped settles as cancelled instead of waiting."""
    reason: str = ""
    changed_at: Utc

    def key(self) -> str:
        return f"{self.kind}:{self.held_id}"


# ---- voice and settlement -------------------------------------------------------------------------------


class VoiceRequested(_OfMessage):
    """Ring the recipient: at most once per message, however often this is read."""

    TOPIC = "voice.requested.v1"

    account_id: Name
    recipient: E164
    country: Country
    language: str
    script: str
    reason: Reason
    sms_failed: bool
    """The SMS is final and failed (else its receipt is overdue and may still come)."""
    wait_until: Utc
    """Past this moment nothing is dialled: cancelled."""
    time_zone: str = "Asia/Shanghai"
    test: bool = False
    requested_at: Utc


class CallOutcome(StrEnum):
    ANSWERED = "answered"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class VoiceFinished(_OfMessage):
    """What became of the call."""

    TOPIC = "voice.finished.v1"

    account_id: Name
    outcome: CallOutcome
    reason: Reason = Reason.NONE
    provider: str = ""
    provider_call_id: str = ""
    provider_code: str = ""
    rings: int = 0
    answered_at: Utc | None = None
    finished_at: Utc


class Status(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class Medium(StrEnum):
    SMS = "sms"
    VOICE = "voice"
    NONE = ""


class MessageSettled(_OfMessage):
    """The final status. ``revision`` 2 exists only as a late "delivered". No number, no text: anyone may read it."""

    TOPIC = "message.settled.v1"

    account_id: Name
    reference: str = ""
    status: Status
    revision: Annotated[int, Field(ge=1, le=2)] = 1
    via: Medium = Medium.NONE
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    channel: str = ""
    attempts: int = 0
    country: str
    lane: Lane
    charging_num: int
    origin: Origin
    accepted_at: Utc
    delivered_at: Utc | None = None
    settled_at: Utc


EVENTS: tuple[type[Event], ...] = (
    ShipmentUpdated,
    ShipmentAnswered,
    MessageAccepted,
    AttemptPlanned,
    AttemptFinished,
    ReceiptReceived,
    ReplyReceived,
    RerouteRequested,
    ChannelConfigured,
    ChannelReported,
    DeliveryReported,
    HoldChanged,
    VoiceRequested,
    VoiceFinished,
    MessageSettled,
)
