"""Things filed under a key that should come once, and may come again."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Repeats(Generic[T]):
    """Items by key in order of arrival; knows which keys came more than once.

    A key's first item costs one dictionary entry: hundreds of thousands of keys stay cheap.
    """

    def __init__(self) -> None:
        self._first: dict[str, T] = {}
        self._again: dict[str, list[T]] = {}

    def __len__(self) -> int:
        return len(self._first)

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def add(self, key: str, item: T) -> None:
        if key not in self._first:
            self._first[key] = item
        else:
            self._again.setdefault(key, []).append(item)

    def of(self, key: str) -> list[T]:
        """Return the items of a key, none when it never came."""
        if key not in self._first:
            return []
        return [self._first[key], *self._again.get(key, ())]

    def last(self, key: str) -> T:
        """Return the newest item of a key that came."""
        again = self._again.get(key)
        return again[-1] if again else self._first[key]

    def twice(self) -> list[str]:
        """Return the keys that came more than once."""
        return list(self._again)
