"""What receipts say of each channel, counted for the router: ``delivery.reported``.

Indications, not accounts: they begin anew with the process (its ``incarnation``), and a repeat of
the sweeper may count an overdue attempt twice.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime

from yizhan_contracts.events import (
    RECEIPT_AGES_S,
    CountryReceipts,
    DeliveryReported,
    ReceiptState,
)
from yizhan_contracts.reasons import Reason
from yizhan_telecom.reasons import speaks_against_channel


def _no_ages() -> list[int]:
    return [0] * (len(RECEIPT_AGES_S) + 1)


@dataclass(slots=True)
class _Counts:
    delivered: int = 0
    failed: int = 0
    overdue: int = 0
    age_s_sum: float = 0.0
    delivered_by_age: list[int] = field(default_factory=_no_ages)
    failed_by_age: list[int] = field(default_factory=_no_ages)
    excused_by_age: list[int] = field(default_factory=_no_ages)

    def as_part(self) -> CountryReceipts:
        return CountryReceipts(
            delivered=self.delivered,
            failed=self.failed,
            overdue=self.overdue,
            age_s_sum=self.age_s_sum,
            delivered_by_age=_trimmed(self.delivered_by_age),
            failed_by_age=_trimmed(self.failed_by_age),
            excused_by_age=_trimmed(self.excused_by_age),
        )


def _trimmed(counts: list[int]) -> tuple[int, ...]:
    """Leave the zeros at the end out."""
    end = len(counts)
    while end and not counts[end - 1]:
        end -= 1
    return tuple(counts[:end])


class Deliveries:
    """Cumulative counts per channel and country, and what changed since the last report."""

    def __init__(self, instance: str, incarnation: str) -> None:
        self._instance = instance
        self._incarnation = incarnation
        self._counts: dict[str, dict[str, _Counts]] = {}
        self._changed: set[str] = set()

    def count_receipt(
        self, channel: str, country: str, state: str, reason: Reason, age_s: float
    ) -> None:
        """Count a final receipt; as a failure only where it is the channel's fault."""
        counts, at = self._of(channel, country), bisect_left(RECEIPT_AGES_S, age_s)
        if state == ReceiptState.DELIVERED:
            counts.delivered += 1
            counts.delivered_by_age[at] += 1
        elif speaks_against_channel(reason):
            counts.failed += 1
            counts.failed_by_age[at] += 1
        else:
            counts.excused_by_age[at] += 1
            return
        counts.age_s_sum += max(0.0, age_s)

    def count_overdue(self, channel: str, country: str) -> None:
        self._of(channel, country).overdue += 1

    def _of(self, channel: str, country: str) -> _Counts:
        self._changed.add(channel)
        return self._counts.setdefault(channel, {}).setdefault(country, _Counts())

    def take_changed(self, now: datetime) -> list[DeliveryReported]:
        """Give a report for each channel that has changed since the last call."""
        changed, self._changed = sorted(self._changed), set()
        return [self._report(channel, now) for channel in changed]

    def put_back(self, reports: list[DeliveryReported]) -> None:
        """Report these again: they were not published."""
        self._changed.update(report.channel for report in reports)

    def _report(self, channel: str, now: datetime) -> DeliveryReported:
        countries = {country: counts.as_part() for country, counts in self._counts[channel].items()}
        return DeliveryReported(
            channel=channel,
            instance=self._instance,
            incarnation=self._incarnation,
            countries=countries,
            reported_at=now,
        )
