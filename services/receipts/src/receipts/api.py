"""The HTTP edge: a message's state for services, its story for people, and the balance."""

import json
from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import JSONResponse

from receipts.access import Access
from receipts.ledger.conservation import Conservation
from receipts.ledger.documents import Document
from receipts.ledger.ports import LedgerReader
from receipts.ledger.service import Ledger
from receipts.ledger.timeline import masked, meaning_of, timeline
from yizhan_contracts.events import Status
from yizhan_contracts.ids import MESSAGE_ID_PATTERN
from yizhan_runtime import Retryable
from yizhan_runtime.tokens import Holder

MessageId = Annotated[str, Path(pattern=MESSAGE_ID_PATTERN)]
T = TypeVar("T")
_MOST: Final = 50


def make_router(
    reader: LedgerReader, ledger: Ledger, conservation: Conservation, access: Access
) -> APIRouter:
    """Make the routes: two for accounts with a token of ingest's, all for operators."""
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

    @router.get("/v1/messages/{message_id}")
    async def story(
        message_id: MessageId, holder: Annotated[Holder, Depends(access.reader)]
    ) -> dict[str, Any]:
        """Tell all that is known of one message of the holder's account."""
        told = await or_unavailable(_story(reader, message_id))
        if told is None or not holder.may_read(_owner(told)):
            raise HTTPException(404, "no such message")
        return told

    @router.get("/v1/messages")
    async def stories(
        account_id: Annotated[str, Query(min_length=1, max_length=200)],
        reference: Annotated[str, Query(min_length=1, max_length=200)],
        holder: Annotated[Holder, Depends(access.reader)],
    ) -> dict[str, Any]:
        """Find an account's messages by the customer's own name for them, newest first."""
        if not holder.may_read(account_id):
            raise HTTPException(403, "this token is of another account")
        ids = await or_unavailable(reader.find_by_reference(account_id, reference, _MOST))
        told = [await or_unavailable(_story(reader, message_id)) for message_id in ids]
        return {"messages": [item for item in told if item is not None], "most": _MOST}

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


def _owner(told: Document) -> str:
    """Give the account of a story; "" (operators only) where its acceptance is not here yet."""
    return str(told["accepted"]["account_id"]) if told["accepted"] else ""


async def _story(reader: LedgerReader, message_id: str) -> Document | None:
    message = await reader.find_message(message_id)
    facts = await reader.find_facts(message_id)
    if message is None and not facts:
        return None
    settled = await reader.find_settled(message_id)
    return {
        "message_id": message_id,
        "accepted": _accepted(message) if message else None,
        "settled": _settled(settled) if settled else None,
        "timeline": timeline(facts),
    }


def _accepted(message: Document) -> Document:
    """Show an accepted message without its text, and its recipient masked."""
    shown = (
        "account_id",
        "reference",
        "batch_id",
        "template_id",
        "country",
        "lane",
        "charging_num",
        "test",
        "arrived_at",
        "accepted_at",
        "valid_until",
    )
    return {
        **{name: message[name] for name in shown if name in message},
        "recipient": masked(message["recipient"]),
        "policy": json.loads(message["policy"]),
        "origin": json.loads(message["origin"]),
    }


def _settled(settled: Document) -> Document:
    shown = (
        "status",
        "revision",
        "via",
        "reason",
        "carrier_code",
        "channel",
        "attempts",
        "sms",
        "delivered_at",
        "settled_at",
        "corrected_at",
    )
    told = {name: settled[name] for name in shown if name in settled}
    meaning = meaning_of(settled["reason"])
    return told | ({"meaning": meaning} if meaning else {})
