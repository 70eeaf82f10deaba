"""Records as handlers see them, and how their bytes become events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiokafka import ConsumerRecord
from pydantic import BaseModel, ValidationError

from yizhan_contracts.topics import RETRY_DELAYS_S
from yizhan_runtime.errors import Poison

E = TypeVar("E")
M = TypeVar("M", bound=BaseModel)

Headers = tuple[tuple[str, bytes | None], ...]


# Nothing writes to these two. To have Python enforce it (frozen) costs 2.4 us a record.
@dataclass(slots=True, unsafe_hash=True)
class RawRecord:
    """One record, untouched. Topic without namespace; for a parked record, where it first stood."""

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
    group: str = ""
    """The consumer group that parked it: a service may have several on one topic."""

    @property
    def origin(self) -> str:
        """``topic/partition/offset``: names the record for ever."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def header(self, name: str) -> bytes | None:
        """Give the first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True, unsafe_hash=True)
class Record(Generic[E]):
    """A record and the event it was parsed to."""

    raw: RawRecord
    event: E


@dataclass(frozen=True, slots=True)
class Parked:
    """A handler's word that a record is to be tried again after ``delay`` (topics.RETRY_DELAYS_S).

    Order for its key is given up: later records of the key go ahead. ``counts=False`` is for
    waiting that is no failure (the handler bounds it itself): it does not use up the budget that
    ends in the DLQ.
    """

    record: Record[Any]
    reason: str
    delay: str = "5s"
    counts: bool = True

    def __post_init__(self) -> None:
        check_delay(self.delay)


Parse = Callable[[RawRecord], E]


def check_delay(delay: str | None) -> None:
    """Raise ValueError for a delay that has no topic; None is the DLQ."""
    if delay is not None and delay not in RETRY_DELAYS_S:
        raise ValueError(f"there is no retry topic {delay!r}, only {', '.join(RETRY_DELAYS_S)}")


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


def raw_of(record: "ConsumerRecord[Any, Any]", topic: str) -> RawRecord:
    """Take a fetched record over as it is; header values may be null, or anything."""
    return RawRecord(
        topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        record.headers,
        record.timestamp,
    )
