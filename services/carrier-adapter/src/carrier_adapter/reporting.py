"""channel.reported: how the channels do, for the router."""

import asyncio
from collections.abc import Mapping

from carrier_adapter.ports import EventPublisher
from carrier_adapter.sending.channel import Channel
from yizhan_contracts.events import ChannelReported
from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_INTERVAL_S = 0.25


class Reporter:
    """Reports a channel at most four times a second, and nothing while nothing happens on it."""

    def __init__(
        self, publisher: EventPublisher, clock: Clock, instance: str, incarnation: str
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._instance = instance
        self._incarnation = incarnation
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Note that something has changed somewhere."""
        self._wake.set()

    async def run(self, channels: Mapping[str, Channel]) -> None:
        """Work for ever."""
        tries = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            due = [channel for channel in channels.values() if _is_due(channel)]
            for channel in due:
                channel.is_changed = False
            try:
                await self._publisher.publish([self._report(channel) for channel in due])
                tries = 0
            except Retryable as error:
                tries += 1
                log.warning("reports wait", extra={"why": str(error)})
                for channel in due:
                    channel.changed()
                await self._clock.sleep(backoff_s(tries))
            await self._clock.sleep(_INTERVAL_S)
            if any(map(_is_busy, channels.values())):
                self._wake.set()

    def _report(self, channel: Channel) -> ChannelReported:
        return ChannelReported(
            channel=channel.name,
            instance=self._instance,
            incarnation=self._incarnation,
            bound=channel.is_bound,
            window_free=channel.window_free,
            backlog=channel.backlog,
            throttled=channel.throttled,
            countries={name: counts.as_part() for name, counts in channel.countries.items()},
            reported_at=self._clock.now(),
        )


def _is_due(channel: Channel) -> bool:
    return channel.config is not None and (channel.is_changed or _is_busy(channel))


def _is_busy(channel: Channel) -> bool:
    return channel.backlog > 0 or channel.open_messages > 0
