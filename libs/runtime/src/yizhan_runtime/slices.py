"""Slices of time that are counted again and again, ever more rarely, until they are closed.

Ids carry their time, so what happened to those of one slice can be counted by itself. A slice is
counted when it begins, and again each time when it has become twice as old: a dozen counts in a
week, most of them while it is young. Once it is closed it is never counted again.
"""

from collections.abc import Iterator


class Slices:
    """Which slices are to be counted. Times are Unix seconds; a slice is named by its begin."""

    def __init__(self, length_s: int, reach_s: float, period_s: float) -> None:
        self._length_s = length_s
        self._reach_s = reach_s
        self._period_s = period_s
        self._counted: dict[int, float] = {}
        self._closed: set[int] = set()

    @property
    def length_s(self) -> int:
        return self._length_s

    def due(self, now_s: float) -> Iterator[int]:
        """Give the slices to be counted now, the newest first; older than the reach are gone."""
        first = self.first(now_s)
        self._closed = {begin for begin in self._closed if begin >= first}
        self._counted = {begin: at for begin, at in self._counted.items() if begin >= first}
        newest = int(now_s) // self._length_s * self._length_s
        for begin in range(newest, first - 1, -self._length_s):
            if begin not in self._closed and self._is_due(begin, now_s):
                yield begin

    def first(self, now_s: float) -> int:
        """Give the oldest slice within the reach."""
        return int(now_s - self._reach_s) // self._length_s * self._length_s

    def count(self, begin: int, now_s: float) -> None:
        """Note that a slice was counted."""
        self._counted[begin] = now_s

    def close(self, begin: int) -> None:
        """Never count a slice again."""
        self._closed.add(begin)
        self._counted.pop(begin, None)

    def age_s(self, begin: int, now_s: float) -> float:
        """Give how long ago a slice ended; negative while it lasts."""
        return now_s - begin - self._length_s

    def _is_due(self, begin: int, now_s: float) -> bool:
        counted_at = self._counted.get(begin)
        if counted_at is None:
            return True
        return now_s - counted_at >= max(self._period_s, self.age_s(begin, counted_at))
