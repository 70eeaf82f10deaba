"""What the router's HTTP API says."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from yizhan_contracts.events import (
    ChannelMode,
    Country,
    CountryRoute,
    Lane,
    MessageId,
    RoutingPolicy,
)


class HealthOut(BaseModel):
    """Health of one channel, as a whole or in a country."""

    state: str
    kind: str
    quality: float
    backlog: int
    is_paused: bool
    note: str
    figures: dict[str, float]


class ChannelOut(BaseModel):
    """One channel of the table in force. Names of secrets only, never their values."""

    channel: str
    carrier: str
    protocol: str
    enabled: bool
    test: bool
    draining: bool
    excluded: str
    """Why it is no candidate at all, empty where it is one."""
    mode: ChannelMode
    """What an operator wants of it."""
    mode_reason: str
    mode_since: datetime | None
    url: str
    sender: str
    unicode: bool
    max_segments: int | None
    needs_templates: bool
    templates: int
    """How many of the carrier's own are approved."""
    currency: str
    tps: float
    window: int
    batch_max: int
    submit_timeout_s: float
    countries: dict[str, CountryRoute]
    health: HealthOut
    ill_countries: dict[str, HealthOut]
    """Countries in which it does worse than as a whole."""


class ChannelsOut(BaseModel):
    """The table in force."""

    table_version: str
    problem: str
    """Why the file as it stands now is refused, empty where it is in force."""
    channels: list[ChannelOut]


class CandidateOut(BaseModel):
    """A candidate in its place."""

    channel: str
    state: str
    score: float
    note: str
    is_tried: bool
    price: float
    priority: int
    weight: int
    is_full: bool


class ExplainIn(BaseModel):
    """What is asked for; ``tried`` are channels, comma-separated."""

    country: Country
    routing: RoutingPolicy = RoutingPolicy.QUALITY
    lane: Lane = Lane.STANDARD
    account: str = ""
    network: str = ""
    test: bool = False
    tried: str = ""
    message_id: MessageId = "0" * 32


class ExplainOut(BaseModel):
    """What would be chosen now, and from what."""

    country: str
    routing: str
    lane: str
    chosen: str | None
    why: str
    candidates: list[CandidateOut]
    excluded: dict[str, str]
    table_version: str


class WhyIn(BaseModel):
    """Why an operator changes a channel; shown with it."""

    reason: Annotated[str, StringConstraints(max_length=200)] = ""
