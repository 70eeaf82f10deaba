"""Texts: cutting, filling, choosing a language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import rendering
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


@given(st.text())
def test_units_are_what_utf_16_takes(value: str) -> None:
    assert rendering.units(value) == sum(2 if ord(c) > 0xFFFF else 1 for c in value)
