"""GET /v1/replies: what recipients sent back, by number or by account."""

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
        self, phone: str, account_id: str, before: datetime, limit: int
    ) -> list[dict[str, Any]]: ...


def make_replies_router(reader: ReplyReader, access: Access, clock: Clock) -> APIRouter:
    """Make the route: an account's own with a token of ingest's, any for operators."""
    router = APIRouter()

    @router.get("/v1/replies")
    async def replies(
        holder: Annotated[Holder, Depends(access.reader)],
        phone: Annotated[str, Query(max_length=16)] = "",
        account_id: Annotated[str, Query(max_length=200)] = "",
        before: Annotated[datetime | None, Query()] = None,
    ) -> dict[str, Any]:
        """Give the newest replies before a time: of a number (E.164), of an account, or both."""
        if not phone and not account_id:
            raise HTTPException(422, "name a phone (E.164, + as %2B) or an account_id")
        if not holder.may_read(account_id):
            raise HTTPException(403, "name the account that this token is of")
        until = before or clock.now()
        found = await or_unavailable(reader.find_replies(phone, account_id, until, _MOST))
        return {"replies": [_shown(one) for one in found], "most": _MOST}

    return router


def _shown(reply: dict[str, Any]) -> dict[str, Any]:
    names = ("account_id", "message_id", "reference", "to", "text", "channel", "received_at")
    return {"phone": masked(reply["phone"])} | {
        name: reply[name] for name in names if name in reply
    }
