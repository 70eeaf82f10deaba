"""GET /v1/messages: the trace of one message, and of all that a customer calls by one name."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Query

from receipts.access import Access, Sight, account_for, audit, sight_of
from receipts.api import MessageId, or_unavailable
from receipts.ledger.documents import Document
from receipts.log.as_of import SaysAsOf
from receipts.log.trace import Trace
from yizhan_runtime.tokens import Holder

_MOST: Final = 50

Unmasked = Annotated[
    bool, Query(description="Whole numbers: for operators, who are logged. Accounts: scope.")
]
With = Annotated[
    Literal["", "text"], Query(alias="with", description="`text`: wants read:personal.")
]


def make_trace_router(trace: Trace, as_of: SaysAsOf, access: Access) -> APIRouter:
    """Make the routes: an account's own with a token of ingest's, any for operators."""
    router = APIRouter(tags=["log"])

    @router.get("/v1/messages/{message_id}", summary="Trace a message")
    async def story(
        message_id: MessageId,
        holder: Annotated[Holder, Depends(access.reader)],
        unmasked: Unmasked = False,  # noqa: FBT002 - FastAPI's way
        shows: With = "",
    ) -> dict[str, Any]:
        """Tell all that is known of one message: accepted, settled, every fact, replies."""
        complete, sight = as_of.now(), _sight(holder, shows, unmasked=unmasked)
        told = await or_unavailable(trace.story(message_id, sight))
        if told is None or not holder.may_read(_owner(told)):
            raise HTTPException(404, "no such message")
        audit(holder, sight, "trace", 1)
        return told | {"as_of": complete}

    @router.get("/v1/messages", summary="Trace an account's messages by its own name for them")
    async def stories(
        account_id: Annotated[str, Query(min_length=1, max_length=200)],
        reference: Annotated[str, Query(min_length=1, max_length=200)],
        holder: Annotated[Holder, Depends(access.reader)],
        unmasked: Unmasked = False,  # noqa: FBT002 - FastAPI's way
        shows: With = "",
    ) -> dict[str, Any]:
        """Tell all of the newest 50 messages with this reference, newest first."""
        complete, sight = as_of.now(), _sight(holder, shows, unmasked=unmasked)
        account = account_for(holder, account_id)
        told = await or_unavailable(trace.stories(account, reference, _MOST, sight))
        audit(holder, sight, "trace", len(told))
        return {"messages": told, "most": _MOST, "as_of": complete}

    return router


def _sight(holder: Holder, shows: str, *, unmasked: bool) -> Sight:
    return sight_of(holder, unmasked=unmasked, texts=shows == "text")


def _owner(told: Document) -> str:
    """Give the account of a story; "" (operators only) where its acceptance is not here yet."""
    return str(told["accepted"]["account_id"]) if told["accepted"] else ""
