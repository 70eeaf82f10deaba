"""What receipts say of each channel, counted for the router: ``delivery.reported``.

Indications, not accounts: they begin anew with the process (its ``incarnation``), and a repeat of
the sweeper may count an overdue attempt twice.
"""

from dataclasses import dataclass
from datetime import datetime

from yizhan_contracts.events import CountryReceipts, DeliveryReported, ReceiptState
from yizhan_contracts.reasons import Reason
from yizhan_telecom.reasons import speaks_against_channel


@dataclass(slots=True)
class _Counts:
    delivered: int = 0
    failed: int = 0
    overdue: int = 0
    age_s_sum: float = 0.0


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
        """Count a final receipt; a failure only where it is the channel's fault."""
        is_delivered = state == ReceiptState.DELIVERED
        if not is_delivered and not speaks_against_channel(reason):
            return
        counts = self._of(channel, country)
        counts.delivered += is_delivered
        counts.failed += not is_delivered
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
        countries = {
            country: CountryReceipts(
                delivered=counts.delivered,
                failed=counts.failed,
                overdue=counts.overdue,
                age_s_sum=counts.age_s_sum,
            )
            for country, counts in self._counts[channel].items()
        }
        return DeliveryReported(
            channel=channel,
            instance=self._instance,
            incarnation=self._incarnation,
            countries=countries,
            reported_at=now,
        )
