"""GET /v1/log: messages, and what became of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from fastapi import Query as InQuery

from receipts.access import Access, account_for, audit, sight_of
from receipts.api import or_unavailable
from receipts.log.as_of import SaysAsOf
from receipts.log.asking import AskedOfLog, refused
from receipts.log.cursors import Cursor, broken, decode, encode
from receipts.log.domain import DEFAULT_REACH, BadQuery, Query
from receipts.log.service import MessageLog, Page
from receipts.log.shown import LogPage, row_of
from yizhan_contracts import ids
from yizhan_runtime import Clock
from yizhan_runtime.tokens import Holder

_ADVICE: Final = (
    "narrow the range (since, until), or name a phone, reference or batch: time was over before "
    "all of it was searched. `next` goes on from here"
)


def make_log_router(log: MessageLog, as_of: SaysAsOf, access: Access, clock: Clock) -> APIRouter:
    """Make the route: an account's own with a token of ingest's, any for operators."""
    router = APIRouter(tags=["log"])

    @router.get("/v1/log", summary="Search the message log")
    async def search(
        holder: Annotated[Holder, Depends(access.reader)],
        asked: Annotated[AskedOfLog, InQuery()],
    ) -> LogPage:
        """Give messages by phone, reference, batch, or account and time range, newest first.

        An account alone is searched for the last 24 hours. Filters look within the range; a search
        that takes too long stops, gives what it found, and says how far it is.
        """
        # Asked before the stores are read: they may know more by then, never less.
        complete = as_of.now()
        account_id = account_for(holder, asked.account_id)
        sight = sight_of(holder, unmasked=asked.unmasked, texts=asked.is_with_text)
        # Whether a text holds something tells what it says.
        sight_of(holder, unmasked=False, texts=bool(asked.text))
        identity = asked.identity(account_id)
        try:
            query, position = _begin(asked, account_id, identity, clock.now())
            page = await or_unavailable(
                log.search(query, asked.limit, position, with_text=asked.is_with_text)
            )
        except BadQuery as error:
            raise refused(error) from None
        audit(holder, sight, "log", len(page.rows))
        return LogPage(
            messages=[row_of(found, sight) for found in page.rows],
            next=encode(Cursor(page.position, query.since), identity) if page.position else None,
            complete=page.searched_until is None,
            searched_until=_time_of(page, query, clock.now()),
            advice="" if page.searched_until is None else _ADVICE,
            since=query.since,
            until=query.until,
            as_of=complete,
        )

    return router


def _begin(
    asked: AskedOfLog, account_id: str, identity: str, now: datetime
) -> tuple[Query, str | None]:
    """Give the query with its range, and where to go on. Raises BadQuery."""
    query = asked.query(account_id)
    if asked.cursor:
        cursor = decode(asked.cursor, identity)
        if not ids.is_message_id(cursor.position):
            raise broken()
        return replace(query, since=cursor.since), cursor.position
    if query.is_by_account_alone and query.since is None:
        query = replace(query, since=(query.until or now) - DEFAULT_REACH)
    return query, None


def _time_of(page: Page, query: Query, now: datetime) -> datetime | None:
    """Give the time that was searched back to: now, where nothing was looked at."""
    if page.searched_until is None:
        return None
    latest = query.until or now
    at_ms = min(ids.created_ms_of(page.searched_until), int(latest.timestamp() * 1000))
    return datetime.fromtimestamp(at_ms / 1000, UTC)
