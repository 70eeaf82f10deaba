"""The trace of one message: all that is known of it, in one answer."""

import asyncio
import json
from collections.abc import Sequence
from typing import Final, Protocol

from receipts.access import Sight
from receipts.ledger.documents import Document
from receipts.ledger.ports import LedgerReader
from receipts.ledger.timeline import masked, timeline
from receipts.log.shown import meaning_of_end

_MOST_REPLIES: Final = 100
_OF_ACCEPTED: Final = (
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
_OF_SETTLED: Final = (
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


class RepliesTo(Protocol):
    """Finds the replies to a message, as they are shown."""

    async def __call__(self, message_id: str, limit: int, sight: Sight) -> Sequence[Document]: ...


class WaitingPushes(Protocol):
    """Finds what is still to be pushed of a message, or was given up."""

    async def of_message(self, message_id: str) -> Sequence[Document]: ...


class Trace:
    """Tells stories. What was pushed and acknowledged stands in the timeline, too."""

    def __init__(self, reader: LedgerReader, replies: RepliesTo, pushes: WaitingPushes) -> None:
        self._reader = reader
        self._replies = replies
        self._pushes = pushes

    async def story(self, message_id: str, sight: Sight) -> Document | None:
        """Tell all that is known; None where nothing is. Raises Retryable."""
        message, facts, settled = await asyncio.gather(
            self._reader.find_message(message_id),
            self._reader.find_facts(message_id),
            self._reader.find_settled(message_id),
        )
        if message is None and not facts:
            return None
        replies, pushes = await asyncio.gather(
            self._replies(message_id, _MOST_REPLIES, sight), self._pushes.of_message(message_id)
        )
        return {
            "message_id": message_id,
            "accepted": _accepted(message, sight) if message else None,
            "text": await self._reader.find_text(message_id) if sight.texts else None,
            "settled": _settled(settled) if settled else None,
            "timeline": timeline(facts),
            "waiting_pushes": list(pushes),
            "replies": list(replies),
        }

    async def stories(
        self, account_id: str, reference: str, limit: int, sight: Sight
    ) -> list[Document]:
        """Tell of an account's messages by its own name for them, newest first."""
        ids = await self._reader.find_by_reference(account_id, reference, limit)
        told = await asyncio.gather(*(self.story(message_id, sight) for message_id in ids))
        return [story for story in told if story is not None]


def _accepted(message: Document, sight: Sight) -> Document:
    phone = message.get("recipient", "")
    return {
        **{name: message[name] for name in _OF_ACCEPTED if name in message},
        "recipient": phone if sight.numbers else masked(phone),
        "policy": json.loads(message["policy"]),
        "origin": json.loads(message["origin"]),
    }


def _settled(settled: Document) -> Document:
    told = {name: settled[name] for name in _OF_SETTLED if name in settled}
    return told | {"meaning": meaning_of_end(settled)}
