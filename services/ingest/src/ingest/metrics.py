"""Every metric of ingest: name, labels, buckets, one sentence each. Labels are bounded sets."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from yizhan_contracts.events import Lane, OriginKind, ShipmentAnswered

_REQUEST_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)


class IngestMetrics:
    """What ingest counts beside the runtime's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "yizhan_ingest_events_total",
            "Shipment events answered, by how they came, answer and code.",
            ["mode", "answer", "code"],
            registry=registry,
        )
        self._recipients = Counter(
            "yizhan_ingest_recipients_total",
            "Recipients of shipment events, by answer and code.",
            ["answer", "code"],
            registry=registry,
        )
        self._messages = Counter(
            "yizhan_ingest_messages_total",
            "Messages published as accepted, by what made them; repeats are those published again.",
            ["origin", "lane", "repeat"],
            registry=registry,
        )
        self._requests = Histogram(
            "yizhan_ingest_request_seconds",
            "Time from a request's head to its answer.",
            ["route", "status"],
            buckets=_REQUEST_S,
            registry=registry,
        )
        self._refusals = Counter(
            "yizhan_ingest_request_refusals_total",
            "Requests refused, by code.",
            ["code"],
            registry=registry,
        )
        self._round_size = Histogram(
            "yizhan_ingest_round_requests",
            "Requests that were stored and published together.",
            buckets=(1, 2, 5, 10, 20, 50, 100),
            registry=registry,
        )
        self._waiting = Gauge(
            "yizhan_ingest_waiting_requests", "Requests that wait for a round.", registry=registry
        )

        self._leases = Counter(
            "yizhan_ingest_quota_leases_total",
            "Leases of quota: closed by their owner, unsure (left to be recovered), recovered.",
            ["event"],
            registry=registry,
        )

    def record_events(self, answered: Iterable[tuple[str, ShipmentAnswered]]) -> None:
        """Count a batch of answers, each with the mode that its event came in."""
        pairs = list(answered)
        for (mode, answer, code), count in Tally(
            (mode, event.answer, event.code) for mode, event in pairs
        ).items():
            self._events.labels(mode, answer, code).inc(count)
        for (answer, code), count in Tally(
            (told.answer, told.code) for _, event in pairs for told in event.messages
        ).items():
            self._recipients.labels(answer, code).inc(count)

    def record_messages(self, origin: OriginKind, published: Iterable[tuple[Lane, bool]]) -> None:
        """Count messages by lane, and whether they were published again."""
        for (lane, is_repeat), count in Tally(published).items():
            self._messages.labels(origin, lane, "yes" if is_repeat else "no").inc(count)

    def record_request(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).observe(seconds)

    def record_leases(self, event: str, count: int) -> None:
        self._leases.labels(event).inc(count)

    def record_refusal(self, code: str) -> None:
        self._refusals.labels(code).inc()

    def record_round(self, requests: int, waiting: int) -> None:
        self._round_size.observe(requests)
        self._waiting.set(waiting)
