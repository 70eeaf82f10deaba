"""Who could take a message: the channels of one configuration, by country. Made once per table."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from yizhan_contracts.events import ChannelConfigured, CountryRoute, NetworkRoute
from yizhan_telecom.channel_rules import (
    route_of,
    sender_refusal,
    template_refusal,
    text_refusal_of,
)
from yizhan_telecom.choice.facts import Facts
from yizhan_telecom.choice.rules import Rule, Rules


@dataclass(frozen=True, slots=True)
class Entry:
    """One channel in one country or network, as the table has it."""

    channel: str
    price: float
    priority: int
    weight: int
    tps: float
    salt: int
    """Of the channel's name, for draws that must not move when the table does."""
    configured: ChannelConfigured
    has_terms: bool
    """It does not take every message: ``refusal`` says which."""
    senders: dict[str, str] = field(default_factory=dict)
    """What was said of senders before: accounts have few."""

    def refusal(self, facts: Facts) -> str:
        """Say why the channel does not take a message, empty where it does."""
        if not self.has_terms:
            return ""
        channel = self.configured
        return (
            template_refusal(channel, facts.template)
            or self._sender_refusal(facts)
            or (
                _text_refusal(channel, facts) if not channel.unicode or channel.max_segments else ""
            )
        )

    def _sender_refusal(self, facts: Facts) -> str:
        known = self.senders.get(facts.sender)
        if known is None:
            if len(self.senders) >= _MOST_SENDERS:
                self.senders.clear()
            known = sender_refusal(self.configured, facts.country, facts.sender)
            self.senders[facts.sender] = known
        return known


_MOST_SENDERS = 1_000


class Table:
    """The channels of one configuration, by country; ``excluded`` says which not to use and why."""

    def __init__(
        self,
        channels: Iterable[ChannelConfigured],
        excluded: Mapping[str, str] | None = None,
        rules: Iterable[Rule] = (),
        version: str = "",
    ) -> None:
        self.channels = {channel.channel: channel for channel in channels}
        self.excluded = {
            **{c.channel: "draining" for c in self.channels.values() if c.draining},
            **{c.channel: "disabled" for c in self.channels.values() if not c.enabled},
            **(excluded or {}),
        }
        self.rules = Rules(rules)
        self.version = version
        self._entries: dict[tuple[str, str, bool], tuple[Entry, ...]] = {}
        self._excluded_in: dict[tuple[str, bool], dict[str, str]] = {}
        self._networks: dict[str, frozenset[str]] = {}

    def entries(
        self, country: str, network: str = "", *, is_test: bool = False
    ) -> tuple[Entry, ...]:
        """Give the channels of a country. Tests go to channels for tests, and nothing else does."""
        key = (country, self.network(country, network), is_test)
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = tuple(
                _entry(channel, route, key[1])
                for channel in self.channels.values()
                if channel.channel not in self.excluded
                and channel.test is is_test
                and (route := route_of(channel, country)) is not None
            )
        return found

    def network(self, country: str, network: str) -> str:
        """Give the network where some channel makes a difference for it, else nothing."""
        if not network:
            return ""
        known = self._networks.get(country)
        if known is None:
            routes = (route_of(channel, country) for channel in self.channels.values())
            known = frozenset(name for route in routes if route for name in route.networks)
            self._networks[country] = known
        return network if network in known else ""

    def excluded_in(self, country: str, *, is_test: bool = False) -> dict[str, str]:
        """Give the channels that would serve a country and are not to be used, and why."""
        key = (country, is_test)
        found = self._excluded_in.get(key)
        if found is None:
            found = self._excluded_in[key] = {
                name: why
                for name, why in self.excluded.items()
                if (channel := self.channels.get(name)) is not None
                and channel.test is is_test
                and route_of(channel, country) is not None
            }
        return found

    def why_not(self, country: str, *, is_test: bool = False) -> dict[str, str]:
        """Say of every channel that is no entry of a country why it is none."""
        reasons = {}
        for name, channel in self.channels.items():
            if name in self.excluded:
                reasons[name] = self.excluded[name]
            elif channel.test is not is_test:
                reasons[name] = (
                    "for test messages only" if channel.test else "not for test messages"
                )
            elif route_of(channel, country) is None:
                reasons[name] = f"does not serve {country}"
        return reasons

    def may_serve_later(self, facts: Facts) -> bool:
        """Tell whether a channel that would take a message is left out for now only.

        A disabled one is not: nobody knows whether it comes back.
        """
        for name in self.excluded_in(facts.country, is_test=facts.is_test):
            channel = self.channels[name]
            route = route_of(channel, facts.country)
            if channel.enabled and route and not _entry(channel, route, "").refusal(facts):
                return True
        return False


def _entry(channel: ChannelConfigured, route: CountryRoute, network: str) -> Entry:
    own = route.networks.get(network, _AS_IN_COUNTRY)
    senders = route.senders
    return Entry(
        channel.channel,
        route.price if own.price is None else own.price,
        route.priority if own.priority is None else own.priority,
        route.weight if own.weight is None else own.weight,
        channel.tps,
        zlib.crc32(channel.channel.encode()) << 32,
        channel,
        has_terms=channel.needs_templates
        or not channel.unicode
        or channel.max_segments is not None
        or bool((senders.kinds or senders.registered) and not senders.rewrite),
    )


_AS_IN_COUNTRY = NetworkRoute()


def _text_refusal(channel: ChannelConfigured, facts: Facts) -> str:
    return text_refusal_of(channel, is_gsm7=facts.is_gsm7, count=facts.segments)
