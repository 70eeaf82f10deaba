"""Records that are begun and not ended, and how far a partition may be committed behind them."""

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from yizhan_runtime.aside import Aside
from yizhan_runtime.records import E, Record

End = Callable[["OpenRecord[Any]", Aside | None, bool], None]
"""Called once with the record, what is to be set aside of it, and whether it was abandoned."""


class OpenRecord(Generic[E]):
    """A record that is begun. Exactly one of ``finish``, ``park`` and ``abandon`` ends it."""

    __slots__ = ("_end", "_revoked", "record")

    def __init__(self, record: Record[E], end: End) -> None:
        self.record = record
        self._end: End | None = end
        self._revoked = False

    @property
    def is_open(self) -> bool:
        return self._end is not None

    @property
    def is_revoked(self) -> bool:
        """Its partition has gone: begin nothing, abandon it; what is begun may still finish."""
        return self._revoked

    def revoke(self) -> None:
        """Mark it: its partition goes, or the process does."""
        self._revoked = True

    def finish(self) -> None:
        """All of it is durable."""
        end, self._end = self._end, None
        if end is not None:
            end(self, None, False)  # noqa: FBT003 - the hot path: by position

    def park(
        self, reason: str, delay: str | None = "5s", *, error: str = "", counts: bool = True
    ) -> None:
        """Try it again after ``delay`` (None: to the DLQ). Open until it is durable there."""
        aside = Aside(self.record.raw, reason, error, delay, counts)
        end, self._end = self._end, None
        if end is not None:
            end(self, aside, False)  # noqa: FBT003

    def abandon(self) -> None:
        """Nothing was done: whoever owns the partition next reads it again.

        For records that are revoked. Of any other, nobody would read it again: it is parked.
        """
        end, self._end = self._end, None
        if end is not None:
            end(self, None, True)  # noqa: FBT003


class Begun(NamedTuple):
    """From which offset on records were begun, and when (monotonic)."""

    offset: int
    at: float


class OpenPartition:
    """The open offsets of one partition, in the order in which they were begun."""

    __slots__ = (
        "_begun",
        "committed",
        "consumer",
        "end",
        "frozen_at",
        "handled",
        "is_paused",
        "next_offset",
        "open",
        "topic",
        "tp",
    )

    def __init__(
        self, tp: TopicPartition, topic: str, consumer: AIOKafkaConsumer, offset: int
    ) -> None:
        self.tp = tp
        self.topic = topic
        self.consumer = consumer
        self.next_offset = self.committed = offset
        self.open: dict[int, OpenRecord[Any]] = {}
        self.frozen_at: int | None = None
        """The first abandoned offset: the watermark never passes it."""
        self.is_paused = False
        self.handled = 0
        """Finished and not yet counted in the metrics."""
        self.end: End
        self._begun: deque[Begun] = deque()

    def begin(self, offset: int, now: float) -> None:
        """Note when a batch began that starts at ``offset``."""
        self.open_since()  # forgets batches that have ended
        self._begun.append(Begun(offset, now))

    def add(self, opened: OpenRecord[Any]) -> None:
        offset = opened.record.raw.offset
        self.open[offset] = opened
        self.next_offset = offset + 1

    def close(self, opened: OpenRecord[Any], *, abandoned: bool = False) -> None:
        """Take a record out. By identity: a record read twice must not end its double."""
        offset = opened.record.raw.offset
        if self.open.get(offset) is opened:
            del self.open[offset]
        if abandoned and (self.frozen_at is None or offset < self.frozen_at):
            self.frozen_at = offset

    def low_watermark(self) -> int:
        """Give the offset up to which everything has ended."""
        low = next(iter(self.open), self.next_offset)
        return low if self.frozen_at is None else min(low, self.frozen_at)

    def span(self) -> int:
        """Give how many offsets a crash would replay at most."""
        return self.next_offset - self.low_watermark()

    def open_since(self) -> float | None:
        """Give when the oldest open record was begun."""
        if not self.open:
            self._begun.clear()
            return None
        oldest = next(iter(self.open))
        while len(self._begun) > 1 and self._begun[1].offset <= oldest:
            self._begun.popleft()
        return self._begun[0].at if self._begun else None
