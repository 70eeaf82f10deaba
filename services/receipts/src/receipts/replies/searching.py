"""Searching replies: by whom, to whose message, in which conversation, and by part of the text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol, Self

from receipts.log.budget import Budget
from receipts.log.cursors import broken
from receipts.log.domain import BadQuery
from yizhan_runtime import Clock, TooSlow

_BUDGET_S: Final = 0.8
_CHUNK: Final = 500
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
_MS_DIGITS: Final = 12

Document = Mapping[str, Any]


class Place(NamedTuple):
    """Where in the order of replies, which is by time and then by id: all below is older."""

    at: datetime
    reply_id: str

    @property
    def text(self) -> str:
        """Write it into a cursor."""
        return f"{round(self.at.timestamp() * 1000):0{_MS_DIGITS}x}{self.reply_id}"

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read it from a cursor. Raises BadQuery."""
        try:
            at = datetime.fromtimestamp(int(text[:_MS_DIGITS], 16) / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            raise broken() from None
        return cls(at, text[_MS_DIGITS:])

    @classmethod
    def of(cls, reply: Document) -> Self:
        return cls(reply["received_at"], reply["_id"])


class Key(NamedTuple):
    """The field whose index is walked, and its value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched for: one of the first four at least. "" asks nothing."""

    message_id: str = ""
    conversation_id: str = ""
    phone: str = ""
    account_id: str = ""
    text: str = ""
    """Part of the text, letter by letter but for case."""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def key(self) -> Key:
        """Choose the index that tells most. Raises BadQuery."""
        for name in ("message_id", "conversation_id", "phone", "account_id"):
            if value := getattr(self, name):
                return Key(name, value)
        raise BadQuery("name a phone, an account_id, a message_id or a conversation_id")

    def fits(self, reply: Document) -> bool:
        """Tell whether a reply is all that is wanted."""
        names = ("message_id", "conversation_id", "phone", "account_id")
        is_its = all(
            reply.get(name, "") == value for name in names if (value := getattr(self, name))
        )
        return is_its and self.text.casefold() in (reply.get("text") or "").casefold()


class ReplyPage(NamedTuple):
    """Some replies, newest first; from where to go on; and whether time was over before."""

    replies: list[Document]
    next: Place | None
    is_complete: bool


class ReplyReader(Protocol):
    """Reads replies by an index, newest first. Raises TooSlow and Retryable."""

    async def replies_before(
        self, key: Key, place: Place, since: datetime | None, limit: int, budget: Budget
    ) -> Sequence[Document]: ...


class ReplySearch:
    """Walks an index of replies, a chunk at a time, and stops when its time is over."""

    def __init__(self, reader: ReplyReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def search(self, wanted: Wanted, limit: int, place: Place | None = None) -> ReplyPage:
        """Give the newest replies below a place. Raises BadQuery, and Retryable."""
        key = wanted.key
        place = place or Place(wanted.until or _LATEST, "")
        budget = Budget(self._clock, _BUDGET_S)
        found: list[Document] = []
        while len(found) <= limit:
            try:
                chunk = await self._reader.replies_before(key, place, wanted.since, _CHUNK, budget)
            except TooSlow:
                return ReplyPage(found, place, is_complete=False)
            found += filter(wanted.fits, chunk)
            if len(chunk) < _CHUNK:
                break
            place = Place.of(chunk[-1])
        more = Place.of(found[limit - 1]) if len(found) > limit else None
        return ReplyPage(found[:limit], more, is_complete=True)

    async def of_message(self, message_id: str, limit: int) -> list[Document]:
        """Give the replies to one message, newest first."""
        return (await self.search(Wanted(message_id=message_id), limit)).replies
