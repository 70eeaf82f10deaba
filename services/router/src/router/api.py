"""HTTP edge of the router: the table with its health, and what would be chosen now."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from router.channels import Channels
from router.health_watch import HealthWatch
from yizhan_contracts import ids
from yizhan_contracts.events import Lane, RoutingPolicy
from yizhan_telecom.choice import Chooser, Facts, Ranked, route_of
from yizhan_telecom.health import Health
from yizhan_telecom.health.states import WHOLE

_ANY_MESSAGE = "0" * 32


class HealthOut(BaseModel):
    """Health of one channel, as a whole or in a country."""

    state: str
    kind: str
    quality: float
    backlog: int
    is_paused: bool
    note: str
    figures: dict[str, float]


class RouteOut(BaseModel):
    """What a channel offers in a country."""

    price: float
    priority: int
    weight: int


class ChannelOut(BaseModel):
    """One channel of the table in force. Names of secrets only, never their values."""

    channel: str
    carrier: str
    protocol: str
    enabled: bool
    test: bool
    excluded: str
    """Why it is no candidate at all, empty where it is one."""
    url: str
    sender: str
    currency: str
    tps: float
    window: int
    batch_max: int
    submit_timeout_s: float
    countries: dict[str, RouteOut]
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


def make_api(channels: Channels, chooser: Chooser, health: Health, watch: HealthWatch) -> APIRouter:
    """Make the routes."""
    api = APIRouter(prefix="/v1")

    @api.get("/channels")
    async def list_channels() -> ChannelsOut:
        """Show the table in force, with the health of every channel."""
        now = watch.advance()
        table = chooser.table
        return ChannelsOut(
            table_version=channels.version,
            problem=channels.problem,
            channels=[
                ChannelOut(
                    **channel.model_dump(include=_SHOWN),
                    excluded=table.excluded.get(name, ""),
                    health=_health(health, name, WHOLE, now),
                    ill_countries=_ill_countries(health, name, now),
                )
                for name, channel in table.channels.items()
            ],
        )

    @api.get("/explain")
    async def explain(
        country: Annotated[str, Query(pattern=r"^([A-Z]{2}|[0-9]{3})$")],
        routing: RoutingPolicy = RoutingPolicy.QUALITY,
        lane: Lane = Lane.STANDARD,
        test: bool = False,  # noqa: FBT001, FBT002 - a query parameter
        tried: Annotated[str, Query(description="channels, comma-separated")] = "",
        message_id: str = _ANY_MESSAGE,
    ) -> ExplainOut:
        """Say what a message would take now, without sending any."""
        if not ids.is_message_id(message_id):
            raise HTTPException(422, "a message id is 32 hexadecimal characters")
        watch.advance()
        names = tuple(name for name in tried.split(",") if name)
        facts = Facts(message_id, len(names) + 1, country, lane, routing, test, may_probe=False)
        ranking = chooser.ranking(facts)
        choice = chooser.look(facts, names)
        return ExplainOut(
            country=country,
            routing=routing,
            lane=lane,
            chosen=choice.channel,
            why=choice.why,
            candidates=[_candidate(row, names) for row in ranking.rows],
            excluded=_excluded(chooser, facts),
            table_version=channels.version,
        )

    return api


_SHOWN = set(ChannelOut.model_fields) - {"excluded", "health", "ill_countries"}


def _health(health: Health, channel: str, country: str, now: float) -> HealthOut:
    view = health.view(channel, country)
    return HealthOut(
        state=view.state,
        kind=view.kind,
        quality=view.quality,
        backlog=view.backlog,
        is_paused=view.is_paused,
        note=view.note,
        figures=health.figures(channel, country, now),
    )


def _ill_countries(health: Health, channel: str, now: float) -> dict[str, HealthOut]:
    whole = health.view(channel)
    return {
        country: _health(health, channel, country, now)
        for country in health.countries(channel)
        if health.view(channel, country).state != whole.state
    }


def _candidate(row: Ranked, tried: tuple[str, ...]) -> CandidateOut:
    candidate, entry = row.candidate(), row.entry
    return CandidateOut(
        channel=candidate.channel,
        state=candidate.state,
        score=candidate.score,
        note=candidate.note,
        is_tried=entry.channel in tried,
        price=entry.price,
        priority=entry.priority,
        weight=entry.weight,
        is_full=row.is_full,
    )


def _excluded(chooser: Chooser, facts: Facts) -> dict[str, str]:
    """Say of each channel that is no candidate why it is none."""
    table = chooser.table
    reasons: dict[str, str] = {}
    for name, channel in table.channels.items():
        if name in table.excluded:
            reasons[name] = table.excluded[name]
        elif channel.test is not facts.is_test:
            reasons[name] = "for test messages only" if channel.test else "not for test messages"
        elif route_of(channel, facts.country) is None:
            reasons[name] = "does not serve the country"
    return reasons
