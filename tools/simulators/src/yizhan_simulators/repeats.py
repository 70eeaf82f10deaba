"""Things filed under a key that should come once, and may come again."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 500_000
"""Keys that are remembered, unless told otherwise: about 250 MB of messages."""

_NAMES_OF_TWICE = 100_000


class Repeats(Generic[T]):
    """Items by key in order of arrival; knows which keys came more than once.

    The newest `kept` keys are remembered at least, and at most twice as many; of the older ones
    only how many they were: `len` counts all that ever came. A key that comes again after it was
    forgotten counts as new.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._first: dict[str, T] = {}
        self._older: dict[str, T] = {}
        self._again: dict[str, list[T]] = {}
        self._twice: dict[str, None] = {}
        self._forgotten = 0

    def __len__(self) -> int:
        return self._forgotten + len(self._older) + len(self._first)

    def __iter__(self) -> Iterator[str]:
        yield from self._older
        yield from self._first

    def __contains__(self, key: str) -> bool:
        return key in self._first or key in self._older

    def add(self, key: str, item: T) -> None:
        if key in self._first or key in self._older:
            self._again.setdefault(key, []).append(item)
            if len(self._twice) < _NAMES_OF_TWICE:
                self._twice[key] = None
        else:
            self._first[key] = item
            if len(self._first) >= self._kept:  # by halves: one by one costs 4 us each
                self._forget_older()

    def of(self, key: str) -> list[T]:
        """Return the items of a key, none when it never came or is forgotten."""
        if key not in self:
            return []
        first = self._first[key] if key in self._first else self._older[key]
        return [first, *self._again.get(key, ())]

    def last(self, key: str) -> T:
        """Return the newest item of a key that came."""
        return self.of(key)[-1]

    def forgot(self, count: int) -> None:
        """Count keys that came before anything that is known here."""
        self._forgotten += count

    def twice(self) -> list[str]:
        """Return the keys that came more than once, the first 100,000 of them."""
        return list(self._twice)

    def _forget_older(self) -> None:
        for key in self._again.keys() & self._older.keys():
            del self._again[key]
        self._forgotten += len(self._older)
        self._older, self._first = self._first, {}
