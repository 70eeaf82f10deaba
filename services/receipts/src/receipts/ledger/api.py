"""What operators ask of the ledger: whose receipts are missing, and which found no attempt."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query

from receipts.access import Access
from receipts.api import or_unavailable
from receipts.ledger.documents import Document
from receipts.ledger.feeds import Feeds
from receipts.ledger.unmatched import UnmatchedReader
from yizhan_runtime import Clock

_MOST: Final = 200
_SHOWN: Final = (
    "channel",
    "carrier_account",
    "carrier_message_id",
    "state",
    "reason",
    "carrier_code",
    "country",
    "received_at",
    "stored_at",
    "aged_at",
)


def make_operating_router(
    feeds: Feeds, unmatched: UnmatchedReader, access: Access, clock: Clock
) -> APIRouter:
    """Make the routes: for operators only."""
    router = APIRouter(dependencies=[Depends(access.operator)])

    @router.get("/v1/feeds")
    async def list_feeds() -> dict[str, Any]:
        """Tell of each channel of which anything was overdue whether its receipts come."""
        return {"feeds": [feed._asdict() for feed in feeds.all()]}

    @router.get("/v1/receipts/unmatched")
    async def list_unmatched(
        channel: Annotated[str, Query(max_length=41)] = "",
        before: Annotated[datetime | None, Query()] = None,
    ) -> dict[str, Any]:
        """Tell which receipts were given up, the newest first: no attempt was ever known."""
        found = await or_unavailable(
            unmatched.find_unmatched(channel, before or clock.now(), _MOST)
        )
        return {"receipts": [_shown(one) for one in found], "most": _MOST}

    return router


def _shown(receipt: Document) -> Document:
    return {name: receipt[name] for name in _SHOWN if name in receipt}
