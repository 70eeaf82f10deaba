"""Records in, use cases called: what receipts reads, and nothing else. No logic."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from receipts.ledger.catching_up import CatchingUp
from receipts.ledger.service import Ledger
from receipts.push.announcing import Hearing
from receipts.push.batches import Batches
from receipts.replies.service import Replies
from yizhan_contracts import topics
from yizhan_contracts.events import (
    AccountNotified,
    AttemptFinished,
    BatchClosed,
    MessageAccepted,
    MessageSettled,
    ReceiptReceived,
    ReplyReceived,
    VoiceFinished,
    VoiceRequested,
)
from yizhan_runtime import BatchRoute, Parked, Record, WindowRoute, contract

LEDGER_GROUP: Final = "receipts"
PUSH_GROUP: Final = "receipts-push"
REPLIES_GROUP: Final = "receipts-replies"
EVENTS_GROUP: Final = "receipts-events"


def ledger_routes(ledger: Ledger, catching_up: CatchingUp) -> list[BatchRoute[Any]]:
    """Route what the ledger keeps. Each returns when all of its batch is stored and published."""

    def note(records: Sequence[Record[Any]]) -> None:
        catching_up.saw(record.raw.timestamp_ms for record in records)

    async def on_message_accepted(records: Sequence[Record[MessageAccepted]]) -> Iterable[Parked]:
        note(records)
        await ledger.record_accepted([(r.event, r.raw.value or b"") for r in records])
        return ()

    async def on_attempt_finished(records: Sequence[Record[AttemptFinished]]) -> Iterable[Parked]:
        note(records)
        await ledger.record_attempts([record.event for record in records])
        return ()

    async def on_receipt_received(records: Sequence[Record[ReceiptReceived]]) -> Iterable[Parked]:
        note(records)
        await ledger.record_receipts([record.event for record in records])
        return ()

    async def on_voice_finished(records: Sequence[Record[VoiceFinished]]) -> Iterable[Parked]:
        note(records)
        await ledger.record_calls([record.event for record in records])
        return ()

    accepted = tuple(topic.name for topic in topics.MESSAGE_ACCEPTED)
    return [
        BatchRoute(accepted, contract(MessageAccepted), on_message_accepted),
        BatchRoute((topics.ATTEMPT_FINISHED.name,), contract(AttemptFinished), on_attempt_finished),
        BatchRoute((topics.RECEIPT_RECEIVED.name,), contract(ReceiptReceived), on_receipt_received),
        BatchRoute((topics.VOICE_FINISHED.name,), contract(VoiceFinished), on_voice_finished),
    ]


def reply_route(replies: Replies) -> BatchRoute[Any]:
    """Route what recipients send back."""

    async def on_reply_received(records: Sequence[Record[ReplyReceived]]) -> Iterable[Parked]:
        await replies.record([record.event for record in records])
        return ()

    return BatchRoute((topics.REPLY_RECEIVED.name,), contract(ReplyReceived), on_reply_received)


def event_routes(hearing: Hearing, batches: Batches) -> list[BatchRoute[Any]]:
    """Route what accounts are told as events, beside replies."""

    async def on_voice_finished(records: Sequence[Record[VoiceFinished]]) -> Iterable[Parked]:
        await hearing.hear_calls([record.event for record in records])
        return ()

    async def on_account_notified(records: Sequence[Record[AccountNotified]]) -> Iterable[Parked]:
        await hearing.hear_notices([record.event for record in records])
        return ()

    async def on_batch_closed(records: Sequence[Record[BatchClosed]]) -> Iterable[Parked]:
        await batches.hear_closed([record.event for record in records])
        return ()

    notified = (topics.ACCOUNT_NOTIFIED.name,)
    return [
        BatchRoute((topics.VOICE_FINISHED.name,), contract(VoiceFinished), on_voice_finished),
        BatchRoute(notified, contract(AccountNotified), on_account_notified),
        BatchRoute((topics.BATCH_CLOSED.name,), contract(BatchClosed), on_batch_closed),
    ]


def push_routes() -> list[WindowRoute[Any]]:
    """Route what asks for a push."""
    return [
        WindowRoute((topics.MESSAGE_SETTLED.name,), contract(MessageSettled)),
        WindowRoute((topics.VOICE_REQUESTED.name,), contract(VoiceRequested)),
    ]
