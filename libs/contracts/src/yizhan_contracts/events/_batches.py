"""Batches: many messages of one request."""

from typing import Annotated

from pydantic import Field

from yizhan_contracts.events._base import Event, MessageId, Name, Utc


class BatchClosed(Event):
    """All messages of a batch are accepted: no more will come. Repeats say the same."""

    TOPIC = "batch.closed.v1"

    batch_id: Name
    account_id: Name
    total: Annotated[int, Field(ge=1)]
    message_ids: tuple[MessageId, ...]
    """All of them: who follows the batch needs no index over messages."""
    closed_at: Utc

    def key(self) -> str:
        return f"{self.account_id}/{self.batch_id}"
