"""What has been replayed of one DLQ partition, as it is remembered in a committed offset.

Everything below the offset, and what the commit's metadata names above it: operators pick records.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

MAX_METADATA = 4000
"""Kafka's default limit is 4,096 bytes (``offset.metadata.max.bytes``)."""


@dataclass(frozen=True)
class Replayed:
    """The offsets that were replayed: all below ``below``, and those in ``above``."""

    below: int = 0
    above: frozenset[int] = frozenset()

    def __contains__(self, offset: int) -> bool:
        return offset < self.below or offset in self.above

    def adding(self, offsets: Iterable[int], first: int = 0) -> "Replayed":
        """Remember more. What stood before ``first`` is gone from the topic: it counts as done."""
        done, below = self.above | set(offsets), max(self.below, first)
        while below in done:
            below += 1
        return Replayed(below, frozenset(offset for offset in done if offset > below))

    def metadata(self) -> str:
        """Write ``above`` as ranges, ``7,9-12``. What does not fit is forgotten, latest first."""
        text = ""
        for begin, end in _ranges(sorted(self.above)):
            longer = f"{text}{',' if text else ''}{begin}" + (f"-{end}" if end > begin else "")
            if len(longer) > MAX_METADATA:
                break
            text = longer
        return text

    @classmethod
    def parse(cls, offset: int, metadata: str | None) -> "Replayed":
        """Read a commit; one that nobody made, or that is not ours, remembers nothing above."""
        try:
            above = frozenset(_offsets(metadata or ""))
        except ValueError:
            above = frozenset()
        return cls(max(offset, 0), above)


def _ranges(offsets: list[int]) -> list[tuple[int, int]]:
    if not offsets:
        return []
    gaps = [(a, b) for a, b in pairwise(offsets) if b > a + 1]
    begins = [offsets[0], *(b for _, b in gaps)]
    ends = [*(a for a, _ in gaps), offsets[-1]]
    return list(zip(begins, ends, strict=True))


def _offsets(metadata: str) -> Iterable[int]:
    for part in metadata.split(",") if metadata else ():
        begin, _, end = part.partition("-")
        yield from range(int(begin), int(end or begin) + 1)
