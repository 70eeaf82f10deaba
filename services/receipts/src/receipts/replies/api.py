"""GET /v1/replies and /v1/conversations: what recipients sent back, alone and with our messages."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException
from fastapi import Query as InQuery

from receipts.access import Access, account_for, audit, sight_of
from receipts.api import or_unavailable
from receipts.log.as_of import SaysAsOf
from receipts.log.asking import AskedOfConversation, AskedOfReplies, refused
from receipts.log.cursors import Cursor, decode, encode
from receipts.log.domain import BadQuery
from receipts.replies.conversations import Between, Conversations, Moment
from receipts.replies.searching import Place, ReplySearch, Wanted
from receipts.replies.shown import (
    ConversationShown,
    ReplyPageShown,
    entry_shown,
    reply_row,
)
from yizhan_runtime.tokens import Holder

_ADVICE: Final = (
    "narrow the range (since, until): time was over before all of it was searched. `next` goes on "
    "from here"
)


def make_replies_router(
    search: ReplySearch, conversations: Conversations, as_of: SaysAsOf, access: Access
) -> APIRouter:
    """Make the routes: an account's own with a token of ingest's, any for operators."""
    router = APIRouter(tags=["replies"])

    @router.get("/v1/replies", summary="Search replies")
    async def replies(
        holder: Annotated[Holder, Depends(access.reader)],
        asked: Annotated[AskedOfReplies, InQuery()],
    ) -> ReplyPageShown:
        """Give replies by phone, account, message or conversation, newest first."""
        complete = as_of.now()
        # Operators may ask by phone, message or conversation alone.
        account_id = account_for(holder, asked.account_id)
        sight = sight_of(holder, unmasked=asked.unmasked, texts=asked.is_with_text)
        # Whether a text holds something tells what it says.
        sight_of(holder, unmasked=False, texts=bool(asked.text))
        identity = asked.identity(account_id)
        try:
            wanted, place = _begin(asked, account_id, identity)
            page = await or_unavailable(search.search(wanted, asked.limit, place))
        except BadQuery as error:
            raise refused(error) from None
        audit(holder, sight, "replies", len(page.replies))
        return ReplyPageShown(
            replies=[reply_row(one, sight) for one in page.replies],
            next=encode(Cursor(page.next.text, wanted.since), identity) if page.next else None,
            complete=page.is_complete,
            advice="" if page.is_complete else _ADVICE,
            as_of=complete,
        )

    @router.get("/v1/conversations", summary="Show what was written in both directions")
    async def conversation(
        holder: Annotated[Holder, Depends(access.reader)],
        asked: Annotated[AskedOfConversation, InQuery()],
    ) -> ConversationShown:
        """Give an account's messages to a number and the replies from it, newest first."""
        complete = as_of.now()
        account_id = account_for(holder, asked.account_id)
        if not asked.phone or not account_id:
            raise HTTPException(422, "name a phone (E.164, + as %2B) and an account_id")
        sight = sight_of(holder, unmasked=asked.unmasked, texts=asked.is_with_text)
        identity = asked.identity(account_id)
        try:
            between, before = _between(asked, account_id, identity)
            page = await or_unavailable(
                conversations.page(between, asked.limit, before, with_text=asked.is_with_text)
            )
        except BadQuery as error:
            raise refused(error) from None
        audit(holder, sight, "conversations", len(page.entries))
        return ConversationShown(
            entries=[entry_shown(entry, sight) for entry in page.entries],
            next=encode(Cursor(page.next.text, between.since), identity) if page.next else None,
            as_of=complete,
        )

    return router


def _begin(asked: AskedOfReplies, account_id: str, identity: str) -> tuple[Wanted, Place | None]:
    """Give what is wanted, and where to go on. Raises BadQuery."""
    since, position = _continued(asked.cursor, asked.since, identity)
    wanted = Wanted(
        message_id=asked.message_id,
        conversation_id=asked.conversation_id,
        phone=asked.phone,
        account_id=account_id,
        text=asked.text,
        since=since,
        until=asked.until,
    )
    return wanted, Place.of_text(position) if position else None


def _between(
    asked: AskedOfConversation, account_id: str, identity: str
) -> tuple[Between, Moment | None]:
    """Give whose conversation it is, and where to go on. Raises BadQuery."""
    since, position = _continued(asked.cursor, asked.since, identity)
    between = Between(
        account_id=account_id,
        phone=asked.phone,
        sender=asked.sender,
        since=since,
        until=asked.until,
    )
    return between, Moment.of_text(position) if position else None


def _continued(text: str, since: datetime | None, identity: str) -> tuple[datetime | None, str]:
    if not text:
        return since, ""
    cursor = decode(text, identity)
    return cursor.since, cursor.position
