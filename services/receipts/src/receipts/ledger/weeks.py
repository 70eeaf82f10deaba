"""Weeks: the ledger is kept in a part for each, by the time that a message's id carries. Pure.

What is old goes with its part, for nothing; one by one it would cost more than it did to write
(docs/adr/0036). A week begins on Monday, 00:00 UTC.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Self, TypeVar

from yizhan_contracts import ids

_WEEK_MS: Final = 7 * 86_400_000
_MONDAY_MS: Final = 4 * 86_400_000
"""1970-01-05, the first Monday of Unix time."""
_FORMAT: Final = "%Y%m%d"
T = TypeVar("T")


class Week(NamedTuple):
    """One week, by its number since the first Monday of Unix time: they sort as time does."""

    number: int

    @classmethod
    def at(cls, at_ms: int) -> Self:
        """Give the week of a moment, in Unix milliseconds."""
        return cls((at_ms - _MONDAY_MS) // _WEEK_MS)

    @classmethod
    def of_time(cls, at: datetime) -> Self:
        return cls.at(int(at.timestamp() * 1000))

    @classmethod
    def of_id(cls, message_id: str) -> Self:
        """Give the week of a message id, or of any id that begins with one."""
        return cls.at(ids.created_ms_of(message_id))

    @classmethod
    def named(cls, name: str) -> Self | None:
        """Read back ``name``: None for anything else."""
        try:
            begin = datetime.strptime(name, _FORMAT).replace(tzinfo=UTC)
        except ValueError:
            return None
        week = cls.of_time(begin)
        return week if week.name == name else None

    @property
    def name(self) -> str:
        """Name it by its Monday, such as ``20261123``."""
        return self.begins_at.strftime(_FORMAT)

    @property
    def begins_at(self) -> datetime:
        return datetime.fromtimestamp(self._begin_ms / 1000, UTC)

    @property
    def ends_at(self) -> datetime:
        return self.begins_at + timedelta(milliseconds=_WEEK_MS)

    @property
    def first_id(self) -> str:
        """Give the smallest message id of this week; the next week's is above all of them."""
        return ids.first_message_id(self._begin_ms)

    @property
    def next(self) -> "Week":
        return Week(self.number + 1)

    @property
    def _begin_ms(self) -> int:
        return self.number * _WEEK_MS + _MONDAY_MS


def by_week(items: Collection[T], id_of: Callable[[T], str]) -> dict[Week, list[T]]:
    """Sort into weeks, by ids of messages or what begins with one: mostly one, seldom two."""
    if not items:
        return {}
    named = list(map(id_of, items))
    first, last = Week.of_id(min(named)), Week.of_id(max(named))
    if first == last:
        return {first: list(items)}
    sorted_in: dict[Week, list[T]] = {}
    for item, item_id in zip(items, named, strict=True):
        sorted_in.setdefault(Week.of_id(item_id), []).append(item)
    return sorted_in


def between(first: Week, last: Week) -> Iterator[Week]:
    """Give the weeks from one to another, both included, the oldest first."""
    return (Week(number) for number in range(first.number, last.number + 1))
