"""Every metric of the carrier-adapter: name, labels, buckets, one sentence each."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from yizhan_contracts.events import AttemptOutcome, Lane
from yizhan_contracts.reasons import Reason

_ANSWER_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_TO_CARRIER_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)


class AdapterMetrics:
    """One per process. Labels are channels, lanes, outcomes, reasons and states: bounded sets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "yizhan_adapter_attempts_total",
            "Claimed attempts, by what became of them.",
            ["channel", "outcome", "reason"],
            registry=registry,
        )
        self.unclaimed = Counter(
            "yizhan_adapter_unclaimed_total",
            "Attempts reported without a claim of ours: released, expired, unroutable, in doubt.",
            ["channel", "outcome"],
            registry=registry,
        )
        self.repeated = Counter(
            "yizhan_adapter_repeated_total",
            "Records read again whose outcome was published again.",
            registry=registry,
        )
        self.late_answers = Counter(
            "yizhan_adapter_late_answers_total",
            "Answers that came after the attempt was called in doubt.",
            ["channel"],
            registry=registry,
        )
        self._balance = Gauge(
            "yizhan_adapter_conservation_attempts",
            "Attempts of the last days: claimed, and of these under way or without an outcome.",
            ["channel", "state"],
            registry=registry,
        )
        self.answer_seconds = Histogram(
            "yizhan_adapter_answer_seconds",
            "Time from the first byte to the carrier until its answer.",
            ["channel"],
            buckets=_ANSWER_S,
            registry=registry,
        )
        self.to_carrier_seconds = Histogram(
            "yizhan_adapter_arrival_to_carrier_seconds",
            "Time from the arrival of the event or request until the carrier took its message.",
            ["lane"],
            buckets=_TO_CARRIER_S,
            registry=registry,
        )
        self.batch_messages = Histogram(
            "yizhan_adapter_batch_messages",
            "Messages handed over together.",
            ["channel"],
            buckets=(1, 2, 5, 10, 20, 50, 100),
            registry=registry,
        )
        self.throttled = Counter(
            "yizhan_adapter_throttled_total",
            "Messages that the carrier would not take yet.",
            ["channel"],
            registry=registry,
        )
        self.backlog = Gauge(
            "yizhan_adapter_backlog_messages", "Messages queued.", ["channel"], registry=registry
        )
        self.window = Gauge(
            "yizhan_adapter_window_messages",
            "Messages claimed and not yet answered.",
            ["channel"],
            registry=registry,
        )
        self.bound = Gauge(
            "yizhan_adapter_channel_bound",
            "1 while the channel works.",
            ["channel"],
            registry=registry,
        )
        self.rate = Gauge(
            "yizhan_adapter_rate_messages_per_second",
            "What this instance may send now: its share of the TPS, less while throttled.",
            ["channel"],
            registry=registry,
        )
        self.held = Counter(
            "yizhan_adapter_held_total",
            "Looks at attempts that were held, by what held them; each wait is a look.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.receipts = Counter(
            "yizhan_adapter_receipts_total",
            "Receipts taken from carriers, by state.",
            ["channel", "state"],
            registry=registry,
        )
        self.replies = Counter(
            "yizhan_adapter_replies_total",
            "Replies of recipients taken from carriers; a long one counts once.",
            ["channel"],
            registry=registry,
        )
        self.binds = Gauge(
            "yizhan_adapter_binds",
            "SMPP binds that are up, by kind.",
            ["channel", "kind"],
            registry=registry,
        )
        self.bind_failures = Counter(
            "yizhan_adapter_bind_failures_total",
            "SMPP binds that did not come up, by why: refused, connection, tls.",
            ["channel", "why"],
            registry=registry,
        )
        self.malformed = Counter(
            "yizhan_adapter_malformed_pdus_total",
            "What an SMSC sent that could not be read, or answered nothing.",
            ["channel"],
            registry=registry,
        )
        self.parts = Counter(
            "yizhan_adapter_submitted_parts_total",
            "Parts written to SMSCs: each submit_sm.",
            ["channel"],
            registry=registry,
        )
        self.receipts_refused = Counter(
            "yizhan_adapter_receipts_refused_total",
            "Receipts, or whole webhook calls, that could not be taken, by why.",
            ["channel", "why"],
            registry=registry,
        )

    def show_balance(self, counts: Iterable[tuple[str, str, int]]) -> None:
        """Show attempts by channel and state, in place of what was shown before."""
        self._balance.clear()
        for channel, state, count in counts:
            self._balance.labels(channel, state).set(count)


class ChannelMetrics:
    """The metrics of one channel, looked up once: a lookup costs more than the count."""

    def __init__(self, metrics: AdapterMetrics, channel: str) -> None:
        self._all = metrics
        self._channel = channel
        self._attempts: dict[tuple[AttemptOutcome, Reason], Counter] = {}
        self._answer_seconds = metrics.answer_seconds.labels(channel)
        self._to_carrier_seconds = {
            lane: metrics.to_carrier_seconds.labels(lane.value) for lane in Lane
        }
        self.batch_messages = metrics.batch_messages.labels(channel)
        self.late_answers = metrics.late_answers.labels(channel)
        self.throttled = metrics.throttled.labels(channel)

    def follow(
        self,
        backlog: Callable[[], float],
        window: Callable[[], float],
        bound: Callable[[], float],
        rate: Callable[[], float],
    ) -> None:
        """Read the gauges when they are asked for."""
        self._all.backlog.labels(self._channel).set_function(backlog)
        self._all.window.labels(self._channel).set_function(window)
        self._all.bound.labels(self._channel).set_function(bound)
        self._all.rate.labels(self._channel).set_function(rate)

    def count(self, outcome: AttemptOutcome, reason: Reason) -> None:
        """Count what became of a claimed attempt."""
        counter = self._attempts.get((outcome, reason))
        if counter is None:
            counter = self._all.attempts.labels(self._channel, outcome.value, reason.value)
            self._attempts[outcome, reason] = counter
        counter.inc()

    def submitted(self, lane: Lane, answer_s: float, since_arrival_s: float) -> None:
        """Observe how long a message took that the carrier has now."""
        self._answer_seconds.observe(answer_s)
        self._to_carrier_seconds[lane].observe(max(0.0, since_arrival_s))


class SmppMetrics:
    """The metrics of one channel's binds."""

    def __init__(self, metrics: AdapterMetrics, channel: str) -> None:
        self._binds = metrics.binds
        self._failures = metrics.bind_failures
        self._channel = channel
        self.malformed = metrics.malformed.labels(channel)
        self.parts = metrics.parts.labels(channel)

    def bound(self, kind: str, change: int) -> None:
        """Count a bind that came up (1) or went (-1)."""
        self._binds.labels(self._channel, kind).inc(change)

    def bind_failed(self, why: str) -> None:
        """Count a bind that did not come up."""
        self._failures.labels(self._channel, why).inc()
