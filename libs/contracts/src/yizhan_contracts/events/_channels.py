"""Channels: the table in force, how they do, and what is held."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from yizhan_contracts.events._base import ChannelName, Event, Name, Part, Utc
from yizhan_contracts.reasons import Reason


class Protocol(StrEnum):
    """How an adapter speaks to a channel's carrier."""

    HTTP_JSON = "http-json"
    SMPP = "smpp"
    NONE = "none"


class CountryRoute(Part):
    """What a channel offers in one country; ``*`` in ChannelConfigured.countries is the rest."""

    price: Annotated[float, Field(ge=0)] = 0.0
    priority: int = 100
    """Smaller is preferred, before health."""
    weight: Annotated[int, Field(ge=0)] = 100


class ChannelConfigured(Event):
    """One channel of the table in force. A tombstone takes it away. Secrets by reference."""

    TOPIC = "channel.configured.v1"

    channel: ChannelName
    carrier: str
    carrier_account: str
    protocol: Protocol
    enabled: bool = True
    test: bool = False
    """For test messages, and for nothing else: no real carrier is behind it."""
    url: str = ""
    secret_ref: str = ""
    """Name of the environment variable that holds the carrier's secret."""
    countries: dict[str, CountryRoute]
    currency: str = "EUR"
    sender: str = ""
    """The sender that this channel puts in place of the message's; empty: the message's own."""
    tps: Annotated[float, Field(gt=0)] = 100.0
    window: Annotated[int, Field(ge=1, le=5000)] = 100
    """Messages handed over and not yet answered."""
    batch_max: Annotated[int, Field(ge=1, le=100)] = 1
    submit_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    reasons: dict[str, Reason] = Field(default_factory=dict)
    """The carrier's own codes, translated."""
    webhook_token_ref: str = ""
    """Name of the environment variable with the token in the path of the carrier's webhook."""
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
    """How a channel does, seen by one adapter instance. Four times a second while it changes."""

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
    """Counts since the reporter's start.

    Failures are those that speak against the channel, not against the number.
    """

    delivered: int = 0
    failed: int = 0
    overdue: int = 0
    age_s_sum: float = 0.0


class DeliveryReported(Event):
    """What receipts say of a channel, seen by one instance. Once a second while it changes."""

    TOPIC = "delivery.reported.v1"

    channel: ChannelName
    instance: str
    incarnation: str
    countries: dict[str, CountryReceipts] = Field(default_factory=dict)
    reported_at: Utc

    def key(self) -> str:
        return f"{self.channel}:{self.instance}"


class HoldKind(StrEnum):
    """What can be stopped."""

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
