"""Texts: cutting, filling, choosing a language, judging values."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import rendering
from ingest.codes import Code
from ingest.rendering import BadText

EXAM = "【XX考试中心】考生{name},您的准考证号{code}的{subject}成绩为{score}分。"


def test_the_exam_template_is_filled() -> None:
    values = {"name": "张三", "code": "2026001", "subject": "数学", "score": "99"}
    text = rendering.fill(EXAM, values)
    assert text == "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。"


def test_values_are_filled_in_once_and_never_read_as_placeholders() -> None:
    assert rendering.fill("{a}{b}", {"a": "{b}", "b": "x"}) == "{b}x"


@pytest.mark.parametrize("text", ["{", "}", "{{name}}", "{Name}", "{}", "{a b}", "{1a}", "a}b{c"])
def test_a_brace_that_is_no_placeholder_is_an_error(text: str) -> None:
    with pytest.raises(BadText):
        rendering.pieces(text)


@given(st.text(alphabet=st.characters(exclude_characters="{}")))
def test_a_text_without_placeholders_stays_as_it_is(text: str) -> None:
    assert rendering.fill(text, {}) == text


@pytest.mark.parametrize(
    ("tag", "chain"),
    [
        ("zh-Hant-TW", ("zh-hant-tw", "zh-hant", "zh")),
        ("zh-TW", ("zh-tw", "zh-hant", "zh")),
        ("zh-HK", ("zh-hk", "zh-hant", "zh")),
        ("zh-CN", ("zh-cn", "zh")),
        ("zh_Hans_SG", ("zh-hans-sg", "zh-hans", "zh")),
        ("pt-BR", ("pt-br", "pt")),
        ("en", ("en",)),
        ("", ()),
        ("---", ()),
    ],
)
def test_a_language_falls_back_step_by_step(tag: str, chain: tuple[str, ...]) -> None:
    assert rendering.language_chain(tag) == chain


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("zh-Hant", "zh-hant"),
        ("zh-TW", "zh-hant"),
        ("zh-CN", "zh"),
        ("en-GB", "en"),
        ("sw", "en"),
        (None, "en"),
        ("", "en"),
    ],
)
def test_a_language_is_chosen_or_the_accounts_own(wanted: str | None, chosen: str) -> None:
    assert rendering.choose_language(["zh", "zh-hant", "en"], wanted, "en-US") == chosen


def test_80_characters_are_a_value_and_81_are_none() -> None:
    assert rendering.check_value("v", "x" * 80, 80, None) is None
    refusal = rendering.check_value("v", "x" * 81, 80, None)
    assert refusal is not None
    assert (refusal.code, refusal.field) == (Code.VARIABLE_TOO_LONG, "variables.v")


def test_an_emoji_counts_as_the_two_units_that_it_is_charged_as() -> None:
    assert rendering.check_value("v", "🎉" * 40, 80, None) is None
    assert rendering.check_value("v", "🎉" * 41, 80, None) is not None


@pytest.mark.parametrize("value", ["", "  ", "a\nb", "a\x00", "a\u2028b", "\u202egnp.exe", "a\x85"])
def test_empty_values_and_control_characters_are_refused(value: str) -> None:
    refusal = rendering.check_value("v", value, 80, None)
    assert refusal is not None
    assert refusal.code is Code.VARIABLE_INVALID


def test_a_pattern_must_match_the_whole_value() -> None:
    digits = re.compile("[0-9]+")
    assert rendering.check_value("v", "12", 80, digits) is None
    assert rendering.check_value("v", "12x", 80, digits) is not None
    assert rendering.check_value("v", "12\n", 80, digits) is not None


@given(st.text(max_size=120))
def test_a_refusal_never_holds_the_value(value: str) -> None:
    refusal = rendering.check_value("v", f"secret{value}", 8, None)
    if refusal is not None:
        assert "secret" not in str(refusal)


@given(st.text())
def test_units_are_what_utf_16_takes(value: str) -> None:
    assert rendering.units(value) == sum(2 if ord(c) > 0xFFFF else 1 for c in value)
