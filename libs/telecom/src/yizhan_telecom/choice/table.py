"""Who could take a message: the channels of one configuration, by country. Made once per table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yizhan_contracts.events import ChannelConfigured, CountryRoute
from yizhan_telecom.channel_rules import route_of

FULL_AFTER_S = 2.0
"""A backlog that takes a channel longer than this is a reason to spill over."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One channel in one country, as the table has it."""

    channel: str
    price: float
    priority: int
    weight: int
    room: float
    """Messages that may wait before it counts as full."""


class Table:
    """The channels of one configuration, by country; ``excluded`` says which not to use and why."""

    def __init__(
        self, channels: Iterable[ChannelConfigured], excluded: Mapping[str, str] | None = None
    ) -> None:
        self.channels = {channel.channel: channel for channel in channels}
        self.excluded = {
            **{c.channel: "draining" for c in self.channels.values() if c.draining},
            **{c.channel: "disabled" for c in self.channels.values() if not c.enabled},
            **(excluded or {}),
        }
        self._entries: dict[tuple[str, bool], tuple[Entry, ...]] = {}

    def entries(self, country: str, *, is_test: bool = False) -> tuple[Entry, ...]:
        """Give the channels of a country. Tests go to channels for tests, and nothing else does."""
        key = (country, is_test)
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = tuple(
                _entry(channel, route)
                for channel in self.channels.values()
                if channel.channel not in self.excluded
                and channel.test is is_test
                and (route := route_of(channel, country)) is not None
            )
        return found

    def may_serve_later(self, country: str, *, is_test: bool = False) -> bool:
        """Tell whether a channel of this country is left out for now only (not: disabled)."""
        return any(
            channel.enabled and channel.test is is_test and route_of(channel, country) is not None
            for name in self.excluded
            if (channel := self.channels.get(name)) is not None
        )


def _entry(channel: ChannelConfigured, route: CountryRoute) -> Entry:
    return Entry(
        channel.channel, route.price, route.priority, route.weight, FULL_AFTER_S * channel.tps
    )
