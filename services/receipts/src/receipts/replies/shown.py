"""Replies and conversations as they are shown: whole or masked."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from receipts.access import Sight
from receipts.ledger.timeline import masked
from receipts.log.as_of import AsOf
from receipts.log.shown import Row, row_of
from receipts.replies.conversations import Entry
from receipts.replies.searching import ReplySearch


class ReplyRow(BaseModel):
    """What a recipient sent back."""

    reply_id: str
    account_id: str = Field(description="Empty: it answers nothing of ours.")
    message_id: str
    reference: str
    conversation_id: str
    phone: str = Field(description="E.164, masked without the right to see it.")
    to: str
    channel: str
    received_at: datetime
    text: str | None = Field(description="Null: not asked for, or erased.")


class ReplyPageShown(BaseModel):
    """A page of replies, newest first."""

    replies: list[ReplyRow]
    next: str | None = Field(description="Ask again with it as `cursor`; null at the end.")
    complete: bool = Field(description="False: time was over before the page was full.")
    advice: str
    as_of: AsOf


class EntryShown(BaseModel):
    """A message of ours, or a reply."""

    direction: Literal["sent", "received"]
    at: datetime
    conversation_id: str
    ours: str = Field(description="The sender that the message had, or the number replied to.")
    message: Row | None
    reply: ReplyRow | None


class ConversationShown(BaseModel):
    """A page of a conversation, newest first."""

    entries: list[EntryShown]
    next: str | None = Field(
        description="Ask again with it as `cursor`; null at the end. A page may be short before it."
    )
    as_of: AsOf


def reply_row(reply: Mapping[str, Any], sight: Sight) -> ReplyRow:
    """Show a reply."""
    phone = reply.get("phone", "")
    return ReplyRow(
        reply_id=reply["_id"],
        account_id=reply["account_id"],
        message_id=reply.get("message_id", ""),
        reference=reply.get("reference", ""),
        conversation_id=reply.get("conversation_id", ""),
        phone=phone if sight.numbers else masked(phone),
        to=reply["to"],
        channel=reply["channel"],
        received_at=reply["received_at"],
        text=reply.get("text") if sight.texts else None,
    )


class RepliesTo:
    """The replies to a message, for its trace."""

    def __init__(self, search: ReplySearch) -> None:
        self._search = search

    async def __call__(self, message_id: str, limit: int, sight: Sight) -> list[dict[str, Any]]:
        found = await self._search.of_message(message_id, limit)
        return [reply_row(one, sight).model_dump() for one in found]


def entry_shown(entry: Entry, sight: Sight) -> EntryShown:
    """Show one thing that was written."""
    return EntryShown(
        direction="sent" if entry.message else "received",
        at=datetime.fromtimestamp(entry.moment.at_ms / 1000, UTC),
        conversation_id=entry.conversation_id,
        ours=entry.ours,
        message=row_of(entry.message, sight) if entry.message else None,
        reply=reply_row(entry.reply, sight) if entry.reply else None,
    )
