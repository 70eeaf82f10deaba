"""Every metric of receipts: name, labels, buckets, one sentence each. Labels are bounded sets."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from receipts.ledger.conflicts import Conflict
from receipts.ledger.facts import Kind
from receipts.push.endpoints import About
from yizhan_contracts.events import Medium, Status

_TO_DELIVERY_S = (0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800, 7200, 28_800, 86_400)
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Receipt(StrEnum):
    """What became of a receipt."""

    KNOWN = "known"
    """It named its attempt."""
    MATCHED = "matched"
    """Its attempt was found by the carrier's id, before or after the receipt."""
    EARLY = "early"
    """It is kept until its attempt is known."""
    REPEATED = "repeated"


class Sweep(StrEnum):
    """What the sweeper did about a message."""

    SETTLED = "settled"
    CALL = "call"
    REROUTE = "reroute"
    HELD_BACK = "held-back"
    """Its channel's receipts are missing as a whole."""


class Push(StrEnum):
    """What became of a result to be pushed."""

    ACKNOWLEDGED = "acknowledged"
    DEFERRED = "deferred"
    """Stored, to be pushed later."""
    PARKED = "parked"
    """Given up after a day: waits for an operator."""
    REPEATED = "repeated"
    """It had been pushed, or something newer had."""
    NOBODY = "nobody"
    """The account has no endpoint."""
    GONE = "gone"
    """It was erased while it waited: nothing is left to be said."""
    REPLAYED = "replayed"
    """Said again because somebody asked for it."""


class Metrics:
    """The ledger's and the push's own metrics, beside those of the runtime."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._facts = Counter(
            "yizhan_facts_total", "Facts inserted, by kind.", ["kind"], registry=registry
        )
        self._repeats = Counter(
            "yizhan_fact_repeats_total",
            "Facts that were there already, by kind.",
            ["kind"],
            registry=registry,
        )
        self._receipts = Counter(
            "yizhan_receipts_total",
            "Receipts of carriers, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self._replies = Counter(
            "yizhan_replies_total",
            "Replies kept, by how their message was found; empty: it answers none of ours.",
            ["matched_by"],
            registry=registry,
        )
        self._settled = Counter(
            "yizhan_messages_settled_total",
            "Messages settled, by status and medium.",
            ["status", "via"],
            registry=registry,
        )
        self._corrected = Counter(
            "yizhan_messages_corrected_total",
            "Settled messages that a late receipt made delivered.",
            registry=registry,
        )
        self._settle_seconds = Histogram(
            "yizhan_settle_seconds",
            "From the arrival of the event or request until the message was settled.",
            ["status"],
            buckets=_TO_DELIVERY_S,
            registry=registry,
        )
        self._swept = Counter(
            "yizhan_sweeps_acted_total", "What the sweeper did.", ["action"], registry=registry
        )
        self._swept_at = Gauge(
            "yizhan_sweep_completed_timestamp_seconds",
            "When the sweeper last had nothing left to do.",
            registry=registry,
        )
        self._search_seconds = Histogram(
            "yizhan_log_search_seconds",
            "From the question to the rows, by what was walked and whether time sufficed.",
            ["by", "complete"],
            buckets=_REQUEST_S,
            registry=registry,
        )
        self._early = Gauge(
            "yizhan_early_receipts", "Receipts whose attempt is not known.", registry=registry
        )
        self._held_back = Counter(
            "yizhan_receipts_held_back_total",
            "Overdue attempts held back because their channel's receipts are missing.",
            ["channel"],
            registry=registry,
        )
        self._feed_missing = Gauge(
            "yizhan_receipt_feed_missing",
            "1 while a channel's receipts are missing as a whole.",
            ["channel"],
            registry=registry,
        )
        self._conflicts = Counter(
            "yizhan_receipt_conflicts_total",
            "Receipts that contradict what was said of their attempt before.",
            ["kind"],
            registry=registry,
        )
        self._unmatched = Counter(
            "yizhan_receipts_unmatched_total",
            "Receipts given up: no attempt was ever known under their id.",
            ["channel"],
            registry=registry,
        )
        self._balance = Gauge(
            "yizhan_conservation_messages",
            "Messages of the last days: accepted, settled by status, and in flight.",
            ["country", "lane", "status"],
            registry=registry,
        )
        self._leaks = Gauge(
            "yizhan_conservation_leaks",
            "Messages that should not be as they are, by kind, as of the last look.",
            ["kind"],
            registry=registry,
        )
        self._pushes = Counter(
            "yizhan_push_results_total",
            "Results and events pushed to customers, by outcome.",
            ["about", "outcome"],
            registry=registry,
        )
        self._push_seconds = Histogram(
            "yizhan_push_seconds",
            "Time of one POST to a customer.",
            ["about", "answer"],
            buckets=_REQUEST_S,
            registry=registry,
        )
        self._push_size = Histogram(
            "yizhan_push_batch_results",
            "Results in one POST.",
            buckets=(1, 2, 5, 10, 25, 50, 100),
            registry=registry,
        )
        self._push_due = Gauge(
            "yizhan_push_due",
            "Results stored to be pushed later, and parked ones.",
            ["state"],
            registry=registry,
        )
        self._endpoints_open = Gauge(
            "yizhan_push_endpoints_resting",
            "Endpoints that are left alone for a while because they fail.",
            registry=registry,
        )
        self._exported = Counter(
            "yizhan_export_rows_total", "Rows exported, by format.", ["format"], registry=registry
        )
        self._exports = Counter(
            "yizhan_exports_total", "Exports that ended, by how.", ["state"], registry=registry
        )
        self._removed = Counter(
            "yizhan_retention_removed_total",
            "What retention took out: weeks by kind, messages by stage, replies by stage.",
            ["what"],
            registry=registry,
        )
        self._retained_at = Gauge(
            "yizhan_retention_completed_timestamp_seconds",
            "When retention last had taken out all that was due.",
            registry=registry,
        )
        self._oldest = Gauge(
            "yizhan_ledger_oldest_week_timestamp_seconds",
            "Beginning of the oldest week that is kept, by kind.",
            ["kind"],
            registry=registry,
        )
        self._weeks_kept = Gauge(
            "yizhan_retention_weeks_kept",
            "Weeks that are due and stay, because a message of them has not settled.",
            registry=registry,
        )
        self._erased = Counter(
            "yizhan_erasures_total", "Erasures that were carried out.", registry=registry
        )
        self._create_children()

    def _create_children(self) -> None:
        """Make every series exist at once: a rate over a late one misses its first step."""
        self._fact_children = {kind.value: self._facts.labels(kind) for kind in Kind}
        self._repeat_children = {kind.value: self._repeats.labels(kind) for kind in Kind}
        self._receipt_children = {item: self._receipts.labels(item) for item in Receipt}
        self._swept_children = {item: self._swept.labels(item) for item in Sweep}
        self._push_children = {
            (about, item): self._pushes.labels(about, item) for about in About for item in Push
        }
        self._conflict_children = {kind: self._conflicts.labels(kind) for kind in Conflict}
        self._settled_children = {
            (status.value, via.value): self._settled.labels(status, via or "none")
            for status in Status
            for via in Medium
        }
        self._seconds_children = {
            status.value: self._settle_seconds.labels(status) for status in Status
        }

    def record_facts(self, kinds: Iterable[str], *, are_new: bool) -> None:
        children = self._fact_children if are_new else self._repeat_children
        for kind in kinds:
            children[kind].inc()

    def record_receipts(self, outcome: Receipt, count: int) -> None:
        self._receipt_children[outcome].inc(count)

    def record_reply(self, matched_by: str) -> None:
        self._replies.labels(matched_by).inc()

    def record_settled(self, status: str, via: str, seconds: float) -> None:
        self._settled_children[status, via].inc()
        self._seconds_children[status].observe(max(0.0, seconds))

    def record_corrected(self) -> None:
        self._corrected.inc()

    def record_swept(self, action: Sweep, count: int = 1) -> None:
        self._swept_children[action].inc(count)

    def record_sweep(self, now: datetime) -> None:
        self._swept_at.set(now.timestamp())

    def record_held_back(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._held_back.labels(channel).inc()

    def record_feed(self, channel: str, *, is_missing: bool) -> None:
        self._feed_missing.labels(channel).set(is_missing)

    def record_conflict(self, kind: Conflict) -> None:
        self._conflict_children[kind].inc()

    def record_unmatched(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._unmatched.labels(channel).inc()

    def record_balance(self, counts: Iterable[tuple[tuple[str, str, str], int]]) -> None:
        """Show the sum of the last days in place of what was shown before."""
        self._balance.clear()
        for (country, lane, status), count in counts:
            self._balance.labels(country, lane, status).set(count)

    def record_leaks(self, kind: str, count: int) -> None:
        self._leaks.labels(kind).set(count)

    def record_early(self, count: int) -> None:
        self._early.set(count)

    def record_pushed(self, about: About, outcome: Push, count: int) -> None:
        self._push_children[about, outcome].inc(count)

    def record_post(self, about: About, answer: str, seconds: float, size: int) -> None:
        """Count one POST; ``answer`` is acknowledged, refused, failed, timeout or forbidden."""
        self._push_seconds.labels(about, answer).observe(seconds)
        self._push_size.observe(size)

    def record_search(self, by: str, seconds: float, *, is_complete: bool) -> None:
        self._search_seconds.labels(by, "yes" if is_complete else "no").observe(seconds)

    def record_push_due(self, waiting: int, parked: int) -> None:
        self._push_due.labels("waiting").set(waiting)
        self._push_due.labels("parked").set(parked)

    def record_exported(self, file_format: str, rows: int) -> None:
        self._exported.labels(file_format).inc(rows)

    def record_export(self, state: str) -> None:
        """Count an export that ended: done or failed."""
        self._exports.labels(state).inc()

    def record_removed(self, what: str, count: int) -> None:
        self._removed.labels(what).inc(count)

    def record_retention(self, now: datetime, oldest: Mapping[str, datetime]) -> None:
        self._retained_at.set(now.timestamp())
        for kind, begins_at in oldest.items():
            self._oldest.labels(kind).set(begins_at.timestamp())

    def record_weeks_kept(self, count: int) -> None:
        self._weeks_kept.set(count)

    def record_erased(self) -> None:
        self._erased.inc()

    def record_resting_endpoints(self, count: int) -> None:
        self._endpoints_open.set(count)
