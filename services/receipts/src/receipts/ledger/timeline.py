"""The history of one message, as people read it: every fact in the order in which it happened."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.ledger.documents import Document
from receipts.ledger.facts import Kind

_LEFT_OUT: Final = frozenset(
    {"_id", "message_id", "carrier_key", "tried", "kind", "at", "requested_at", "decision"}
)
_SHOWN: Final = 4
ERASED: Final = "erased"
"""What is shown of a number, or a text, that is not kept any more."""


def timeline(facts: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Give the facts in order, their codes raw and translated, without anything personal."""
    return [_entry(fact) for fact in sorted(facts, key=_order)]


def _order(fact: Mapping[str, Any]) -> tuple[datetime, str]:
    return _happened_at(fact), fact["_id"]


def _happened_at(fact: Mapping[str, Any]) -> datetime:
    """Give when it happened: the time of a call's request is kept beside the time it may take."""
    at: datetime = fact.get("requested_at", fact["at"])
    return at


def _entry(fact: Mapping[str, Any]) -> Document:
    entry = {name: fact[name] for name in fact if name not in _LEFT_OUT}
    if fact["kind"] == Kind.CALL_REQUESTED:
        entry["wait_until"] = fact["at"]
    if "decision" in fact:
        entry["decision"] = json.loads(fact["decision"])
    return {"at": _happened_at(fact), "what": fact["kind"]} | entry


def masked(recipient: str) -> str:
    """Show the beginning and the end of a number, and hide four digits at least."""
    if not recipient:
        return ERASED
    shown = min(_SHOWN, max(0, len(recipient) - 2 * _SHOWN))
    hidden = len(recipient) - _SHOWN - shown
    return f"{recipient[:_SHOWN]}{'*' * hidden}{recipient[_SHOWN + hidden :]}"
