"""Who may not be sent what: words that are understood, and a fold that no order changes."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.ingest.tests.unit.fakes import NOON

from ingest.codes import Code
from ingest.optouts.domain import Action, Stop, refusal_of
from ingest.optouts.words import START_WORDS, STOP_WORDS, Wish, wish_of
from ingest.templates.model import Category


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        " Stop. ",
        "“Stop!”",
        "ＳＴＯＰ",
        "STOP ALL",
        "退订",
        "【退订】",
        "TD",
        "Arrêt",
        "СТОП",
    ],
)
def test_a_stop_is_understood_however_it_is_written(text: str) -> None:
    assert wish_of(text) is Wish.STOP


@pytest.mark.parametrize(
    "text", ["", "please stop by at ten", "stopp mich nicht", "T恤", "ok", "?", "1", "stop " * 50]
)
def test_what_says_more_is_for_people_to_read(text: str) -> None:
    assert wish_of(text) is None


def test_every_listed_word_is_understood() -> None:
    stops = set(itertools.chain.from_iterable(STOP_WORDS.values()))
    assert {word for word in stops if wish_of(word) is not Wish.STOP} == set()
    starts = set(itertools.chain.from_iterable(START_WORDS.values()))
    assert {word for word in starts - stops if wish_of(word) is not Wish.START} == set()


@given(st.text(max_size=60))
def test_any_reply_is_read(text: str) -> None:
    assert wish_of(text) in {None, *Wish}


def stop(*said: tuple[Action, int]) -> Stop:
    last: dict[Action, int] = {}
    for action, at in said:
        last[action] = max(at, last.get(action, at))
    moments = {action: NOON + timedelta(seconds=at) for action, at in last.items()}
    return Stop("shop", "+447700900123", moments)


_said = st.lists(st.tuples(st.sampled_from(list(Action)), st.integers(0, 9)), max_size=8)


@given(_said, st.randoms(use_true_random=False))
def test_the_later_of_two_opposites_counts_in_any_order(
    said: list[tuple[Action, int]], draw: object
) -> None:
    shuffled = said + said
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    folded = stop(*shuffled)
    out = max((at for action, at in said if action is Action.OPT_OUT), default=None)
    back = max((at for action, at in said if action is Action.OPT_IN), default=-1)
    assert folded.is_opted_out == (out is not None and out >= back)
    assert folded == stop(*said)


def test_an_opt_out_lets_verification_codes_through_and_a_blacklist_nothing() -> None:
    out, black = stop((Action.OPT_OUT, 1)), stop((Action.BLACKLIST, 1))
    for category in Category:
        refusal = refusal_of([out], category)
        told = refusal.code if refusal else None
        assert told == (None if category is Category.VERIFICATION else Code.RECIPIENT_OPTED_OUT)
        refusal = refusal_of([out, black], category)
        assert refusal is not None
        assert refusal.code is Code.RECIPIENT_BLACKLISTED
    assert refusal_of([stop((Action.OPT_OUT, 1), (Action.OPT_IN, 2))], Category.MARKETING) is None
