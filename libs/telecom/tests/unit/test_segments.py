"""Segments: pinned cases, and a slow reference over random texts."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yizhan_telecom.segments import (
    BASIC,
    EXTENSION,
    PART,
    SINGLE,
    Encoding,
    encoding_of,
    segments,
    split,
    units_of,
)

GSM, UCS2 = Encoding.GSM7, Encoding.UCS2


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("", GSM, 1),
        ("a", GSM, 1),
        ("a" * 160, GSM, 1),
        ("a" * 161, GSM, 2),
        ("a" * 306, GSM, 2),
        ("a" * 307, GSM, 3),
        ("a" * 153 * 4, GSM, 4),
        ("a" * (153 * 4 + 1), GSM, 5),
        ("€" * 80, GSM, 1),
        ("€" * 81, GSM, 2),
        ("a" * 158 + "€", GSM, 1),
        ("a" * 159 + "€", GSM, 2),
        ("a" * 152 + "€" + "b" * 152, GSM, 3),
        ("a" * 151 + "€" + "b" * 153, GSM, 2),
        ("\f" * 81, GSM, 2),
        ("好" * 70, UCS2, 1),
        ("好" * 71, UCS2, 2),
        ("好" * 134, UCS2, 2),
        ("好" * 135, UCS2, 3),
        ("😀" * 35, UCS2, 1),
        ("😀" * 36, UCS2, 2),
        ("😀" * 67, UCS2, 3),
        ("好" * 66 + "😀" + "好" * 66, UCS2, 3),
        ("好" * 65 + "😀" + "好" * 67, UCS2, 2),
        ("a" * 69 + "`", UCS2, 1),
        ("a" * 70 + "`", UCS2, 2),
        ("e\u0301" * 35, UCS2, 1),
        ("e\u0301" * 36, UCS2, 2),
        ("👨\u200d👩\u200d👧" * 9, UCS2, 2),
    ],
)
def test_pinned_counts(text: str, encoding: Encoding, count: int) -> None:
    assert encoding_of(text) is encoding
    assert segments(text) == count
    assert len(split(text)) == count


@pytest.mark.parametrize("char", ["`", "\t", "ç", "Á", "“", "\x1b", "е", "\u0301"])
def test_one_foreign_character_makes_the_text_ucs2(char: str) -> None:
    assert encoding_of(f"abc{char}") is UCS2


@pytest.mark.parametrize("char", ["Ç", "§", "Ω", "€", "¤", "\n", "\f", "ñ", "@"])
def test_the_alphabet_holds_its_odd_members(char: str) -> None:
    assert encoding_of(f"abc{char}") is GSM


def test_the_alphabet_is_complete() -> None:
    assert len(BASIC) == 127
    assert len(EXTENSION) == 10


@pytest.mark.parametrize("pair", ["€", "😀"])
def test_a_two_unit_character_never_straddles_an_edge(pair: str) -> None:
    filler, room = ("a", 153) if pair == "€" else ("好", 67)
    parts = split(filler * (room - 1) + pair + filler * (room - 2) + pair + filler)
    assert parts == (filler * (room - 1), pair + filler * (room - 2), pair + filler)


TEXTS = st.text(st.sampled_from("aé€{好😀`\u0301"), max_size=500) | st.text(max_size=400)


@given(TEXTS)
def test_parts_are_the_text_and_fit(text: str) -> None:
    encoding, parts = encoding_of(text), split(text)
    assert "".join(parts) == text
    assert len(parts) == segments(text)
    room = SINGLE[encoding] if len(parts) == 1 else PART[encoding]
    assert all(units_of(part, encoding) <= room for part in parts)


@given(TEXTS.filter(bool))
def test_no_part_could_take_more(text: str) -> None:
    encoding, parts = encoding_of(text), split(text)
    for part, following in itertools.pairwise(parts):
        assert units_of(part + following[0], encoding) > PART[encoding]


@given(TEXTS)
def test_ucs2_units_are_utf16_code_units(text: str) -> None:
    assert units_of(text, UCS2) == len(text.encode("utf-16-le")) // 2
