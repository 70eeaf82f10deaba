"""What every event is made of: the base classes and the types of its fields."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from yizhan_contracts import ids


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time outside the years 1 to 9999") from error


def _has_utc(moment: datetime) -> datetime:
    _in_utc(moment)
    return moment


def _as_written(moment: object) -> object:
    # pydantic would read 20261123 as seconds since 1970 and guess seconds or milliseconds by size.
    if isinstance(moment, int | float) or (isinstance(moment, str) and "-" not in moment[4:5]):
        raise ValueError("a time is RFC 3339 with its offset, such as 2026-11-23T10:00:00+08:00")
    return moment


MessageId = Annotated[str, StringConstraints(pattern=ids.MESSAGE_ID_PATTERN)]
AttemptId = Annotated[str, StringConstraints(pattern=ids.ATTEMPT_ID_PATTERN)]
AttemptNumber = Annotated[int, Field(ge=1, le=99)]
E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Country = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}|[0-9]{3})$")]
CHANNEL_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,40}$"
ChannelName = Annotated[str, StringConstraints(pattern=CHANNEL_NAME_PATTERN)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]
LocalTime = Annotated[AwareDatetime, BeforeValidator(_as_written), AfterValidator(_has_utc)]
"""A time as upstream wrote it, its own offset kept: a template may want to show it so."""

NO_CHANNEL = "none"
"""The channel that takes what has no route, or is too late: its attempts are claimed and reported,
never sent."""


class Lane(StrEnum):
    """A million exam results in BULK never delay a parcel alert in STANDARD."""

    URGENT = "urgent"
    STANDARD = "standard"
    BULK = "bulk"


class Event(BaseModel):
    """What one record of a topic says: its topic, its key and, where it is sharded, its shard.

    ``TOPIC`` is the name of the topic, or of its family, without a namespace.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    TOPIC: ClassVar[str]

    schema_version: int = 1

    def topic(self) -> str:
        """Give the topic this one record belongs to, without a namespace."""
        return self.TOPIC

    def key(self) -> str:
        """Give the record's key."""
        raise NotImplementedError

    def shard(self) -> int | None:
        """Give the shard that places the record, or None where the key does."""
        return None


class Part(BaseModel):
    """A part of an event."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OfMessage(Event):
    """An event about one message: keyed and placed by the shard that the message's id carries."""

    message_id: MessageId

    def key(self) -> str:
        return ids.key_of_shard(ids.shard_of(self.message_id)).decode()

    def shard(self) -> int | None:
        return ids.shard_of(self.message_id)
