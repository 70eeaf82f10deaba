"""Records as handlers see them, and how their bytes become events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiokafka import ConsumerRecord
from pydantic import BaseModel, ValidationError

from yizhan_runtime.errors import Poison

E = TypeVar("E")
M = TypeVar("M", bound=BaseModel)

Headers = tuple[tuple[str, bytes | None], ...]

HEADER_ORIGIN = "retry-origin"
HEADER_ATTEMPT = "retry-attempt"
HEADER_FIRST_SEEN = "retry-first-seen"
HEADER_NOT_BEFORE = "retry-not-before"
HEADER_REASON = "retry-reason"
HEADER_NULL_KEY = "null-key"
RETRY_HEADERS = frozenset(
    {HEADER_ORIGIN, HEADER_ATTEMPT, HEADER_FIRST_SEEN, HEADER_NOT_BEFORE, HEADER_REASON}
)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record, untouched. Topic without namespace; for a parked record the place where it first stood."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    attempt: int = 0
    """How often it has been parked."""
    first_seen_ms: int = 0
    not_before_ms: int = 0

    @property
    def origin(self) -> str:
        """``topic/partition/offset``: names the record for ever."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def header(self, name: str) -> bytes | None:
        """Give the first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Record(Generic[E]):
    """A record and the event it was parsed to."""

    raw: RawRecord
    event: E


@dataclass(frozen=True, slots=True)
class Parked:
    """A handler's word that a record is to be tried again after ``delay``, a key of ``topics.RETRY_DELAYS_S``.

    Order for its key is given up: later records of the key go ahead. ``counts=False`` is for waiting that is no
    failure (the handler bounds it itself): it does not use up the budget that ends in the DLQ.
    """

    record: Record[Any]
    reason: str
    delay: str = "5s"
    counts: bool = True


Parse = Callable[[RawRecord], E]


def contract(model: type[M]) -> Callable[[RawRecord], M]:
    """Make a parser of JSON records. Raises Poison, whose detail names fields and never values."""
    validate = model.__pydantic_validator__.validate_json

    def parse(raw: RawRecord) -> M:
        if raw.value is None:
            raise Poison("tombstone", "the record has no value")
        try:
            return validate(raw.value)  # type: ignore[no-any-return]
        except ValidationError as error:
            raise Poison("invalid", describe(error)) from None

    return parse


def describe(error: ValidationError) -> str:
    """Name each field that is wrong, and how; the values stay out, they may be personal."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(map(str, p['loc'])) or 'record'}: {p['msg']}" for p in problems[:5]
    )


def raw_of(record: "ConsumerRecord[Any, Any]", namespace: str) -> RawRecord:
    """Take a fetched record over, tolerating null and non-UTF-8 headers."""
    headers: Headers = tuple(record.headers)
    topic = record.topic.removeprefix(namespace)
    origin = (
        next((value for key, value in headers if key == HEADER_ORIGIN), None) if headers else None
    )
    if origin is not None:
        return _parked(record, headers, origin)
    return RawRecord(
        topic, record.partition, record.offset, record.key, record.value, headers, record.timestamp
    )


def _parked(record: "ConsumerRecord[Any, Any]", headers: Headers, origin: bytes) -> RawRecord:
    topic, partition, offset = origin.decode("ascii", "replace").rsplit("/", 2)
    kept = tuple(item for item in headers if item[0] not in RETRY_HEADERS)
    notes = {name: value or b"" for name, value in headers if name in RETRY_HEADERS}
    return RawRecord(
        topic,
        int(partition),
        int(offset),
        record.key,
        record.value,
        kept,
        record.timestamp,
        attempt=int(notes.get(HEADER_ATTEMPT, b"1")),
        first_seen_ms=int(notes.get(HEADER_FIRST_SEEN, b"0")),
        not_before_ms=int(notes.get(HEADER_NOT_BEFORE, b"0")),
    )
