"""What an account and one person wrote each other, both directions in the order of time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, Self

from receipts.log.cursors import broken
from receipts.log.domain import Query
from receipts.log.ports import Found
from receipts.log.service import MessageLog
from receipts.replies.domain import conversation_id_of
from receipts.replies.searching import Place, ReplySearch, Wanted
from yizhan_contracts import ids


class Moment(NamedTuple):
    """A place in a conversation: by time; of the same millisecond, messages before replies."""

    at_ms: int
    is_reply: bool
    entry_id: str

    @property
    def text(self) -> str:
        """Write it into a cursor."""
        return f"{self.at_ms:012x}{'r' if self.is_reply else 'm'}{self.entry_id}"

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read it from a cursor. Raises BadQuery."""
        try:
            moment = cls(int(text[:12], 16), {"r": True, "m": False}[text[12:13]], text[13:])
        except (ValueError, KeyError):
            raise broken() from None
        if not moment.is_reply and not ids.is_message_id(moment.entry_id):
            raise broken()
        return moment

    @property
    def messages_below(self) -> str:
        """Give the message id below which all messages are before this."""
        return ids.first_message_id(self.at_ms + 1) if self.is_reply else self.entry_id

    @property
    def replies_below(self) -> Place:
        at = datetime.fromtimestamp(self.at_ms / 1000, UTC)
        return Place(at, self.entry_id if self.is_reply else "")


class Entry(NamedTuple):
    """One thing that was written: a message of ours, or a reply."""

    moment: Moment
    ours: str
    """The sender that the message really had, or the number that the reply went to."""
    conversation_id: str
    message: Found | None = None
    reply: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Whose conversation, when, and through which sender of ours ("": any)."""

    account_id: str
    phone: str
    sender: str = ""
    since: datetime | None = None
    until: datetime | None = None


class ConversationPage(NamedTuple):
    """Some entries, newest first, and from where to go on. It may be empty and not the last."""

    entries: list[Entry]
    next: Moment | None


class SenderStore(Protocol):
    """Knows under which sender messages went out."""

    async def senders_of(self, message_ids: Sequence[str]) -> Mapping[str, str]: ...


class Conversations:
    """Merges the log's messages to a number with the replies from it."""

    def __init__(self, log: MessageLog, replies: ReplySearch, senders: SenderStore) -> None:
        self._log = log
        self._replies = replies
        self._senders = senders

    async def page(
        self, between: Between, limit: int, before: Moment | None = None, *, with_text: bool
    ) -> ConversationPage:
        """Give what was written before a moment. Raises Retryable."""
        sent, horizon = await self._sent(between, limit, before, with_text=with_text)
        came, horizon_of_replies = await self._came(between, limit, before)
        ends = [one for one in (horizon, horizon_of_replies) if one is not None]
        # Below the later end one of the two directions is not known: it is for the next page.
        end = max(ends, default=None)
        entries = sorted((*sent, *came), reverse=True, key=_moment)
        entries = [one for one in entries if end is None or one.moment >= end]
        if len(entries) > limit:
            entries = entries[:limit]
            end = entries[-1].moment
        wanted = conversation_id_of(between.account_id, between.phone, between.sender)
        if between.sender:
            entries = [one for one in entries if one.conversation_id == wanted]
        return ConversationPage(entries, end)

    async def _sent(
        self, between: Between, limit: int, before: Moment | None, *, with_text: bool
    ) -> tuple[list[Entry], Moment | None]:
        """Give messages, and the moment below which there may be more."""
        query = Query(
            account_id=between.account_id,
            phone=between.phone,
            since=between.since,
            until=between.until,
        )
        below = before.messages_below if before else None
        page = await self._log.search(query, limit, below, with_text=with_text)
        senders = await self._senders.senders_of([found.message_id for found in page.rows])
        entries = [
            Entry(
                _moment_of_id(found.message_id),
                senders.get(found.message_id, ""),
                _conversation(between, senders.get(found.message_id, "")),
                message=found,
            )
            for found in page.rows
        ]
        return entries, _moment_of_id(page.position) if page.position else None

    async def _came(
        self, between: Between, limit: int, before: Moment | None
    ) -> tuple[list[Entry], Moment | None]:
        wanted = Wanted(
            phone=between.phone,
            account_id=between.account_id,
            since=between.since,
            until=between.until,
        )
        page = await self._replies.search(wanted, limit, before.replies_below if before else None)
        entries = [
            Entry(_moment_of(Place.of(one)), one["to"], one.get("conversation_id", ""), reply=one)
            for one in page.replies
        ]
        return entries, _moment_of(page.next) if page.next else None


def _conversation(between: Between, sender: str) -> str:
    """Name the conversation of a message: none before it was handed over under some sender."""
    return conversation_id_of(between.account_id, between.phone, sender) if sender else ""


def _moment(entry: Entry) -> Moment:
    return entry.moment


def _moment_of_id(message_id: str) -> Moment:
    return Moment(ids.created_ms_of(message_id), is_reply=False, entry_id=message_id)


def _moment_of(place: Place) -> Moment:
    return Moment(round(place.at.timestamp() * 1000), is_reply=True, entry_id=place.reply_id)
