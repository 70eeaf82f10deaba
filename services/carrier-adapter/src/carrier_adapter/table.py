"""The channel table as this process follows it, and the carriers behind the channels it serves."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

from carrier_adapter.carriers.base import Carrier
from carrier_adapter.sending.channel import Channel
from yizhan_contracts.events import ChannelConfigured
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

DEFAULT_SUBMIT_TIMEOUT_S = 10.0
_KEPT_FOR = 4.0
"""A replaced carrier is closed after so many submit timeouts: late answers may still come."""

MakeCarrier = Callable[[ChannelConfigured], Carrier | None]


class ChannelTable:
    """Knows every configured channel, and gives those that are served their carriers."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        make_carrier: MakeCarrier,
        clock: Clock,
        on_unserved: Callable[[], None] = lambda: None,
    ) -> None:
        self._channels = channels
        self._make_carrier = make_carrier
        self._clock = clock
        self._on_unserved = on_unserved
        self._configured: dict[str, ChannelConfigured] = {}
        self._replaced: asyncio.Queue[tuple[float, Carrier]] = asyncio.Queue()

    def on_configured(self, name: str, config: ChannelConfigured | None) -> None:
        """Take a row of ``channel.configured``; None takes the channel away."""
        before = self._configured.pop(name, None)
        if config is not None:
            self._configured[name] = config
        channel = self._channels.get(name)
        if channel is not None:
            self._reconfigure(channel, before, config)
        elif config is not None and config.enabled:
            self._on_unserved()

    def find(self, name: str) -> ChannelConfigured | None:
        return self._configured.get(name)

    def unserved(self) -> Iterator[str]:
        """Give the enabled channels that this process does not serve."""
        return (
            name
            for name, config in self._configured.items()
            if config.enabled and name not in self._channels
        )

    def submit_timeout_s(self, channel: str) -> float:
        config = self._configured.get(channel)
        return config.submit_timeout_s if config else DEFAULT_SUBMIT_TIMEOUT_S

    def carrier_account(self, channel: str) -> str:
        config = self._configured.get(channel)
        return config.carrier_account if config else ""

    async def close_replaced(self) -> None:
        """Close, for ever, the carriers that were replaced, each when its last answers are in."""
        while True:
            close_at, carrier = await self._replaced.get()
            try:
                await self._clock.sleep(max(0.0, close_at - self._clock.monotonic()))
            finally:
                await carrier.close()

    async def close_all(self) -> None:
        """Let all connections go."""
        while not self._replaced.empty():
            await self._replaced.get_nowait()[1].close()
        for channel in self._channels.values():
            if channel.carrier is not None:
                await channel.carrier.close()

    def _reconfigure(
        self, channel: Channel, before: ChannelConfigured | None, now: ChannelConfigured | None
    ) -> None:
        carrier = channel.carrier
        if before is None or now is None or _connection(before) != _connection(now):
            if carrier is not None and before is not None:
                close_at = self._clock.monotonic() + before.submit_timeout_s * _KEPT_FOR
                self._replaced.put_nowait((close_at, carrier))
            carrier = self._make_carrier(now) if now is not None and now.enabled else None
            log.info(
                "a channel is configured",
                extra={"channel": channel.name, "is_served": carrier is not None},
            )
        channel.configure(now, carrier)


def _connection(config: ChannelConfigured) -> object:
    """Give what a carrier is made of: when it stays the same, the connections stay too."""
    made_of = {
        "protocol",
        "enabled",
        "url",
        "secret_ref",
        "webhook_token_ref",
        "submit_timeout_s",
        "reasons",
        "smpp",
    }
    if config.smpp is not None:
        made_of.add("window")
    return config.model_dump(include=made_of)
