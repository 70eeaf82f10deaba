"""Every metric of voice-fallback: name, labels, buckets, one sentence each."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_CALL_S = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 3600.0)


class VoiceMetrics:
    """One per process. Labels are providers, outcomes and reasons: bounded sets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "yizhan_voice_calls_total",
            "Calls that ended, by how.",
            ["outcome", "reason"],
            registry=registry,
        )
        self.orders = Counter(
            "yizhan_voice_orders_total",
            "Rings ordered from providers, by answer: taken, refused, not-taken, lost.",
            ["provider", "answer"],
            registry=registry,
        )
        self.reports = Counter(
            "yizhan_voice_reports_total",
            "Reports of providers on rings, by outcome.",
            ["provider", "outcome"],
            registry=registry,
        )
        self.reports_refused = Counter(
            "yizhan_voice_reports_refused_total",
            "Webhook calls that could not be taken, by why.",
            ["provider", "why"],
            registry=registry,
        )
        self.late_reports = Counter(
            "yizhan_voice_late_reports_total",
            "Answered calls that had been given up as unknown.",
            registry=registry,
        )
        self.seconds = Histogram(
            "yizhan_voice_call_seconds",
            "Time from a call's request until its outcome.",
            ["outcome"],
            buckets=_CALL_S,
            registry=registry,
        )
        self._open = Gauge(
            "yizhan_voice_open_calls", "Calls requested and not yet ended.", registry=registry
        )

    def follow(self, open_calls: Callable[[], float]) -> None:
        """Read the gauge when it is asked for."""
        self._open.set_function(open_calls)
