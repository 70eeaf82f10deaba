"""Where a search goes on: a position, the far end of its range, and whose search it is.

A cursor says nothing that its holder was not shown, and opens nothing: every page is asked for with
a token, and the query is checked anew. So it is not signed, only refused where it does not fit.
"""

import base64
import binascii
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, NamedTuple

from receipts.log.domain import BadQuery

_SINCE: Final = 6
_OF: Final = 8
_HEAD: Final = _SINCE + _OF


class Cursor(NamedTuple):
    """What stands in a cursor."""

    position: str
    """What follows is before it, in the words of whoever searches."""
    since: datetime | None
    """The beginning of the range, as it was on the first page: "the last 24 hours" moves on."""


def encode(cursor: Cursor, query: str) -> str:
    """Write a cursor for the query that it belongs to, both as text."""
    since_ms = 0 if cursor.since is None else round(cursor.since.timestamp() * 1000)
    raw = since_ms.to_bytes(_SINCE) + _digest(query) + cursor.position.encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str, query: str) -> Cursor:
    """Read a cursor back. Raises BadQuery for what is none, and for another query's."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        position = raw[_HEAD:].decode()
    except (binascii.Error, ValueError):
        raise broken() from None
    if not position:
        raise broken()
    if raw[_SINCE:_HEAD] != _digest(query):
        raise BadQuery(
            "this cursor is of another search: repeat all that was asked for on the first page, or "
            "begin anew without a cursor"
        )
    since_ms = int.from_bytes(raw[:_SINCE])
    try:
        since = datetime.fromtimestamp(since_ms / 1000, UTC) if since_ms else None
    except (ValueError, OverflowError, OSError):
        raise broken() from None
    return Cursor(position, since)


def broken() -> BadQuery:
    """Say that a cursor cannot be read."""
    return BadQuery("this cursor is none of ours: take `next` of the page before as it is")


def _digest(query: str) -> bytes:
    return blake2b(query.encode("utf-8", "replace"), digest_size=_OF).digest()
