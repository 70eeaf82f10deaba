"""What a dead letter says of itself, whatever stands in its headers."""

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
    own: Headers = (("a", None), ("a", b"\xff"), ("dlq-reason", b"theirs"), ("null-key", b"x"))
    assert letter((*own, *NOTES)).original_headers == own
    assert letter((*own, *NOTES, ("null-key", b"1"))).original_headers == own


def test_the_last_header_of_a_name_is_ours() -> None:
    foreign: Headers = (("dlq-origin", b"secrets/0/0"), ("dlq-reason", b"theirs"))
    one = letter((*foreign, *NOTES))
    assert one.reason == "invalid"
    assert one.origin == Origin("message.accepted.v1.bulk", 3, 42)


def test_without_a_readable_origin_it_has_none() -> None:
    for origin in (b"", b"x", b"x/1", b"/1/2", b"x/-1/2", b"x/1/two", b"\xff/a/b"):
        assert letter((("dlq-origin", origin),)).origin is None
    assert letter(()).origin is None
    assert letter((("dlq-origin", None),)).origin is None


def test_a_record_that_had_neither_key_nor_value_has_nothing_to_put_back() -> None:
    headers: Headers = (*NOTES, ("null-key", b"1"))
    assert letter(headers, key=b"", value=None).has_nothing
    assert not letter(NOTES, value=None).has_nothing
