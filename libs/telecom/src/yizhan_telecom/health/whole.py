"""Health of all channels: the one object that a router keeps of what is reported."""

from collections.abc import Callable, Iterable

from yizhan_contracts.events import ChannelReported, DeliveryReported
from yizhan_telecom.health.channel import ChannelHealth
from yizhan_telecom.health.circuit import Circuit
from yizhan_telecom.health.rules import DEFAULT_RULES, HealthRules
from yizhan_telecom.health.states import AT_REST, WHOLE, Transition, View

_HEARS = 0.5
"""Of the time after which a channel is stalled: one that is quiet for less is heard."""


class Health:
    """Health per channel and country. Every ``now`` is seconds of one clock that never goes back.

    Memory is bounded: only the channels named by ``keep`` are known, each with a bounded number of
    countries and reporters. Two instances that read the same reports come to the same states.
    """

    def __init__(self, rules: HealthRules = DEFAULT_RULES) -> None:
        self._rules = rules
        self._channels: dict[str, ChannelHealth] = {}
        self.version = 0
        """Changes whenever a view has changed."""
        self.quality_version = 0
        """Changes whenever an expected delivery has: what was ranked before may be out of date."""

    def keep(self, channels: Iterable[str], now: float) -> None:
        """Know these channels and no others."""
        known = self._channels
        self._channels = {
            name: known.get(name) or ChannelHealth(name, self._rules, now) for name in channels
        }
        self.version += 1
        self.quality_version += 1

    def channel_reported(self, report: ChannelReported, now: float) -> list[Transition]:
        """Take an adapter's report; give the changes of state that it caused."""
        channel = self._channels.get(report.channel)
        return self._done(channel, channel.reported(report, now)) if channel else []

    def delivery_reported(self, report: DeliveryReported, now: float) -> list[Transition]:
        """Take a report of receipts; give the changes of state that it caused."""
        channel = self._channels.get(report.channel)
        return self._done(channel, channel.delivered(report, now)) if channel else []

    def forget_reporter(self, channel: str, instance: str, now: float) -> list[Transition]:
        """Take a reporter's tombstone."""
        known = self._channels.get(channel)
        return self._done(known, known.forget(instance, now)) if known else []

    def advance(self, now: float) -> list[Transition]:
        """Do what time alone does. Call it a few times a second while anything is chosen."""
        stalled = self._stalled(now)
        self._allow_silence(now)
        return [
            transition
            for name, channel in self._channels.items()
            for transition in self._done(channel, channel.advance(now, is_stalled=name in stalled))
        ]

    def _stalled(self, now: float) -> set[str]:
        """Name the channels from which nothing comes back, while others show that we still hear.

        Nothing from any of several carriers is no carrier's fault: then it is our own house.
        """
        quiet = {
            name: channel.quietness(now)
            for name, channel in self._channels.items()
            if channel.reporters.in_flight
        }
        stalled = {name for name, share in quiet.items() if share >= 1.0}
        hears = len(quiet) == 1 or any(share < _HEARS for share in quiet.values())
        return stalled if hears else set()

    def _allow_silence(self, now: float) -> None:
        """Let one channel at a time be called silent, unless another's receipts show that we hear.

        Receipts that come from nobody are our own trouble: moving all traffic about cures nothing.
        """
        silent = {name for name, channel in self._channels.items() if channel.is_silent}
        hears = {
            name
            for name, channel in self._channels.items()
            if now - channel.heard_at < self._rules.silence_heard_s
        }
        for name, channel in self._channels.items():
            others_heard = len(hears) > (name in hears)
            channel.may_be_silent = others_heard or len(silent) == (name in silent)

    def view(self, channel: str, country: str = WHOLE) -> View:
        """Give what a chooser needs to know; a channel that is not known is taken to be healthy."""
        known = self._channels.get(channel)
        return known.view(country) if known else AT_REST

    def viewer(self, country: str) -> Callable[[str], View]:
        """Give ``view`` for one country, without its detours: a choice asks many times."""
        channels = self._channels

        def view(channel: str) -> View:
            known = channels.get(channel)
            return AT_REST if known is None else known.view(country)

        return view

    def backlog(self, channel: str) -> int:
        """Give how many messages wait at a channel, by what its live adapters say."""
        known = self._channels.get(channel)
        return known.backlog if known else 0

    def is_probe_due(self, channel: str, country: str, now: float, draw: float) -> bool:
        """Tell whether a message may try what is not healthy. ``draw`` is uniform in 0 to 1."""
        circuit = self._circuit(channel, country)
        return circuit is not None and circuit.is_probe_due(now, draw)

    def probed(self, channel: str, country: str, now: float) -> None:
        """Note that a probe was sent."""
        circuit = self._circuit(channel, country)
        if circuit is not None:
            circuit.probed(now)

    def figures(self, channel: str, country: str, now: float) -> dict[str, float]:
        """Give the figures of one circuit for people, empty where nothing is known."""
        known = self._channels.get(channel)
        circuit = None if known is None else known.countries.get(country, None)
        if known is not None and country == WHOLE:
            circuit = known.whole
            return circuit.figures(now) | {
                "backlog": known.reporters.backlog,
                "in_flight": known.reporters.in_flight,
            }
        return {} if circuit is None else circuit.figures(now)

    def countries(self, channel: str) -> tuple[str, ...]:
        """Name the countries that a channel has been reported for."""
        known = self._channels.get(channel)
        return tuple(sorted(known.countries)) if known else ()

    def is_reported(self, channel: str) -> bool:
        """Tell whether any adapter has ever reported the channel."""
        known = self._channels.get(channel)
        return known is not None and known.reporters.is_known

    def _circuit(self, channel: str, country: str) -> Circuit | None:
        known = self._channels.get(channel)
        return known.circuit_for(country) if known else None

    def _done(self, channel: ChannelHealth, transitions: list[Transition]) -> list[Transition]:
        if channel.is_changed:
            channel.is_changed = False
            self.version += 1
        if channel.is_quality_changed:
            channel.is_quality_changed = False
            self.quality_version += 1
        return transitions
