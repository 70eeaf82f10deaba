"""The ledger's collections, and the indexes that every query of them stands on."""

from typing import Final

from receipts.ledger.consequences import SettledBy
from receipts.ledger.facts import Kind
from yizhan_runtime import Index

MESSAGES: Final = "messages"
CONTENTS: Final = "contents"
"""Texts, and the events that they came in: apart, because they go before the rest does."""
FACTS: Final = "facts"
SETTLED: Final = "settled"
PUSHES: Final = "pushes"
"""What customers acknowledged: a document for many at once, found by each of its messages."""
EARLY: Final = "early_receipts"
CURSORS: Final = "cursors"

OF_CHANNEL: Final = (("channel", 1), ("receipt_due_at", 1))
IS_SUBMITTED: Final = {"kind": Kind.SUBMITTED.value}
_EXISTS: Final = {"$exists": True}

WEEKLY: Final[dict[str, tuple[Index, ...]]] = {
    MESSAGES: (
        Index((("check_at", 1), ("_id", 1))),
        Index((("account_id", 1), ("_id", 1))),
        Index((("account_id", 1), ("reference", 1), ("_id", 1)), partial={"reference": _EXISTS}),
        Index((("account_id", 1), ("batch_id", 1), ("_id", 1)), partial={"batch_id": _EXISTS}),
        # Replies, and people, ask by number.
        Index((("recipient", 1), ("_id", 1))),
    ),
    CONTENTS: (),
    FACTS: (
        Index((("message_id", 1),)),
        Index((("carrier_key", 1),), partial={"carrier_key": _EXISTS}),
        Index((("receipt_due_at", 1), ("_id", 1)), partial={"receipt_due_at": _EXISTS}),
        Index(OF_CHANNEL, partial=IS_SUBMITTED),
    ),
    SETTLED: (
        Index((("account_id", 1), ("status", 1), ("_id", 1))),
        Index((("settled_at", 1),), partial={"settled_by": SettledBy.FULL_SWEEP.value}),
    ),
    PUSHES: (Index((("message_ids", 1),)),),
}
INDEXES: Final[dict[str, tuple[Index, ...]]] = {
    EARLY: (
        Index((("carrier_key", 1),)),
        Index((("stored_at", 1), ("_id", 1))),
    ),
}
