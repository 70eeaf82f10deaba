"""The channel table as its file has it: what each field may hold. Pure."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from yizhan_contracts.events import (
    NO_CHANNEL,
    ChannelConfigured,
    ChannelName,
    Lane,
    Protocol,
    Repeats,
    RoutingPolicy,
    SenderKind,
    SmppOptions,
    TemplateState,
)
from yizhan_contracts.reasons import Reason
from yizhan_telecom.channel_rules import REST, kind_of
from yizhan_telecom.choice import Rule

_COUNTRY = re.compile(r"[A-Z]{2}|[0-9]{3}|\*")
_NETWORK = re.compile(r"[0-9]{5,6}")
_TEMPLATE = re.compile(r"[^@/\s]+@[1-9][0-9]*(/[A-Za-z]{2,3}(-[A-Za-z0-9]+)*)?")
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_VARIABLE_OR_NONE = r"^([A-Za-z_][A-Za-z0-9_]*)?$"
_SMPP_BATCH = 100
_SMPP_URL = re.compile(r"smpps?://[^/@\s]+:[0-9]{1,5}/?")
_PERIODS = {Repeats.DAILY: timedelta(days=1), Repeats.WEEKLY: timedelta(weeks=1)}


def _country(key: str) -> str:
    if not _COUNTRY.fullmatch(key):
        raise ValueError(
            f"{key!r} is no country: two capitals (ISO 3166), three digits "
            f"(international networks such as 883), or {REST!r} for the rest"
        )
    return key


def _network(key: str) -> str:
    if not _NETWORK.fullmatch(key):
        raise ValueError(f"{key!r} is no network: five or six digits, MCC and MNC (E.212)")
    return key


def _template(key: str) -> str:
    if not _TEMPLATE.fullmatch(key):
        raise ValueError(f"{key!r} is no template: write id@version, or id@version/language")
    return key


def _reason(value: str) -> str:
    if value not in Reason._value2member_map_:
        raise ValueError(f"{value!r} is no reason")
    return value


Reference = Annotated[str, Field(pattern=_VARIABLE)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Priority = Annotated[int, Field(ge=0, le=10_000)]
Weight = Annotated[int, Field(ge=0, le=1_000_000)]
Sender = Annotated[str, Field(min_length=1, max_length=32)]


class Spec(BaseModel):
    """A part of the file. Fields that nobody knows are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSpec(Spec):
    """What is different in one network."""

    price: Price | None = None
    priority: Priority | None = None
    weight: Weight | None = None


class SendersSpec(Spec):
    """Which senders the carrier takes in a country."""

    kinds: tuple[SenderKind, ...] = ()
    registered: tuple[Sender, ...] = ()
    rewrite: Annotated[str, Field(max_length=32)] = ""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.rewrite and (self.kinds or self.registered):
            raise ValueError("rewrite takes every sender: kinds and registered are of no use by it")
        for sender in self.registered:
            if self.kinds and kind_of(sender) not in self.kinds:
                raise ValueError(
                    f"registered: {sender!r} is {kind_of(sender)}, which kinds forbids"
                )
        return self


class RouteSpec(Spec):
    """What a channel offers in one country."""

    price: Price = 0.0
    priority: Priority = 100
    weight: Weight = 100
    networks: dict[Annotated[str, AfterValidator(_network)], NetworkSpec] = Field(
        default_factory=dict
    )
    senders: SendersSpec = SendersSpec()


class MaintenanceSpec(Spec):
    """A time in which the carrier takes nothing."""

    begins_at: AwareDatetime
    ends_at: AwareDatetime
    repeats: Repeats = Repeats.NEVER

    @model_validator(mode="after")
    def _ends(self) -> Self:
        lasts = self.ends_at - self.begins_at
        if lasts <= timedelta(0):
            raise ValueError("maintenance ends after it begins")
        if (period := _PERIODS.get(self.repeats)) and lasts >= period:
            raise ValueError(f"maintenance that is {self.repeats} and lasts {lasts} never ends")
        return self


class TemplateSpec(Spec):
    """A template as the carrier registered it."""

    code: Annotated[str, Field(min_length=1, max_length=200)]
    variables: tuple[str, ...] = ()
    state: TemplateState = TemplateState.APPROVED

    @model_validator(mode="after")
    def _has_each_variable_once(self) -> Self:
        if len(set(self.variables)) < len(self.variables):
            raise ValueError("a variable is there twice")
        return self


class SmppSpec(SmppOptions):
    """As in the event, but for fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca_ref: Annotated[str, Field(pattern=_VARIABLE_OR_NONE)] = ""
    certificate_ref: Annotated[str, Field(pattern=_VARIABLE_OR_NONE)] = ""
    key_ref: Annotated[str, Field(pattern=_VARIABLE_OR_NONE)] = ""

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if self.time_zone and self.time_zone not in available_timezones():
            raise ValueError(f"{self.time_zone!r} is no time zone: write Asia/Shanghai, or UTC")
        if self.key_ref and not self.certificate_ref:
            raise ValueError("key_ref is of no use without certificate_ref")
        return self


class ChannelSpec(Spec):
    """One channel as the file describes it."""

    channel: ChannelName
    carrier: Annotated[str, Field(min_length=1)]
    carrier_account: Annotated[str, Field(min_length=1)]
    protocol: Protocol
    enabled: bool = True
    draining: bool = False
    test: bool = False
    url: str = ""
    secret_ref: Reference | None = None
    webhook_token_ref: Reference | None = None
    countries: Annotated[
        dict[Annotated[str, AfterValidator(_country)], RouteSpec], Field(min_length=1)
    ]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    sender: str = ""
    unicode: bool = True
    max_segments: Annotated[int, Field(ge=1, le=255)] | None = None
    maintenance: tuple[MaintenanceSpec, ...] = ()
    needs_templates: bool = False
    templates: dict[Annotated[str, AfterValidator(_template)], TemplateSpec] = Field(
        default_factory=dict
    )
    tps: Annotated[float, Field(gt=0, le=1_000_000)] = 100.0
    window: Annotated[int, Field(ge=1, le=5000)] = 100
    batch_max: Annotated[int, Field(ge=1, le=100)] = 1
    submit_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    reasons: dict[str, Annotated[str, AfterValidator(_reason)]] = Field(default_factory=dict)
    smpp: SmppSpec | None = None

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if self.channel == NO_CHANNEL:
            raise ValueError(
                f"the name {NO_CHANNEL!r} is taken: it is where unroutable messages go"
            )
        if self.protocol is Protocol.HTTP_JSON and not self.url.startswith(("http://", "https://")):
            raise ValueError("a channel that speaks http-json needs an http or https url")
        if self.protocol is Protocol.SMPP:
            if not _SMPP_URL.fullmatch(self.url):
                raise ValueError("a channel that speaks smpp needs a url smpp[s]://host:port")
            if self.smpp is None:
                raise ValueError("a channel that speaks smpp needs smpp, with its system_id")
        elif self.smpp is not None:
            raise ValueError(f"smpp is of no use to a channel that speaks {self.protocol}")
        if self.protocol is Protocol.NONE and not self.test:
            raise ValueError("the protocol none reaches no handset: it is for channels with test")
        return self

    def configured(self, table_version: str, now: datetime) -> ChannelConfigured:
        """Give the event that puts this channel in force."""
        stamp = {"table_version": table_version, "configured_at": now}
        stated = {name: value for name, value in self.model_dump().items() if value is not None}
        if self.protocol is Protocol.SMPP and "batch_max" not in self.model_fields_set:
            # Each message is a PDU of its own: a batch shares the claims' insert, and no fate.
            stated["batch_max"] = _SMPP_BATCH
        return ChannelConfigured.model_validate(stated | stamp)


class RuleSpec(Spec):
    """What holds for some messages in place of their account's policy."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    accounts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = ()
    countries: tuple[Annotated[str, AfterValidator(_country)], ...] = ()
    routing: RoutingPolicy | None = None
    shares: dict[ChannelName, Annotated[int, Field(ge=1, le=1_000_000)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.routing is None and not self.shares:
            raise ValueError("a rule says routing, or shares, or both")
        return self

    @property
    def is_for_all(self) -> bool:
        """It leaves nothing to the rules after it."""
        return not (self.accounts or self.categories or self.lanes or self.countries)

    def rule(self) -> Rule:
        """Give the rule as it is chosen by."""
        return Rule(**dict(self))


class TableSpec(Spec):
    """The whole file."""

    channels: tuple[ChannelSpec, ...]
    rules: tuple[RuleSpec, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [channel.channel for channel in self.channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"channels that are there twice: {', '.join(twice)}")
        currencies = sorted({channel.currency for channel in self.channels})
        if len(currencies) > 1:
            raise ValueError(
                f"prices are compared and so are in one currency, not in {', '.join(currencies)}"
            )
        return self

    @model_validator(mode="after")
    def _has_rules_that_can_hold(self) -> Self:
        channels, names = {channel.channel for channel in self.channels}, set[str]()
        for at, rule in enumerate(self.rules):
            if rule.name in names:
                raise ValueError(f"rules that are there twice: {rule.name}")
            names.add(rule.name)
            if strangers := sorted(rule.shares.keys() - channels):
                raise ValueError(f"rule {rule.name} shares with no channel: {', '.join(strangers)}")
            if rule.is_for_all and at + 1 < len(self.rules):
                raise ValueError(f"rule {rule.name} is for all: no rule after it is ever looked at")
        return self
