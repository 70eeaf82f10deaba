"""What all documents share: how a time is written, and that what is empty is left out."""

from datetime import datetime
from typing import Any

Document = dict[str, Any]


def in_ms(moment: datetime) -> datetime:
    """Cut to milliseconds, as BSON does: what is published now and again later is the same."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def add_some(document: Document, **fields: object) -> None:
    """Leave empty fields out: a document costs by its size."""
    for name, value in fields.items():
        if value:
            document[name] = value
