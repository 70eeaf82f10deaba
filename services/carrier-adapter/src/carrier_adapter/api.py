"""How the channels of this process stand, and the balance of attempts. Read-only; for operators."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from carrier_adapter.conservation import Conservation, ConservationView
from carrier_adapter.sending.channel import Channel
from carrier_adapter.sending.intake import Intake
from yizhan_runtime.errors import Retryable


class ChannelView(BaseModel):
    """One channel, at this moment."""

    channel: str
    is_configured: bool
    is_bound: bool
    breaker: str
    tps: float | None
    share: float
    """Of the rate: the partitions that this process holds, of all."""
    rate: float | None
    """Messages a second that may go from here now: the share of ``tps``, less while throttled."""
    window: int | None
    window_free: int
    open_messages: int
    open_batches: int
    backlog: int
    throttled: int


class ChannelsView(BaseModel):
    """All channels of this process."""

    incarnation: str
    attempts_in_hand: int
    channels: list[ChannelView]


def router(
    channels: Mapping[str, Channel], intake: Intake, conservation: Conservation
) -> APIRouter:
    """Make the routes."""
    routes = APIRouter(prefix="/v1", tags=["channels"])

    @routes.get("/channels")
    async def list_channels() -> ChannelsView:
        return ChannelsView(
            incarnation=intake.desk.incarnation,
            attempts_in_hand=intake.in_hand,
            channels=[_view(channel) for channel in channels.values()],
        )

    @routes.get("/conservation")
    async def balance(
        since: Annotated[datetime | None, Query()] = None,
        until: Annotated[datetime | None, Query()] = None,
    ) -> ConservationView:
        """Count claims against outcomes, by channel; name what has none and should have."""
        try:
            return await conservation.count(since, until)
        except Retryable as error:
            raise HTTPException(
                503, "claims cannot be counted now", {"Retry-After": "1"}
            ) from error

    return routes


def _view(channel: Channel) -> ChannelView:
    config = channel.config
    return ChannelView(
        channel=channel.name,
        is_configured=config is not None,
        is_bound=channel.is_bound,
        breaker=channel.breaker.state.value,
        tps=config.tps if config else None,
        share=round(channel.share, 4),
        rate=round(channel.rate(), 3) if config else None,
        window=config.window if config else None,
        window_free=channel.window_free,
        open_messages=channel.open_messages,
        open_batches=channel.open_batches,
        backlog=channel.backlog,
        throttled=channel.throttled,
    )
