"""Acknowledged pushes as documents: one for many messages."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from receipts.ledger import facts
from receipts.ledger.documents.fields import Document, in_ms
from receipts.ledger.facts import Kind


class Pushed(NamedTuple):
    """A word that a customer acknowledged."""

    message_id: str
    state: str
    at: datetime


def pushes_document(said: Sequence[tuple[str, str]], at: datetime) -> Document:
    """Write down at once what was acknowledged of many messages: ids, and a letter for each.

    One by one they would cost MongoDB as much as the messages themselves.
    """
    message_ids, states = [message_id for message_id, _ in said], [state for _, state in said]
    told = hashlib.sha256("".join(chain(message_ids, states)).encode()).hexdigest()
    return {
        "_id": f"{min(message_ids)}.{told[:16]}",
        "message_ids": message_ids,
        "states": "".join(states),
        "at": in_ms(at),
    }


def pushed_in(document: Mapping[str, Any]) -> Iterator[Pushed]:
    """Read back what ``pushes_document`` wrote."""
    at = document["at"]
    for message_id, state in zip(document["message_ids"], document["states"], strict=True):
        yield Pushed(message_id, state, at)


def pushed_fact(pushed: Pushed) -> Document:
    """Show an acknowledged push among a message's facts."""
    return {
        "_id": facts.pushed_id(pushed.message_id, pushed.state),
        "message_id": pushed.message_id,
        "kind": Kind.PUSHED.value,
        "state": pushed.state,
        "at": pushed.at,
    }
