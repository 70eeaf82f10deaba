"""Whether receipts of a channel come at all, by its attempts in the ledger."""

from collections.abc import Collection
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from receipts.ledger.adapters.collections import FACTS, IS_SUBMITTED, OF_CHANNEL
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.facts import Kind
from receipts.ledger.feeds import Handed

_LONGEST_WAIT: Final = timedelta(days=8)
"""From a message's id until its receipt is due: its validity and the longest timeout, three days
each, and two to spare."""


class MongoFeeds:
    """Implements FeedStore."""

    def __init__(self, ledger: MongoLedger) -> None:
        self._weekly = ledger.weekly

    async def handed_over(
        self, channel: str, since: datetime, until: datetime, limit: int, *, newest: bool
    ) -> list[Handed]:
        query = {"channel": channel, "receipt_due_at": {"$gte": since, "$lt": until}}
        found = await self._weekly.find_in(
            FACTS,
            self._weekly.weeks(since - _LONGEST_WAIT, until),
            IS_SUBMITTED | query,
            sort=(("receipt_due_at", -1 if newest else 1),),
            limit=limit,
            fields=("message_id", "n", "at", "receipt_due_at"),
            hint=OF_CHANNEL,
        )
        handed = [Handed(d["message_id"], d["n"], d["at"], d["receipt_due_at"]) for d in found]
        return sorted(handed, key=attrgetter("due_at"), reverse=newest)[:limit]

    async def heard_of(self, message_ids: Collection[str]) -> set[tuple[str, int]]:
        found = await self._weekly.find_of(
            FACTS,
            message_ids,
            ("message_id", "n"),
            field="message_id",
            also={"kind": Kind.RECEIPT.value},
        )
        return {(document["message_id"], document["n"]) for document in found}
