"""Cursors: what stands in them comes back, and what does not fit is refused with what to do."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.receipts.tests.unit.making import MESSAGE_ID, NOON

from receipts.log.cursors import Cursor, decode, encode
from receipts.log.domain import BadQuery

TIMES = st.none() | st.integers(1, 7_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


@given(st.text(min_size=1), TIMES, st.text())
def test_a_cursor_gives_back_what_was_put_in(position: str, since: datetime, query: str) -> None:
    position = position.encode("utf-8", "ignore").decode() or "p"
    cursor = Cursor(position, since)
    assert decode(encode(cursor, query), query) == cursor


def test_a_cursor_of_another_search_is_refused() -> None:
    text = encode(Cursor(MESSAGE_ID, NOON), "one")
    with pytest.raises(BadQuery, match="of another search"):
        decode(text, "another")


@given(st.text())
def test_anything_else_is_refused_and_never_breaks(text: str) -> None:
    with pytest.raises(BadQuery):
        decode(text, "one")


@given(st.binary(max_size=60), st.integers(0, 2**48 - 1))
def test_forged_cursors_are_read_or_refused(tail: bytes, since_ms: int) -> None:
    genuine = base64.urlsafe_b64decode(encode(Cursor("x", None), "one") + "==")
    forged = base64.urlsafe_b64encode(since_ms.to_bytes(6) + genuine[6:14] + tail).decode()
    try:
        decode(forged.rstrip("="), "one")
    except BadQuery as error:
        assert "none of ours" in str(error)  # noqa: PT017 - either is right
