"""Messages: what ingest accepted, with all that later steps need of the account."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from yizhan_contracts.events._base import E164, Country, Lane, Name, OfMessage, Part, Utc

ReceiptTimeout = Annotated[float, Field(gt=0, le=259_200)]


def _is_unsaid(value: float | None) -> bool:
    return value is None


class InDoubtPolicy(StrEnum):
    """What follows when nobody can know whether the carrier took an attempt."""

    RESEND = "resend"
    HOLD = "hold"


class VoicePolicy(StrEnum):
    """Whether the recipient is rung when no SMS gets through."""

    NEVER = "never"
    ON_FAILURE = "on-failure"


class OverduePolicy(StrEnum):
    """What follows when a receipt is overdue and the message may not be called."""

    WAIT = "wait"
    REROUTE = "reroute"


class RoutingPolicy(StrEnum):
    """What the router weighs most among the channels of a country."""

    QUALITY = "quality"
    COST = "cost"
    BALANCED = "balanced"


class Policy(Part):
    """A snapshot of what later steps need of the account, taken at acceptance."""

    routing: RoutingPolicy = RoutingPolicy.QUALITY
    max_attempts: Annotated[int, Field(ge=1, le=9)] = 3
    in_doubt: InDoubtPolicy = InDoubtPolicy.RESEND
    receipt_timeout_s: Annotated[
        ReceiptTimeout | SkipJsonSchema[None], Field(exclude_if=_is_unsaid)
    ] = None
    """From the hand-over. Left out, never null (who reads it may not know null): the country's."""
    on_overdue: OverduePolicy = OverduePolicy.WAIT
    voice: VoicePolicy = VoicePolicy.NEVER
    voice_wait_s: Annotated[float, Field(gt=0, le=86_400)] = 600
    """How long a call may take to be placed and reported, from its request."""
    sticky_sender: bool = False
    """The same recipient hears from the same channel, and so sender, as long as it does well."""


class TemplateUse(Part):
    """The template that was rendered, and with what."""

    template_id: Name
    version: Annotated[int, Field(ge=1)]
    language: str
    category: str = "notification"
    variables: dict[str, str] = Field(default_factory=dict)


class OriginKind(StrEnum):
    """By which door a message came in."""

    SHIPMENT_EVENT = "shipment-event"
    API = "api"


class Origin(Part):
    """What made the message: the request or event, by the names its sender knows."""

    kind: OriginKind
    source: str = ""
    event_id: str = ""
    revision: str = ""
    shipment_id: str = ""
    batch_id: str = ""
    """The batch whose row it was, where it came in with one."""
    occurred_at: Utc | None = None
    arrived_at: Utc
    """When Kafka appended the event, or the request came in: latencies count from here."""


class MessageAccepted(OfMessage):
    """One text to one recipient, rendered and checked. Ids dedupe: a repeat changes nothing."""

    TOPIC = "message.accepted.v1"

    account_id: Name
    reference: Annotated[str, StringConstraints(max_length=200)] = ""
    lane: Lane
    recipient: E164
    country: Country
    network: Annotated[str, StringConstraints(pattern=r"^([0-9]{5,6})?$")] = ""
    """MCCMNC of the recipient's network, where it is known."""
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
