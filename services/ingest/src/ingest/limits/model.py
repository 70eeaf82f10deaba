"""An account's limits. None is none."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from ingest.entry import Entry

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class PerRecipient(Entry):
    """How many messages one number gets from an account in a window of so many seconds.

    Windows stand side by side (the first began in 1970): at a seam a number may get twice as many.
    """

    messages: Annotated[int, Field(ge=1, le=100)]
    window_s: Annotated[int, Field(ge=10, le=31 * 86_400)]


class AccountLimits(Entry):
    """What an account may ask for over HTTP. Shipment events are not counted."""

    requests_per_s: Annotated[float, Field(gt=0, le=100_000)] | None = None
    messages_per_day: Count | None = None
    """A day of the account's time zone."""
    messages_per_month: Count | None = None
    per_recipient: PerRecipient | None = None

    @property
    def counts_messages(self) -> bool:
        return bool(self.messages_per_day or self.messages_per_month or self.per_recipient)


class Period(StrEnum):
    """What messages are counted over."""

    DAY = "day"
    MONTH = "month"


def period_of(period: Period, now: datetime, zone: str) -> tuple[str, datetime]:
    """Give the name of the day or month it is there, and when it ends."""
    local = now.astimezone(ZoneInfo(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period is Period.DAY:
        return f"{local:%Y-%m-%d}", midnight + timedelta(days=1)  # wall time: zones of zoneinfo
    return f"{local:%Y-%m}", (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
