"""Channels over HTTP: see them, drain, disable, enable."""

from collections.abc import Awaitable

from fastapi import APIRouter, HTTPException

from router.api.models import ChannelOut, ChannelsOut, HealthOut, WhyIn
from router.channels import Channels
from router.health_watch import HealthWatch
from yizhan_contracts.events import ChannelConfigured, ChannelMode, TemplateState
from yizhan_runtime.errors import Retryable
from yizhan_telecom.choice import Chooser
from yizhan_telecom.health import Health
from yizhan_telecom.health.states import WHOLE

_SHOWN = set(ChannelOut.model_fields) & set(ChannelConfigured.model_fields) - {"templates"}


def channel_routes(
    channels: Channels, chooser: Chooser, health: Health, watch: HealthWatch
) -> APIRouter:
    """Make the routes under ``/channels``."""
    api = APIRouter()

    @api.get("/channels")
    async def list_channels() -> ChannelsOut:
        """Show the table in force, with the health of every channel."""
        now = watch.advance()
        return ChannelsOut(
            table_version=channels.version,
            problem=channels.problem,
            channels=[
                _out(channels, chooser, health, name, now) for name in chooser.table.channels
            ],
        )

    @api.get("/channels/{channel}")
    async def show_channel(channel: str) -> ChannelOut:
        """Show one channel of the table in force."""
        if channel not in chooser.table.channels:
            raise _unknown(channel)
        return _out(channels, chooser, health, channel, watch.advance())

    @api.post("/channels/{channel}/drain")
    async def drain(channel: str, why: WhyIn | None = None) -> ChannelOut:
        """Plan nothing new there; what is queued goes on."""
        return await turn(channel, ChannelMode.DRAINING, why)

    @api.post("/channels/{channel}/disable")
    async def disable(channel: str, why: WhyIn | None = None) -> ChannelOut:
        """Plan nothing new there; what is queued is handed back and goes by others."""
        return await turn(channel, ChannelMode.DISABLED, why)

    @api.post("/channels/{channel}/enable")
    async def enable(channel: str, why: WhyIn | None = None) -> ChannelOut:
        """Let the file decide again."""
        return await turn(channel, ChannelMode.NORMAL, why)

    async def turn(channel: str, mode: ChannelMode, why: WhyIn | None) -> ChannelOut:
        await _or_refused(channel, channels.override(channel, mode, why.reason if why else ""))
        return await show_channel(channel)

    return api


async def _or_refused(channel: str, change: Awaitable[None]) -> None:
    try:
        await change
    except KeyError:
        raise _unknown(channel) from None
    except Retryable as error:
        raise HTTPException(
            503, f"nobody knows whether that was kept, say it again: {error}"
        ) from error


def _unknown(channel: str) -> HTTPException:
    return HTTPException(404, f"the table in force has no channel {channel!r}")


def _out(channels: Channels, chooser: Chooser, health: Health, name: str, now: float) -> ChannelOut:
    channel, override = chooser.table.channels[name], channels.overrides.get(name)
    approved = (one.state is TemplateState.APPROVED for one in channel.templates.values())
    return ChannelOut(
        **channel.model_dump(include=_SHOWN),
        templates=sum(approved),
        excluded=chooser.table.excluded.get(name, ""),
        mode=override.mode if override else ChannelMode.NORMAL,
        mode_reason=override.reason if override else "",
        mode_since=override.changed_at if override else None,
        health=_health(health, name, WHOLE, now),
        ill_countries=_ill_countries(health, name, now),
    )


def _health(health: Health, channel: str, country: str, now: float) -> HealthOut:
    view = health.view(channel, country)
    return HealthOut(
        state=view.state,
        kind=view.kind,
        quality=view.quality,
        backlog=health.backlog(channel),
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
