"""Every metric of the router: name, labels, buckets, one sentence each. Labels are bounded sets."""

from collections import Counter as Counted
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from yizhan_contracts.events import AttemptPlanned
from yizhan_telecom.health import State, Transition

_STATES = {state: rank for rank, state in enumerate(State)}
_DIVERT_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class RouterMetrics:
    """What the router counts beside the runtime's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._planned = Counter(
            "yizhan_router_planned_total",
            "Attempts planned, by channel and lane; `none` takes what has no route or is too late.",
            ["channel", "lane"],
            registry=registry,
        )
        self._decisions = Counter(
            "yizhan_router_decisions_total", "Choices, by why.", ["why"], registry=registry
        )
        self._closed = Counter(
            "yizhan_router_closed_total",
            "Attempts planned on the channel `none`, by reason.",
            ["reason"],
            registry=registry,
        )
        self._waits = Counter(
            "yizhan_router_waits_total",
            "Messages put off because nothing could be reached, by why.",
            ["why"],
            registry=registry,
        )
        self._state = Gauge(
            "yizhan_router_channel_state",
            "State of a channel as a whole: 0 healthy, 1 degraded, 2 probing, 3 open.",
            ["channel"],
            registry=registry,
        )
        self._ill_countries = Gauge(
            "yizhan_router_channel_ill_countries",
            "Countries in which a channel is not healthy though it is as a whole.",
            ["channel"],
            registry=registry,
        )
        self._transitions = Counter(
            "yizhan_router_health_transitions_total",
            "Changes of state, by channel and new state; scope is whole or country.",
            ["channel", "scope", "state"],
            registry=registry,
        )
        self._divert = Histogram(
            "yizhan_router_divert_seconds",
            "Time from the first report of trouble until a channel was left.",
            ["channel"],
            buckets=_DIVERT_S,
            registry=registry,
        )
        self._table = Gauge(
            "yizhan_router_table_info",
            "The channel table in force.",
            ["version"],
            registry=registry,
        )
        self._loads = Counter(
            "yizhan_router_table_loads_total",
            "Tables read, by outcome: applied or refused.",
            ["outcome"],
            registry=registry,
        )
        self._unusable = Gauge(
            "yizhan_router_channels_without_topics",
            "Channels of the table whose topics are not there.",
            registry=registry,
        )

    def record_batch(self, plans: Sequence[AttemptPlanned], waits: Iterable[str]) -> None:
        """Count a batch: added up first, a label look-up costs a microsecond."""
        for (channel, lane), count in Counted((p.channel, p.message.lane) for p in plans).items():
            self._planned.labels(channel, lane).inc(count)
        for why, count in Counted(plan.decision.why for plan in plans).items():
            self._decisions.labels(why).inc(count)
        for reason, count in Counted(plan.reason for plan in plans if plan.reason).items():
            self._closed.labels(reason).inc(count)
        for why, count in Counted(waits).items():
            self._waits.labels(why).inc(count)

    def record_transition(self, transition: Transition, *, is_whole: bool) -> None:
        scope = "whole" if is_whole else "country"
        self._transitions.labels(transition.channel, scope, transition.after).inc()
        if transition.after is State.OPEN and transition.before is not State.PROBING:
            self._divert.labels(transition.channel).observe(transition.after_s)

    def show_health(self, channel: str, state: State, ill_countries: int) -> None:
        self._state.labels(channel).set(_STATES[state])
        self._ill_countries.labels(channel).set(ill_countries)

    def forget_channel(self, channel: str) -> None:
        for gauge in (self._state, self._ill_countries):
            gauge.remove(channel)

    def show_table(self, version: str, without_topics: int) -> None:
        self._table.clear()
        self._table.labels(version).set(1)
        self._unusable.set(without_topics)

    def record_load(self, outcome: str) -> None:
        self._loads.labels(outcome).inc()
