"""Setting records aside, with their original bytes: parked on a retry topic, or dead-lettered.

What a record needs to come back travels with it, in headers written here and read here
(``returned``), behind its own headers. A header of that name among its own means nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import ConsumerRecord

from yizhan_contracts.topics import RETRY_DELAYS_S
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Fatal, Poison
from yizhan_runtime.publisher import MAX_ASIDE_RECORD_BYTES, Outgoing, Publisher, size_of
from yizhan_runtime.records import Headers, RawRecord, check_delay

BUDGET = ("5s", "5s", "5s", "60s", "60s", "60s", "60s", "60s")
"""The delays of a failing record before it is dead-lettered: some five minutes in all."""

_ORIGIN = "retry-origin"
_GROUP = "retry-group"
_ATTEMPT = "retry-attempt"
_FIRST_SEEN = "retry-first-seen"
_NOT_BEFORE = "retry-not-before"
_REASON = "retry-reason"
_NULL_KEY = "null-key"
_CUT = "dlq-cut"
_NOTES = (_ORIGIN, _GROUP, _ATTEMPT, _FIRST_SEEN, _NOT_BEFORE, _REASON)


@dataclass(frozen=True, slots=True)
class Aside:
    """A record to be set aside: ``delay`` names a retry topic, None is the DLQ."""

    raw: RawRecord
    reason: str
    error: str = ""
    delay: str | None = None
    counts: bool = True
    group: str = ""
    """Whose record it is, where a service has several groups on one topic."""

    def __post_init__(self) -> None:
        check_delay(self.delay)


class DlqLimit:
    """Stops a consumer of internal topics that sees mostly poison: a bad deploy, not bad records.

    Raises Fatal when, of the last ``window`` records or so, at least ``minimum`` and more than
    half were poison.
    """

    def __init__(self, *, window: int = 500, minimum: int = 50) -> None:
        self._recent: deque[tuple[int, int]] = deque()
        self._window = window
        self._minimum = minimum
        self._poison = 0
        self._records = 0

    def saw(self, poison: int, good: int) -> None:
        """Count a batch, once, before its poison is set aside."""
        self._recent.append((poison, poison + good))
        self._poison += poison
        self._records += poison + good
        while self._records - self._recent[0][1] >= self._window:
            gone_poison, gone = self._recent.popleft()
            self._poison -= gone_poison
            self._records -= gone
        if self._poison >= self._minimum and self._poison * 2 > self._records:
            raise Fatal(
                f"{self._poison} of the last {self._records} records could not be read: "
                "stopping instead of moving a whole topic to the DLQ"
            )


class SetAside:
    """Parks and dead-letters the records of one service."""

    def __init__(self, service: str, publisher: Publisher, clock: Clock) -> None:
        self._service = service
        self._publisher = publisher
        self._clock = clock

    async def put(self, asides: Sequence[Aside]) -> None:
        """Make all of them durable where they belong. Raises as Publisher does."""
        await self._publisher.publish_records([self._outgoing(aside) for aside in asides])

    def next_delay(self, raw: RawRecord) -> str | None:
        """Give the delay before a failing record's next try, None when its budget is used up."""
        return BUDGET[raw.attempt] if raw.attempt < len(BUDGET) else None

    def delay_within_budget(self, raw: RawRecord, delay: str | None, *, counts: bool) -> str | None:
        """Give the delay a handler asked for, None (the DLQ) when this record has had its tries."""
        return delay if not counts or self.next_delay(raw) is not None else None

    def _outgoing(self, aside: Aside) -> Outgoing:
        if aside.delay is None:
            record = _record(aside.raw, f"{self._service}.dlq", _dlq_notes(aside))
            return record if size_of(record) <= MAX_ASIDE_RECORD_BYTES else _cut(record, aside)
        topic = f"{self._service}.retry.{aside.delay}"
        record = _record(aside.raw, topic, self._retry_notes(aside, aside.delay))
        if size_of(record) <= MAX_ASIDE_RECORD_BYTES:
            return record
        return self._outgoing(replace(aside, delay=None))

    def _retry_notes(self, aside: Aside, delay: str) -> Headers:
        raw, now_ms = aside.raw, int(self._clock.now().timestamp() * 1000)
        return (
            (_ORIGIN, _bytes(raw.origin, 1000)),
            (_GROUP, _bytes(aside.group, 1000)),
            (_ATTEMPT, b"%d" % (raw.attempt + aside.counts)),
            (_FIRST_SEEN, b"%d" % (raw.first_seen_ms or now_ms)),
            (_NOT_BEFORE, b"%d" % (now_ms + int(RETRY_DELAYS_S[delay] * 1000))),
            (_REASON, _bytes(aside.reason, 200)),
        )


def _dlq_notes(aside: Aside) -> Headers:
    return (
        ("dlq-reason", _bytes(aside.reason, 200)),
        ("dlq-error", _bytes(aside.error, 1000)),
        ("dlq-origin", _bytes(aside.raw.origin, 1000)),
        ("dlq-attempts", b"%d" % aside.raw.attempt),
    )


def _bytes(text: str, longest: int) -> bytes:
    # A lone surrogate out of somebody's JSON must not keep its record out of the DLQ.
    return text.encode("utf-8", "replace")[:longest]


def _record(raw: RawRecord, topic: str, notes: Headers) -> Outgoing:
    key = raw.key
    if key is None and raw.value is None:
        # aiokafka refuses to write a record with neither; other clients do write them.
        key, notes = b"", (*notes, (_NULL_KEY, b"1"))
    return Outgoing(topic, key, raw.value, None, (*raw.headers, *notes))


def _cut(record: Outgoing, aside: Aside) -> Outgoing:
    """Keep the head of what no DLQ takes whole: a foreign topic may allow more than ours."""
    notes = (*_dlq_notes(aside), (_CUT, b"%d" % size_of(record)))
    bare = Outgoing(record.topic, (record.key or b"")[:1000], b"", None, notes)
    room = MAX_ASIDE_RECORD_BYTES - size_of(bare)
    return replace(bare, value=(record.value or b"")[:room])


def returned(fetched: "ConsumerRecord[Any, Any]", topic: str) -> RawRecord:
    """Restore a parked record from a retry topic. Raises Poison where the notes are not ours."""
    own, notes = _split(fetched.headers)
    try:
        place, partition, offset = _text(notes, _ORIGIN).rsplit("/", 2)
        return RawRecord(
            place,
            int(partition),
            int(offset),
            None if _NULL_KEY in notes else fetched.key,
            fetched.value,
            own,
            fetched.timestamp,
            attempt=int(_text(notes, _ATTEMPT)),
            first_seen_ms=int(_text(notes, _FIRST_SEEN)),
            not_before_ms=int(_text(notes, _NOT_BEFORE)),
            group=_text(notes, _GROUP),
        )
    except (KeyError, ValueError):
        raise Poison("not-parked", f"a record on {topic} without the headers of one") from None


def _split(headers: Headers) -> tuple[Headers, dict[str, bytes]]:
    """Part a record's own headers from the notes that were put behind them."""
    end = len(headers) - (bool(headers) and headers[-1][0] == _NULL_KEY)
    begin = max(end - len(_NOTES), 0)
    if tuple(name for name, _ in headers[begin:end]) != _NOTES:
        return headers, {}
    return headers[:begin], {name: value or b"" for name, value in headers[begin:]}


def _text(notes: dict[str, bytes], name: str) -> str:
    return notes[name].decode("ascii")
