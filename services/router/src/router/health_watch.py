"""What adapters and receipts report, put to use: health, its log and its metrics."""

from router.metrics import RouterMetrics
from yizhan_contracts.events import ChannelReported, DeliveryReported
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger
from yizhan_telecom.choice import Table
from yizhan_telecom.health import Health, State, Transition
from yizhan_telecom.health.states import WHOLE

log = get_logger(__name__)

ADVANCE_S = 0.1


class HealthWatch:
    """Feeds health from the two reports, and tells of every change of state."""

    def __init__(self, health: Health, metrics: RouterMetrics, clock: Clock) -> None:
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._advanced_at = -ADVANCE_S
        self._shown: set[str] = set()
        self._disabled: frozenset[str] = frozenset()

    def use(self, table: Table) -> None:
        """Know the channels of this table and no others."""
        for gone in self._shown - table.channels.keys():
            self._metrics.forget_channel(gone)
        self._health.keep(table.channels, self._clock.monotonic())
        self._shown = set(table.channels)
        self._disabled = frozenset(c.channel for c in table.channels.values() if not c.enabled)
        for channel in self._shown:
            self._show(channel)

    def on_channel_reported(self, key: str, report: ChannelReported | None) -> None:
        """Take an adapter's report, or its tombstone."""
        if report is not None and report.channel in self._disabled:
            return  # not bound because we said so: nothing is to be held against it afterwards
        now = self._clock.monotonic()
        self._tell(
            self._health.channel_reported(report, now)
            if report is not None
            else self._forget(key, now)
        )

    def on_delivery_reported(self, key: str, report: DeliveryReported | None) -> None:
        """Take a report of receipts, or its tombstone."""
        now = self._clock.monotonic()
        self._tell(
            self._health.delivery_reported(report, now)
            if report is not None
            else self._forget(key, now)
        )

    def advance(self) -> float:
        """Let time do its part, a few times a second at most; give health's now."""
        now = self._clock.monotonic()
        if now - self._advanced_at >= ADVANCE_S:
            self._advanced_at = now
            self._tell(self._health.advance(now))
        return now

    def _forget(self, key: str, now: float) -> list[Transition]:
        channel, _, instance = key.partition(":")
        return self._health.forget_reporter(channel, instance, now)

    def _tell(self, transitions: list[Transition]) -> None:
        for transition in transitions:
            is_whole = transition.country == WHOLE
            self._metrics.record_transition(transition, is_whole=is_whole)
            log.info("health changed", extra=_described(transition))
        for channel in {transition.channel for transition in transitions}:
            self._show(channel)

    def _show(self, channel: str) -> None:
        health = self._health
        whole = health.view(channel).state
        ill = 0
        if whole is State.HEALTHY:
            states = (health.view(channel, country).state for country in health.countries(channel))
            ill = sum(state is not State.HEALTHY for state in states)
        self._metrics.show_health(channel, whole, ill)


def _described(transition: Transition) -> dict[str, object]:
    return {
        "channel": transition.channel,
        "country": transition.country,
        "before": transition.before.value,
        "after": transition.after.value,
        "kind": transition.kind.value,
        "after_s": round(transition.after_s, 2),
        "figures": dict(transition.figures),
    }
