"""What an export is: which messages, how they are shown, and how far it has come. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from yizhan_contracts.events import Country, Lane, Status
from yizhan_contracts.ids import first_message_id

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_SomeNames = Annotated[tuple[_Name, ...], Field(max_length=50)]
OPEN: Final = "open"
"""The status of a message that has not settled."""


class Format(StrEnum):
    """What the file is."""

    CSV = "csv"
    XLSX = "xlsx"


class State(StrEnum):
    """How far an export has come."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    ERASED = "erased"
    """It may have shown somebody who has been erased since: its file is gone."""


class ExportQuery(BaseModel):
    """Which messages: an account's, by the time of their ids, and what they must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: _Name
    since: datetime
    until: datetime
    status: tuple[Status | Literal["open"], ...] = ()
    country: tuple[Country, ...] = ()
    lane: tuple[Lane, ...] = ()
    channel: _SomeNames = ()
    template: _SomeNames = ()
    batch: str = Field(default="", max_length=200)
    reference: str = Field(default="", max_length=200)

    @property
    def after(self) -> str:
        """Give the id below which nothing is asked for."""
        return _just_below(self.since)

    @property
    def below(self) -> str:
        """Give the id from which on nothing is asked for."""
        return first_message_id(int(self.until.timestamp() * 1000))

    def takes(self, status: str, channel: str) -> bool:
        """Say whether what became of a message is what is asked for."""
        return (not self.status or status in self.status) and (
            not self.channel or channel in self.channel
        )


class Shown(BaseModel):
    """How the messages are shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    personal: bool = False
    """Whole phone numbers."""
    text: bool = False
    zone: str = ""
    """Of all times; empty: the zone that each message carries, its account's."""


class Export(NamedTuple):
    """One export, as it is stored."""

    export_id: str
    query: ExportQuery
    shown: Shown
    state: State
    created_at: datetime
    expires_at: datetime
    estimated: int
    """Messages in the range when it began; the filters may leave out some."""
    rows: int = 0
    parts: int = 0
    size: int = 0
    """Bytes that its parts take, compressed."""
    done_at: datetime | None = None
    error: str = ""
    tries: int = 0
    """Times that it was taken up since its last part."""
    scanned: int = 0


class Part(NamedTuple):
    """Some rows, in the order of ids, and where they end: stored in one step, so once."""

    n: int
    """1, 2, ..."""
    last_id: str
    """The last message that was looked at: the next part begins behind it."""
    is_last: bool
    rows: int
    scanned: int
    raw_size: int
    """Bytes before compression."""
    total_rows: int
    """Of this part and all before it."""
    total_scanned: int
    total_size: int
    data: bytes
    """zlib."""


BEGINNING: Final = Part(
    n=0,
    last_id="",
    is_last=False,
    rows=0,
    scanned=0,
    raw_size=0,
    total_rows=0,
    total_scanned=0,
    total_size=0,
    data=b"",
)


class PartSize(NamedTuple):
    """What is needed of a part to lay out a file."""

    n: int
    rows: int
    raw_size: int


def sheets_of(parts: Iterable[PartSize], most_rows: int, most_bytes: int) -> list[list[PartSize]]:
    """Deal parts to sheets, in order; there is one sheet at least."""
    sheets: list[list[PartSize]] = [[]]
    rows = size = 0
    for part in parts:
        if sheets[-1] and (rows + part.rows > most_rows or size + part.raw_size > most_bytes):
            sheets.append([])
            rows = size = 0
        sheets[-1].append(part)
        rows, size = rows + part.rows, size + part.raw_size
    return sheets


def key_of(asker: str, account_id: str, told: Sequence[str]) -> str:
    """Name a request so that its repeat is known; the asker's own key, or all that was asked."""
    return hashlib.sha256("\0".join((asker, account_id, *told)).encode()).hexdigest()


def _just_below(since: datetime) -> str:
    first = first_message_id(int(since.timestamp() * 1000))
    return f"{max(int(first, 16) - 1, 0):032x}"
