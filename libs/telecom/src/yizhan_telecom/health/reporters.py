"""What each instance last said of one channel, and what has happened since it spoke before."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest

from yizhan_contracts.events import (
    ChannelReported,
    CountryOutcomes,
    CountryReceipts,
    DeliveryReported,
)
from yizhan_telecom.health.evidence import Outcomes, Receipts
from yizhan_telecom.health.rules import HealthRules

_NONE = CountryOutcomes()
_NO_RECEIPTS = CountryReceipts()


@dataclass(slots=True)
class _Reporter:
    report: ChannelReported
    heard_at: float
    window: int
    """The largest free window it has reported: what is missing from it is in flight."""
    quiet_from: datetime | None = None
    """By the reporter's clock, since when messages are in flight and no outcome has come."""

    @property
    def in_flight(self) -> int:
        return self.window - self.report.window_free

    @property
    def quiet_s(self) -> float:
        """How long its own reports have shown messages in flight and no outcome.

        A reporter that says nothing is busy, or has nothing to say: that is no sign of a carrier.
        """
        if self.quiet_from is None:
            return 0.0
        return (self.report.reported_at - self.quiet_from).total_seconds()


@dataclass(slots=True)
class Reporters:
    """The instances that report one channel. Counts become differences within one incarnation."""

    rules: HealthRules
    _by_instance: dict[str, _Reporter] = field(default_factory=dict)
    _receipts: dict[str, DeliveryReported] = field(default_factory=dict)

    def take(self, report: ChannelReported, now: float) -> dict[str, Outcomes]:
        """Remember a report; give what happened since the last, by country."""
        known = self._by_instance.get(report.instance)
        if known is None:
            # Its counts may be hours old: they are what later ones are compared with.
            self._make_room()
            self._by_instance[report.instance] = _Reporter(report, now, report.window_free)
            return {}
        before = known.report.countries if known.report.incarnation == report.incarnation else {}
        changes = {
            country: change
            for country, counts in report.countries.items()
            if (earlier := before.get(country, _NONE)).latency_ms_sum != counts.latency_ms_sum
            or _is_more(earlier, counts)
            if (change := _outcomes(earlier, counts))
        }
        same = known.report.incarnation == report.incarnation
        window = max(known.window, report.window_free) if same else report.window_free
        reporter = _Reporter(report, now, window)
        if reporter.in_flight >= self.rules.stalled_in_flight:
            has_news = bool(changes) or known.quiet_from is None
            reporter.quiet_from = report.reported_at if has_news else known.quiet_from
        self._by_instance[report.instance] = reporter
        return changes

    def throttled_since(self, report: ChannelReported) -> int:
        """Count the throttled submits that a report adds; ask before ``take``."""
        known = self._by_instance.get(report.instance)
        if known is None:
            return 0
        same = known.report.incarnation == report.incarnation
        return max(report.throttled - (known.report.throttled if same else 0), 0)

    def take_receipts(self, report: DeliveryReported) -> dict[str, Receipts]:
        """Remember a report of receipts; give what came since the last, by country."""
        known = self._receipts.get(report.instance)
        if known is None and len(self._receipts) >= self.rules.most_reporters:
            oldest = min(self._receipts, key=lambda name: self._receipts[name].reported_at)
            del self._receipts[oldest]
        self._receipts[report.instance] = report
        if known is None:
            return {}
        before = known.countries if known.incarnation == report.incarnation else {}
        return {
            country: change
            for country, counts in report.countries.items()
            if (change := _receipts(before.get(country, _NO_RECEIPTS), counts))
        }

    def forget(self, instance: str) -> None:
        self._by_instance.pop(instance, None)
        self._receipts.pop(instance, None)

    @property
    def is_bound(self) -> bool:
        """Whether an instance that is alive is bound; a channel nobody reports is taken to be."""
        present = list(self._present())
        return not present or any(reporter.report.bound for reporter in present)

    @property
    def is_known(self) -> bool:
        return bool(self._by_instance)

    @property
    def backlog(self) -> int:
        return sum(reporter.report.backlog for reporter in self._present())

    @property
    def in_flight(self) -> int:
        return sum(reporter.in_flight for reporter in self._present())

    def quiet_s(self, now: float) -> float:
        """Give how long an instance has had messages in flight and heard nothing, at most."""
        return max(
            (
                reporter.quiet_s
                for reporter in self._present()
                if now - reporter.heard_at < self.rules.stalled_for_s
            ),
            default=0.0,
        )

    def _present(self) -> Iterator[_Reporter]:
        """Leave the ghosts out: a killed instance's last word stays in the topic."""
        if not self._by_instance:
            return
        newest = max(reporter.report.reported_at for reporter in self._by_instance.values())
        for reporter in self._by_instance.values():
            age_s = (newest - reporter.report.reported_at).total_seconds()
            if age_s <= self.rules.reporter_age_s:
                yield reporter

    def _make_room(self) -> None:
        if len(self._by_instance) >= self.rules.most_reporters:
            oldest = min(
                self._by_instance, key=lambda name: self._by_instance[name].report.reported_at
            )
            del self._by_instance[oldest]


def _is_more(before: CountryOutcomes, after: CountryOutcomes) -> bool:
    """Tell whether anything has happened: in most countries of a report nothing has."""
    return (
        before.failed != after.failed
        or before.submitted != after.submitted
        or before.refused != after.refused
        or before.in_doubt != after.in_doubt
    )


def _outcomes(before: CountryOutcomes, after: CountryOutcomes) -> Outcomes:
    # A count never goes back within an incarnation; one that does says nothing.
    return Outcomes(
        max(after.submitted - before.submitted, 0),
        max(after.refused - before.refused, 0),
        max(after.failed - before.failed, 0) + max(after.in_doubt - before.in_doubt, 0),
        max(after.latency_ms_sum - before.latency_ms_sum, 0.0),
    )


def _receipts(before: CountryReceipts, after: CountryReceipts) -> Receipts:
    delivered = max(after.delivered - before.delivered, 0)
    lost = max(after.failed - before.failed, 0) + max(after.overdue - before.overdue, 0)
    if not (after.delivered_by_age or after.failed_by_age or after.excused_by_age):
        return Receipts(delivered, lost)
    delivered_ages = _since(before.delivered_by_age, after.delivered_by_age)
    lost_ages = _since(before.failed_by_age, after.failed_by_age)
    excused_ages = _since(before.excused_by_age, after.excused_by_age)
    heard = zip_longest(delivered_ages, lost_ages, excused_ages, fillvalue=0)
    return Receipts(delivered, lost, delivered_ages, lost_ages, tuple(map(sum, heard)))


def _since(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(b - a, 0) for a, b in zip_longest(before, after, fillvalue=0))
