"""Long messages come in parts; they count as one message once all parts are there."""

from typing import Generic, NamedTuple, TypeVar

_OPEN_MOST = 10_000

P = TypeVar("P")


class PartKey(NamedTuple):
    """What the parts of one message have in common."""

    sender: str
    to: str
    reference: int
    total: int


class Assembly(Generic[P]):
    """Messages of which not all parts came yet, the newest 10,000; older ones are forgotten."""

    def __init__(self) -> None:
        self._open: dict[PartKey, dict[int, P]] = {}
        self.twice = 0
        """Parts that came again while their message was not whole."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, key: PartKey, number: int, part: P) -> list[P]:
        """Keep a part; return all parts in order when it was the last one missing, else none."""
        parts = self._open.setdefault(key, {})
        self.twice += number in parts
        parts[number] = part
        if len(parts) < key.total:
            if len(self._open) > _OPEN_MOST:
                del self._open[next(iter(self._open))]
            return []
        del self._open[key]
        return [parts[number] for number in sorted(parts)]
