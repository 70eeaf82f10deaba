"""What an export shows, read from the ledger: by the account's index, then by ids."""

import asyncio
from typing import Any, Final

from receipts.exports.columns import Told
from receipts.exports.domain import OPEN, ExportQuery
from receipts.exports.ports import Page
from receipts.ledger.adapters.mongo import MongoLedger

_MESSAGE_FIELDS: Final = (
    "reference",
    "recipient",
    "country",
    "lane",
    "batch_id",
    "template_id",
    "charging_num",
    "time_zone",
    "accepted_at",
)
_SETTLED_FIELDS: Final = (
    "status",
    "reason",
    "carrier_code",
    "channel",
    "via",
    "attempts",
    "settled_at",
    "delivered_at",
)
_NOTHING: Final[dict[str, Any]] = {}


class LedgerRows:
    """Implements MessageRows."""

    def __init__(self, ledger: MongoLedger) -> None:
        self._ledger = ledger

    async def refresh(self) -> None:
        await self._ledger.weekly.parts()

    async def rows(
        self, query: ExportQuery, after: str, limit: int, *, with_text: bool
    ) -> Page | None:
        messages = await self._ledger.messages_of_account(
            query.account_id, after, query.below, limit, _MESSAGE_FIELDS, _of_messages(query)
        )
        if not messages:
            return None
        ids = [message["_id"] for message in messages]
        settled, texts = await asyncio.gather(
            self._ledger.settled_of(ids, _SETTLED_FIELDS),
            self._texts_of(ids, with_text=with_text),
        )
        told = [
            Told(message, ending, texts.get(message["_id"]))
            for message in messages
            for ending in (settled.get(message["_id"], _NOTHING),)
            if query.takes(ending.get("status", OPEN), ending.get("channel", ""))
        ]
        return Page(told, len(messages), ids[-1])

    async def _texts_of(self, ids: list[str], *, with_text: bool) -> dict[str, str]:
        return await self._ledger.texts_of(ids) if with_text else {}

    async def count(self, query: ExportQuery) -> int:
        return await self._ledger.count_of_account(
            query.account_id, query.after, query.below, _indexed(query)
        )


def _indexed(query: ExportQuery) -> dict[str, Any]:
    """Give the filters that have an index of their own."""
    own = {"batch_id": query.batch, "reference": query.reference}
    return {name: value for name, value in own.items() if value}


def _of_messages(query: ExportQuery) -> dict[str, Any]:
    several = {"country": query.country, "lane": query.lane, "template_id": query.template}
    return _indexed(query) | {
        name: {"$in": list(values)} for name, values in several.items() if values
    }
