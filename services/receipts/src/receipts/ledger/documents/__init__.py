"""Between events, documents and what the domain knows: only here fields have names."""

from receipts.ledger.documents.facts import (
    FACT_FIELDS,
    attempt_fact,
    call_fact,
    call_requested_fact,
    carrier_key,
    early_document,
    fact_of,
    held_back_fact,
    keys_of_parts,
    matched_fact,
    receipt_fact,
    rerouted_fact,
)
from receipts.ledger.documents.fields import (
    Document,
    in_ms,
)
from receipts.ledger.documents.messages import (
    ACCEPTED_FIELDS,
    accepted_of,
    content_document,
    message_document,
)
from receipts.ledger.documents.pushes import (
    Pushed,
    pushed_fact,
    pushed_in,
    pushes_document,
)
from receipts.ledger.documents.settled import (
    settled_document,
    settled_event,
    sms_fields,
    verdict_fields,
)

__all__ = [
    "ACCEPTED_FIELDS",
    "FACT_FIELDS",
    "Document",
    "Pushed",
    "accepted_of",
    "attempt_fact",
    "call_fact",
    "call_requested_fact",
    "carrier_key",
    "content_document",
    "early_document",
    "fact_of",
    "held_back_fact",
    "in_ms",
    "keys_of_parts",
    "matched_fact",
    "message_document",
    "pushed_fact",
    "pushed_in",
    "pushes_document",
    "receipt_fact",
    "rerouted_fact",
    "settled_document",
    "settled_event",
    "sms_fields",
    "verdict_fields",
]
