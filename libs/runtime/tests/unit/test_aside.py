"""Setting aside: headers, budget, sizes, and the way back."""

from typing import Any

import pytest
from libs.runtime.tests.support import START_MS, Surroundings, fetched, refetched

from yizhan_runtime.aside import BUDGET, Aside, returned
from yizhan_runtime.errors import Poison
from yizhan_runtime.publisher import MAX_ASIDE_RECORD_BYTES, Outgoing, size_of
from yizhan_runtime.records import Parked, RawRecord, Record, raw_of


def raw(value: bytes | None = b"v", **fields: Any) -> RawRecord:
    return raw_of(fetched([value], first=7, partition=2, **fields)[0], "in")


async def put(*asides: Aside) -> list[Outgoing]:
    around = Surroundings()
    await around.context.aside.put(asides)
    return around.publisher.records


async def test_a_dead_letter_has_its_bytes_its_reason_and_its_origin() -> None:
    own = (("null", None), ("raw", b"\xff"))
    [dead] = await put(Aside(raw(b"\xff\x00", key=b"\xfe", headers=own), "invalid", "why"))
    assert (dead.topic, dead.key, dead.value) == ("voice-fallback.dlq", b"\xfe", b"\xff\x00")
    assert dead.headers[:2] == own
    assert dict(dead.headers[2:]) == {
        "dlq-reason": b"invalid",
        "dlq-error": b"why",
        "dlq-origin": b"in/2/7",
        "dlq-attempts": b"0",
    }


async def test_a_parked_record_comes_back_as_it_was() -> None:
    own = (("x", b"1"), ("null", None))
    before = raw(headers=own)
    [parked] = await put(Aside(before, "later", delay="60s", group="g"))
    after = returned(refetched([parked], "t.voice-fallback.retry.60s")[0], "r")
    assert parked.topic == "voice-fallback.retry.60s"
    assert (after.origin, after.key, after.value) == ("in/2/7", before.key, before.value)
    assert (after.headers, after.group, after.attempt) == (own, "g", 1)
    assert (after.first_seen_ms, after.not_before_ms) == (START_MS, START_MS + 60_000)


async def test_first_seen_and_the_attempts_travel_on() -> None:
    [once] = await put(Aside(raw(), "later", delay="5s"))
    back = returned(refetched([once], "r")[0], "r")
    [twice] = await put(Aside(back, "later", delay="5s"))
    [waiting] = await put(Aside(back, "later", delay="5s", counts=False))
    assert returned(refetched([twice], "r")[0], "r").attempt == 2
    assert returned(refetched([waiting], "r")[0], "r").attempt == 1
    assert returned(refetched([twice], "r")[0], "r").first_seen_ms == back.first_seen_ms


@pytest.mark.parametrize("delay", [None, "5s"])
async def test_a_record_without_key_and_value_can_be_set_aside(delay: str | None) -> None:
    [aside] = await put(Aside(raw(None, key=None), "tombstone", delay=delay))
    assert (aside.key, aside.value) == (b"", None)
    assert aside.headers[-1] == ("null-key", b"1")
    if delay:
        back = returned(refetched([aside], "r")[0], "r")
        assert (back.key, back.value, back.headers) == (None, None, ())


async def test_headers_that_look_like_ours_mean_nothing() -> None:
    theirs = (("retry-origin", b"message.accepted.v1.bulk/0/5"), ("null-key", b"1"))
    [parked] = await put(Aside(raw(headers=theirs), "later", delay="5s"))
    back = returned(refetched([parked], "r")[0], "r")
    assert (back.origin, back.headers, back.key) == ("in/2/7", theirs, b"k")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("retry-origin", b"no slashes"),),
        (("retry-origin", b"in/0/1"), ("retry-attempt", b"one")),
        (("retry-origin", None),),
    ],
)
def test_a_record_that_was_not_parked_is_poison(headers: Any) -> None:
    with pytest.raises(Poison, match="not-parked"):
        returned(fetched([b"v"], headers=headers)[0], "voice-fallback.retry.5s")


async def test_notes_that_are_damaged_are_poison() -> None:
    [parked] = await put(Aside(raw(), "later", delay="5s"))
    for name in ("retry-attempt", "retry-not-before", "retry-origin"):
        damaged = tuple((n, b"\xff" if n == name else v) for n, v in parked.headers)
        with pytest.raises(Poison):
            returned(fetched([b"v"], headers=damaged)[0], "r")


async def test_an_error_that_utf8_cannot_hold_does_not_keep_a_record_out_of_the_dlq() -> None:
    [dead] = await put(Aside(raw(), "invalid", "half a character: \ud800"))
    assert dict(dead.headers)["dlq-error"] == b"half a character: ?"


async def test_what_no_dlq_takes_whole_is_cut_and_says_so() -> None:
    huge = raw(b"x" * 6_000_000, headers=(("big", b"y" * 3_000_000),))
    [dead] = await put(Aside(huge, "invalid"))
    assert dead.value is not None
    assert size_of(dead) <= MAX_ASIDE_RECORD_BYTES
    assert len(dead.value) > 4_000_000
    assert int(dict(dead.headers)["dlq-cut"] or b"") > 9_000_000


async def test_what_is_too_large_to_be_parked_whole_is_dead_lettered() -> None:
    [dead] = await put(Aside(raw(b"x" * 6_000_000), "later", delay="5s"))
    assert dead.topic == "voice-fallback.dlq"


def test_the_budget_ends_in_the_dlq() -> None:
    aside = Surroundings().context.aside
    tries = [
        aside.next_delay(RawRecord("in", 0, 0, None, None, (), 0, attempt=n)) for n in range(9)
    ]
    assert tries == [*BUDGET, None]


def test_waiting_that_is_no_failure_uses_up_no_budget() -> None:
    aside = Surroundings().context.aside
    tired = RawRecord("in", 0, 0, None, None, (), 0, attempt=99)
    assert aside.delay_within_budget(tired, "5s", counts=True) is None
    assert aside.delay_within_budget(tired, "5s", counts=False) == "5s"
    assert aside.delay_within_budget(raw(), None, counts=False) is None


def test_a_delay_without_a_topic_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no retry topic '7s'"):
        Parked(Record(raw(), None), "later", "7s")
    with pytest.raises(ValueError, match="no retry topic"):
        Aside(raw(), "later", delay="7s")
