"""Channels: the table in force, how they do, and what is held."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from yizhan_contracts.events._base import ChannelName, Event, Name, Part, Utc
from yizhan_contracts.events._smpp import SmppOptions
from yizhan_contracts.reasons import Reason


class Protocol(StrEnum):
    """How an adapter speaks to a channel's carrier."""

    HTTP_JSON = "http-json"
    SMPP = "smpp"
    NONE = "none"
    """Nobody is spoken to: on a test channel the adapter answers, and sends receipts, itself."""


class NetworkRoute(Part):
    """What is different in one network of a country; what is left out is as in the country."""

    price: Annotated[float, Field(ge=0)] | None = None
    priority: int | None = None
    weight: Annotated[int, Field(ge=0)] | None = None


class SenderKind(StrEnum):
    """What recipients see as the sender. A signature in the text counts as alphanumeric."""

    ALPHANUMERIC = "alphanumeric"
    SHORT_CODE = "short-code"
    """3 to 8 digits."""
    NUMERIC = "numeric"
    """A number in international format, with or without the plus."""


class SenderRules(Part):
    """Which senders a carrier takes in one country. Without any, all of them."""

    kinds: tuple[SenderKind, ...] = ()
    """Empty: every kind."""
    registered: tuple[str, ...] = ()
    """Only these are taken; empty: the carrier wants none registered."""
    rewrite: str = ""
    """Put in place of every sender, which is then taken whatever it is."""


class CountryRoute(Part):
    """What a channel offers in one country; ``*`` in ChannelConfigured.countries is the rest."""

    price: Annotated[float, Field(ge=0)] = 0.0
    priority: int = 100
    """Smaller is preferred, before health."""
    weight: Annotated[int, Field(ge=0)] = 100
    networks: dict[str, NetworkRoute] = Field(default_factory=dict)
    """By MCCMNC, where a network differs from its country."""
    senders: SenderRules = SenderRules()


class TemplateState(StrEnum):
    """How far a carrier's own review of a template is."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class CarrierTemplate(Part):
    """A template as the carrier registered it."""

    code: Name
    """The carrier's name for it."""
    variables: tuple[str, ...] = ()
    """Names of our variables in the carrier's order."""
    state: TemplateState = TemplateState.APPROVED


class Repeats(StrEnum):
    """How often a maintenance window comes back: after exactly 24 hours or 7 days, in UTC."""

    NEVER = "never"
    DAILY = "daily"
    WEEKLY = "weekly"


class MaintenanceWindow(Part):
    """A time in which a channel takes nothing new, said by its carrier beforehand."""

    begins_at: Utc
    ends_at: Utc
    repeats: Repeats = Repeats.NEVER


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
    smpp: SmppOptions | None = None
    """What a carrier that speaks SMPP needs besides; its url is ``smpp[s]://host:port``."""
    draining: bool = False
    """Nothing new is planned; what is queued goes on. Not ``enabled``: that is handed back too."""
    unicode: bool = True
    """False: takes texts of the GSM-7 alphabet only."""
    max_segments: Annotated[int, Field(ge=1, le=255)] | None = None
    """Longer texts are not for this channel."""
    maintenance: tuple[MaintenanceWindow, ...] = ()
    needs_templates: bool = False
    """The carrier takes nothing but templates it approved: see ``templates``."""
    templates: dict[str, CarrierTemplate] = Field(default_factory=dict)
    """By ``<template_id>@<version>``, or ``<template_id>@<version>/<language>``, which wins."""
    webhook_token_ref: str = ""
    """Name of the environment variable with the token in the path of the carrier's webhook."""
    table_version: str = ""
    configured_at: Utc

    def key(self) -> str:
        return self.channel


class ChannelMode(StrEnum):
    """What an operator wants of a channel, whatever its file says."""

    NORMAL = "normal"
    """As the file says."""
    DRAINING = "draining"
    """Nothing new is planned; what is queued goes on."""
    DISABLED = "disabled"
    """Nothing new is planned, and what is queued is handed back."""


class ChannelOverridden(Event):
    """An operator's word on one channel. The last one counts, over restarts too."""

    TOPIC = "channel.overridden.v1"

    channel: ChannelName
    mode: ChannelMode
    reason: Annotated[str, StringConstraints(max_length=200)] = ""
    changed_at: Utc

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


RECEIPT_AGES_S = (1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300, 600, 1800, 7200)
"""Bounds of the ages by which receipts are counted: up to 1 s, up to 2 s, ..., above 7200 s."""


class CountryReceipts(Part):
    """Counts since the reporter's start.

    Failures are those that speak against the channel, not against the number. The counts by age
    (seconds from hand-over to receipt, see RECEIPT_AGES_S; zeros at the end left out) let a reader
    tell a receipt that is missing from one that is not due yet.
    """

    delivered: int = 0
    failed: int = 0
    overdue: int = 0
    age_s_sum: float = 0.0
    delivered_by_age: tuple[int, ...] = ()
    failed_by_age: tuple[int, ...] = ()
    excused_by_age: tuple[int, ...] = ()
    """Failures that are the number's or the text's: they say that receipts come, and no more."""


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
    """What can be stopped: the messages whose field has ``held_id`` as its value."""

    ACCOUNT = "account"
    """``account_id``"""
    TEMPLATE = "template"
    """``template.template_id``, of every version and language"""
    BATCH = "batch"
    """``origin.batch_id``"""
    SHIPMENT = "shipment"
    """``origin.shipment_id``"""
    CHANNEL = "channel"
    """The channel they are planned for"""


class HoldChanged(Event):
    """Stop or resume what is named. Looked at before a claim."""

    TOPIC = "hold.changed.v1"

    kind: HoldKind
    held_id: Name
    account_id: str = ""
    """Whose template, batch or shipment it is; empty: everybody's of that name."""
    held: bool
    cancel: bool = False
    """What is stopped settles as cancelled instead of waiting."""
    reason: str = ""
    changed_at: Utc

    def key(self) -> str:
        return hold_key(self.kind, self.held_id, self.account_id)


def hold_key(kind: HoldKind, held_id: str, account_id: str = "") -> str:
    """Name what is held: within an account, or for everybody."""
    return f"{kind}:{account_id}/{held_id}" if account_id else f"{kind}:{held_id}"
