"""GET /v1/replies: what recipients sent back, by number or by account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Depends, HTTPException, Query

from receipts.access import Access
from receipts.api import or_unavailable
from receipts.ledger.timeline import masked
from yizhan_runtime import Clock
from yizhan_runtime.tokens import Holder

_MOST: Final = 100


class ReplyReader(Protocol):
    """Reads replies, newest first."""

    async def find_replies(
        self, wanted: Mapping[str, str], before: datetime, limit: int
    ) -> list[dict[str, Any]]:
        """Find by some of ``phone``, ``account_id``, ``conversation_id``."""
        ...


def make_replies_router(reader: ReplyReader, access: Access, clock: Clock) -> APIRouter:
    """Make the route: an account's own with a token of ingest's, any for operators."""
    router = APIRouter()

    @router.get("/v1/replies")
    async def replies(
        holder: Annotated[Holder, Depends(access.reader)],
        phone: Annotated[str, Query(max_length=16)] = "",
        account_id: Annotated[str, Query(max_length=200)] = "",
        conversation_id: Annotated[str, Query(max_length=32)] = "",
        before: Annotated[datetime | None, Query()] = None,
    ) -> dict[str, Any]:
        """Give the newest replies before a time: of a number, an account, a conversation."""
        named = {"phone": phone, "account_id": account_id, "conversation_id": conversation_id}
        wanted = {name: value for name, value in named.items() if value}
        if not wanted:
            raise HTTPException(
                422, "name a phone (E.164, + as %2B), an account_id or a conversation_id"
            )
        if not holder.may_read(account_id):
            raise HTTPException(403, "name the account that this token is of")
        until = before or clock.now()
        found = await or_unavailable(reader.find_replies(wanted, until, _MOST))
        return {"replies": [_shown(one) for one in found], "most": _MOST}

    return router


def _shown(reply: dict[str, Any]) -> dict[str, Any]:
    whose = ("account_id", "message_id", "reference", "conversation_id")
    names = (*whose, "to", "text", "channel", "received_at")
    return {"phone": masked(reply["phone"])} | {
        name: reply[name] for name in names if name in reply
    }
