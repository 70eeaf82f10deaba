"""What a dead letter says of itself, whatever stands in its headers."""

import pytest

from yizhan_cli.dead_letters import DeadLetter, Headers, Origin

NOTES: Headers = (
    ("dlq-reason", b"invalid"),
    ("dlq-error", b"recipient: too short"),
    ("dlq-origin", b"message.accepted.v1.bulk/3/42"),
    ("dlq-attempts", b"8"),
)


def letter(headers: Headers, key: bytes | None = b"k", value: bytes | None = b"v") -> DeadLetter:
    return DeadLetter(1, 7, 0, key, value, headers)


def test_it_says_why_and_where_it_stood() -> None:
    one = letter(NOTES)
    assert (one.place, one.reason, one.attempts) == ("1/7", "invalid", "8")
    assert one.origin == Origin("message.accepted.v1.bulk", 3, 42)
    assert one.original_headers == ()


def test_its_own_headers_come_back_as_they_were() -> None:
    own: Headers = (
        ("a", None),
        ("a", b"\xff"),
        *NOTES,
        ("dlq-reason", b"theirs"),
        ("null-key", b"x"),
    )
    assert letter((*own, *NOTES)).original_headers == own
    assert letter((*own, *NOTES, ("null-key", b"1"))).original_headers == own


def test_notes_that_a_foreign_record_brought_are_its_own() -> None:
    foreign: Headers = (("dlq-origin", b"secrets/0/0"), ("dlq-reason", b"theirs"))
    one = letter((*foreign, *NOTES))
    assert one.reason == "invalid"
    assert one.origin == Origin("message.accepted.v1.bulk", 3, 42)
    assert letter(foreign).origin is None
    assert letter(foreign).original_headers == foreign


@pytest.mark.parametrize("origin", [b"", b"x", b"x/1", b"/1/2", b"x/-1/2", b"x/1/two", b"\xff/a/b"])
def test_without_a_readable_origin_it_has_none(origin: bytes) -> None:
    one = letter((*NOTES[:2], ("dlq-origin", origin), NOTES[3]))
    assert one.origin is None
    assert "where it stood" in one.unfit


@pytest.mark.parametrize(
    ("note", "unfit"), [("null-key", "neither key nor value"), ("dlq-cut", "beginning")]
)
def test_what_is_not_whole_is_not_put_back(note: str, unfit: str) -> None:
    assert unfit in letter((*NOTES, (note, b"1")), key=b"", value=None).unfit
    assert not letter(NOTES, value=None).unfit
