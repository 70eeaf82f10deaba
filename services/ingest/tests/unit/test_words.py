"""Words in texts: found however they are spelt, and not where they are not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.content.normalising import normalise, origins
from ingest.content.words import Hit, WordList

WORDS = WordList(["赌博", "viagra", "free loan", "ass", "Ünder", "казино"])


def found(text: str, words: WordList = WORDS) -> list[str]:
    return [text[hit.start : hit.end] for hit in words.find(text)]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("来赌博吧", "赌博"),
        ("来赌 博吧", "赌 博"),
        ("来赌\u200b博吧", "赌\u200b博"),
        ("来赌*-博吧", "赌*-博"),
        ("buy VIAGRA now", "VIAGRA"),
        ("buy ｖｉａｇｒａ now", "ｖｉａｇｒａ"),
        ("v.i.a.g.r.a!", "v.i.a.g.r.a"),
        ("v i a g r a", "v i a g r a"),
        ("via\u00adgra", "via\u00adgra"),
        ("a FREE LOAN for you", "FREE LOAN"),
        ("u\u0308nder here", "u\u0308nder"),
        ("ÜNDER", "ÜNDER"),
        ("КАЗИНО!", "КАЗИНО"),
        ("买viagra吧", "viagra"),
        ("kick ass.", "ass"),
    ],
)
def test_a_word_is_found_however_it_is_spelt(text: str, written: str) -> None:
    assert found(text)[:1] == [written]


@pytest.mark.parametrize(
    "text",
    [
        "他去赌。博物馆",
        "class",
        "as sure",
        "pass as",
        "assess",
        "viagrandma",
        "",
        "казинобус",
        "a s",
    ],
)
def test_a_word_is_not_found_where_it_is_none(text: str) -> None:
    assert found(text) == []


def test_words_inside_one_another_are_all_found() -> None:
    words = WordList(["赌", "赌博", "博"])
    assert {hit.word for hit in words.find("赌博")} == {0, 1, 2}


def test_a_list_without_words_finds_nothing() -> None:
    assert found("赌博", WordList([])) == []


def test_a_word_of_separators_is_no_word() -> None:
    with pytest.raises(ValueError, match="separators"):
        WordList(["ok", " - "])


@given(st.text(max_size=80))
def test_places_are_those_of_the_text(text: str) -> None:
    folded, places = origins(text)
    assert len(folded) == len(places)
    assert places == sorted(places)
    if folded == normalise(text):
        for char, place in zip(folded, places, strict=True):
            assert char in normalise(text[place : place + 12])


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=30),
    st.sampled_from(["赌博", "viagra", "казино"]),
    st.sampled_from(["{}", " {} ", "【{}】", "。{}！", "\u200b {}. "]),
)
def test_nothing_around_a_word_hides_it(around: str, word: str, frame: str) -> None:
    text = f"{around}。{frame.format(word)}。{around}"
    hits = list(WORDS.find(text))
    assert hits
    assert all(0 <= hit.start < hit.end <= len(text) for hit in hits)


@given(st.text(max_size=60))
def test_a_hit_holds_its_word(text: str) -> None:
    for hit in WORDS.find(text):
        held = normalise(text[hit.start : hit.end])
        assert normalise(WORDS.words[hit.word]) in held


def test_letters_that_combine_over_cuts_have_the_whole_text_for_a_place() -> None:
    jamo = unicodedata.normalize("NFD", "도박")
    assert list(WordList(["도박"]).find(jamo)) == [Hit(0, 0, len(jamo))]
