"""The columns of an export, and a message as one row of them. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from receipts.exports.domain import OPEN, Shown
from receipts.ledger.timeline import ERASED, masked
from yizhan_contracts.events import Status
from yizhan_contracts.reasons import Reason
from yizhan_telecom.reasons import BEHAVIOURS

Cell = str | int | datetime | None
Row = tuple[Cell, ...]


class Sort(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"


class Column(NamedTuple):
    """A column, and its width in characters."""

    name: str
    sort: Sort = Sort.TEXT
    width: int = 14


class Told(NamedTuple):
    """All that the ledger tells of a message: its documents, the last two where there are any."""

    message: Mapping[str, Any]
    settled: Mapping[str, Any]
    text: str | None
    """None: it is not kept any more, or was not asked for."""


COLUMNS: Final = (
    Column("message_id", width=34),
    Column("reference", width=24),
    Column("phone", width=17),
    Column("country", width=8),
    Column("status", width=10),
    Column("reason", width=20),
    Column("reason_text", width=40),
    Column("carrier_code"),
    Column("channel"),
    Column("via", width=6),
    Column("template"),
    Column("batch", width=24),
    Column("lane", width=10),
    Column("accepted_at", Sort.TIME, 20),
    Column("settled_at", Sort.TIME, 20),
    Column("delivered_at", Sort.TIME, 20),
    Column("attempts", Sort.NUMBER, 9),
    Column("charging_num", Sort.NUMBER, 13),
)
TEXT: Final = Column("text", width=80)


def columns_of(shown: Shown) -> tuple[Column, ...]:
    """Give the columns of an export."""
    return (*COLUMNS, TEXT) if shown.text else COLUMNS


def row_maker(shown: Shown) -> Callable[[Told], Row]:
    """Give what makes rows. Times are local ones, of the zone asked for or the message's own."""
    phone = _whole if shown.personal else masked
    asked = ZoneInfo(shown.zone) if shown.zone else None

    def make(told: Told) -> Row:
        message, settled = told.message, told.settled.get
        zone = asked or _zone(message["time_zone"])
        status, reason = settled("status", OPEN), settled("reason", "")
        row: Row = (
            message["_id"],
            message.get("reference", ""),
            phone(message["recipient"]),
            message["country"],
            status,
            reason,
            _words(reason) if reason and status != Status.DELIVERED else "",
            settled("carrier_code", ""),
            settled("channel", ""),
            settled("via", ""),
            message.get("template_id", ""),
            message.get("batch_id", ""),
            message["lane"],
            message["accepted_at"].astimezone(zone),
            _local(settled("settled_at"), zone),
            _local(settled("delivered_at"), zone),
            settled("attempts"),
            message["charging_num"],
        )
        return (*row, ERASED if told.text is None else told.text) if shown.text else row

    return make


def _whole(phone: str) -> str:
    return phone or ERASED


def _local(at: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if at is None else at.astimezone(zone)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=256)
def _words(reason: str) -> str:
    return BEHAVIOURS[Reason(reason)].message
