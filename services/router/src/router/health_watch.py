"""What adapters and receipts report, put to use: health, its log and its metrics."""

from router.metrics import RouterMetrics
from yizhan_contracts.events import ChannelReported, DeliveryReported
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger
from yizhan_telecom.choice import Table
from yizhan_telecom.health import Health, State, Transition
from yizhan_telecom.health.states import WHOLE

log = get_logger(__name__)

Report = ChannelReported | DeliveryReported

ADVANCE_S = 0.1
_STEP_S = 0.25


REPLAYED_S = 120.0
"""What was reported so long before the start is gone through, report by report: then a router that
starts knows what those know that have been running. Less than the reports' compaction lag."""


class HealthWatch:
    """Feeds health from the two reports, and tells of every change of state.

    Until ``catch_up`` it only collects: what it is told at the start is older than the moment.
    """

    def __init__(self, health: Health, metrics: RouterMetrics, clock: Clock) -> None:
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._advanced_at = -ADVANCE_S
        self._shown: set[str] = set()
        self._disabled: frozenset[str] = frozenset()
        self._past: list[tuple[float, str, Report | None]] | None = []
        """How old each report was, by its own time. None: all of it has been taken."""

    def use(self, table: Table) -> None:
        """Know the channels of this table and no others."""
        for gone in self._shown - table.channels.keys():
            self._metrics.forget_channel(gone)
        now = self._clock.monotonic()
        self._health.keep(table.channels, now if self._past is None else now - REPLAYED_S)
        self._shown = set(table.channels)
        self._disabled = frozenset(c.channel for c in table.channels.values() if not c.enabled)
        for channel in self._shown:
            self._show(channel)

    def on_reported(self, key: str, report: Report | None) -> None:
        """Take an adapter's report, or one of receipts, or the tombstone of either."""
        if self._past is None:
            self._tell(self._take(key, report, self._clock.monotonic()))
            return
        age_s = (self._clock.now() - report.reported_at).total_seconds() if report else 0.0
        self._past.append((min(max(age_s, 0.0), REPLAYED_S), key, report))

    def catch_up(self) -> None:
        """Go through the past as it came, and be in the present from now on."""
        past, self._past = sorted(self._past or (), key=_age_s, reverse=True), None
        now = self._clock.monotonic()
        at = now - REPLAYED_S
        for age_s, key, report in past:
            at = self._pass(at, now - age_s)
            self._take(key, report, max(at, now - age_s))
        self._pass(at, now)
        for channel in self._shown:
            self._show(channel)
        states = {channel: self._health.view(channel).state for channel in sorted(self._shown)}
        ill = {channel: state for channel, state in states.items() if state is not State.HEALTHY}
        log.info("health taken over", extra={"reports": len(past), "ill": ill})

    def _pass(self, at: float, until: float) -> float:
        """Let time do its part in what is past."""
        while until - at >= _STEP_S:
            at += _STEP_S
            self._health.advance(at)
        return at

    def _take(self, key: str, report: Report | None, now: float) -> list[Transition]:
        if report is None:
            channel, _, instance = key.partition(":")
            return self._health.forget_reporter(channel, instance, now)
        if report.channel in self._disabled:
            return []  # not bound because we said so: nothing is held against it afterwards
        if isinstance(report, ChannelReported):
            return self._health.channel_reported(report, now)
        return self._health.delivery_reported(report, now)

    def advance(self) -> float:
        """Let time do its part, a few times a second at most; give health's now."""
        now = self._clock.monotonic()
        if self._past is None and now - self._advanced_at >= ADVANCE_S:
            self._advanced_at = now
            self._tell(self._health.advance(now))
        return now

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


def _age_s(past: tuple[float, str, Report | None]) -> float:
    return past[0]


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
