"""The history of one message, as people read it: every fact in the order in which it happened.

A carrier's code stands raw beside the reason that it means, and the reason beside a sentence that
a developer can act on.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.ledger.conflicts import RULES, Conflict
from receipts.ledger.documents import Document, fact_of
from receipts.ledger.facts import Kind
from receipts.ledger.silence import Hold
from receipts.ledger.story import Attempt, State, conflicts_with, fold
from yizhan_contracts.events import ReceiptState
from yizhan_contracts.reasons import Reason
from yizhan_telecom.reasons import message_for

_LEFT_OUT: Final = frozenset(
    {"_id", "message_id", "carrier_key", "tried", "kind", "at", "requested_at", "decision"}
)
_SHOWN: Final = 4
ERASED: Final = "erased"
"""What is shown of a number, or a text, that is not kept any more."""
_HELD_BACK: Final = {
    Hold.MISSING: "Receipts of this channel are missing as a whole: it is waited for on.",
    Hold.GRACE: "Receipts of this channel are coming in again: its own may be among them.",
}
_REFUSALS: Final = frozenset({Kind.REFUSED, Kind.FAILED})


def timeline(facts: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Give the facts in order, their codes raw and translated, without anything personal."""
    state = fold(None, map(fact_of, facts))
    return [_entry(fact, state) for fact in sorted(facts, key=_order)]


def meaning_of(reason: str) -> str:
    """Say a reason in a sentence; "" where there is none to give."""
    return message_for(Reason(reason)) if reason else ""


def _order(fact: Mapping[str, Any]) -> tuple[datetime, str]:
    return _happened_at(fact), fact["_id"]


def _happened_at(fact: Mapping[str, Any]) -> datetime:
    """Give when it happened: the time of a call's request is kept beside the time it may take."""
    at: datetime = fact.get("requested_at", fact["at"])
    return at


def _entry(fact: Mapping[str, Any], state: State) -> Document:
    entry = {name: fact[name] for name in fact if name not in _LEFT_OUT}
    if fact["kind"] == Kind.CALL_REQUESTED:
        entry["wait_until"] = fact["at"]
    if "decision" in fact:
        entry["decision"] = json.loads(fact["decision"])
    if meaning := _meaning(fact):
        entry["meaning"] = meaning
    if conflicts := _conflicts(fact, state):
        entry["conflicts"] = {conflict.value: RULES[conflict] for conflict in conflicts}
    return {"at": _happened_at(fact), "what": fact["kind"]} | entry


def _meaning(fact: Mapping[str, Any]) -> str:
    if fact["kind"] == Kind.HELD_BACK:
        return _HELD_BACK[Hold(fact["state"])]
    return meaning_of(fact.get("reason", ""))


def _conflicts(fact: Mapping[str, Any], state: State) -> list[Conflict]:
    """Give the conflicts that a receipt, or a refusal, takes part in."""
    attempt = state.attempts.get(fact.get("n", 0))
    if attempt is None:
        return []
    found = conflicts_with(state, attempt.n)
    return [conflict for conflict in found if _takes_part(fact, conflict, attempt)]


def _takes_part(fact: Mapping[str, Any], conflict: Conflict, attempt: Attempt) -> bool:
    kind, state = fact["kind"], fact.get("state")
    is_delivery = kind == Kind.RECEIPT and state == ReceiptState.DELIVERED
    match conflict:
        case Conflict.TWO_FAILURES:
            return kind == Kind.RECEIPT and state == ReceiptState.FAILED
        case Conflict.DELIVERED_AND_FAILED:
            return is_delivery or (kind == Kind.RECEIPT and state == ReceiptState.FAILED)
        case Conflict.DELIVERED_THOUGH_REFUSED:
            return is_delivery or kind in _REFUSALS
        case Conflict.DELIVERED_TWICE:
            return is_delivery and attempt.delivered_at is not None


def masked(recipient: str) -> str:
    """Show the beginning and the end of a number, and hide four digits at least."""
    if not recipient:
        return ERASED
    shown = min(_SHOWN, max(0, len(recipient) - 2 * _SHOWN))
    hidden = len(recipient) - _SHOWN - shown
    return f"{recipient[:_SHOWN]}{'*' * hidden}{recipient[_SHOWN + hidden :]}"
