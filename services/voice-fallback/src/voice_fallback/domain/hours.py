"""When somebody may be rung: the calling hours of the place where they are."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = 2


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day. ``opens`` after ``closes`` goes over midnight; both alike is all day."""

    opens: time
    closes: time

    @classmethod
    def parse(cls, text: str) -> "Window":
        """Read ``08:00-21:00``. Raises ValueError."""
        opens, dash, closes = text.replace(" ", "").partition("-")
        if not dash:
            raise ValueError("calling hours are written like 08:00-21:00")
        return cls(time.fromisoformat(opens), time.fromisoformat(closes))

    def includes(self, moment: time) -> bool:
        if self.opens == self.closes:
            return True
        if self.opens < self.closes:
            return self.opens <= moment < self.closes
        return moment >= self.opens or moment < self.closes


def zone(name: str, otherwise: str) -> ZoneInfo:
    """Find a time zone, or another where the name is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(otherwise)


def next_opening(window: Window, where: ZoneInfo, now: datetime) -> datetime:
    """Give the moment from which somebody may be rung: ``now`` inside the hours."""
    local = now.astimezone(where)
    if window.includes(local.time()):
        return now
    for days in range(_DAYS):
        # Built from the local date each time: a day may have 23 or 25 hours.
        day = local.date() + timedelta(days=days)
        opening = datetime.combine(day, window.opens, where)
        if opening > local:
            return opening.astimezone(now.tzinfo)
    raise AssertionError("every day has an opening")
