"""The HTTP edge of the ledger: a message's state for services, and the balance."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import JSONResponse

from receipts.access import Access
from receipts.ledger.conservation import Conservation
from receipts.ledger.service import Ledger
from yizhan_contracts.events import Status
from yizhan_contracts.ids import MESSAGE_ID_PATTERN
from yizhan_runtime import Retryable

MessageId = Annotated[str, Path(pattern=MESSAGE_ID_PATTERN)]
T = TypeVar("T")


def make_router(ledger: Ledger, conservation: Conservation, access: Access) -> APIRouter:
    """Make the routes, for operators and services."""
    router = APIRouter()
    everything = [Depends(access.operator)]

    @router.get("/internal/v1/messages/{message_id}/state", dependencies=everything)
    async def state(message_id: MessageId) -> dict[str, Any]:
        """Say whether a message is still open: asked between a call's claim and the dial."""
        known = (await or_unavailable(ledger.look([message_id])))[message_id]
        if known.settled is not None:
            return {"open": False, "status": known.settled["status"]}
        if known.state.delivery is not None:
            return {"open": False, "status": Status.DELIVERED}
        if known.state.accepted is None:
            raise HTTPException(404, "no such message")
        return {"open": True, "status": None}

    @router.get("/v1/conservation", dependencies=everything)
    async def balance(
        since: Annotated[datetime | None, Query()] = None,
        until: Annotated[datetime | None, Query()] = None,
    ) -> JSONResponse:
        """Count accepted = settled + in flight, from the ids in the stores."""
        return JSONResponse(await or_unavailable(conservation.count(since, until)))

    return router


async def or_unavailable(answer: Awaitable[T]) -> T:
    """Give an answer of the stores, or 503."""
    try:
        return await answer
    except Retryable as error:
        raise HTTPException(503, "the ledger cannot be read now", {"Retry-After": "1"}) from error
