"""Which template a text is: nothing but a template, filled in, is ever taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rendering import fill
from ingest.templates.matching import Match, Matcher
from ingest.templates.model import Template, TemplateState, Variable
from ingest.templates.values import Kind

EXAM = "【XX考试中心】考生{name},您的准考证号{code}的{subject}成绩为{score}分。"
_ALPHABET = "ab.分 "


def template(text: str, **changes: object) -> Template:
    variables = {name: Variable() for name in ("a", "b", "c", "name", "code", "subject", "score")}
    fields = {"id": "t", "state": "approved", "languages": {"zh": text}, "variables": variables}
    return Template.model_validate(fields | changes)


def match(text: str, *templates: Template) -> Match | None:
    return Matcher(templates).match(text)


def test_the_exam_message_is_its_template() -> None:
    found = match("【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。", template(EXAM))
    assert found is not None
    assert found.values == {"name": "张三", "code": "2026001", "subject": "数学", "score": "99"}


@pytest.mark.parametrize(
    "text",
    [
        "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。退订回T",
        "您好!【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。",
        "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分",
        "【XX考试中心】考生,您的准考证号2026001的数学成绩为99分。",
        "【XX考试中心】考生张三，您的准考证号2026001的数学成绩为99分。",
        "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为evil.com分。",
        "【XX考试中心】考生" + "张" * 81 + ",您的准考证号2026001的数学成绩为99分。",
        "",
        EXAM.replace("{name}", ""),
    ],
)
def test_a_text_that_is_no_template_matches_none(text: str) -> None:
    assert match(text, template(EXAM)) is None


@pytest.mark.parametrize("state", [s for s in TemplateState if s is not TemplateState.APPROVED])
def test_a_template_that_is_not_approved_matches_nothing(state: TemplateState) -> None:
    assert match("hello x", template("hello {a}", state=state)) is None


def test_the_strictest_template_is_meant_then_the_newest() -> None:
    loose, strict = template("{a} {b}", id="loose"), template("code {b}", id="strict")
    newer = template("code {b}", id="strict", version=2)
    for order in ([loose, strict, newer], [newer, strict, loose]):
        found = match("code 7", *order)
        assert found is not None
        assert (found.template.id, found.template.version) == ("strict", 2)


def test_the_language_is_the_one_that_the_text_is_in() -> None:
    both = template("", languages={"zh": "您的包裹{a}", "en": "Your parcel {a}"})
    found = match("Your parcel 7", both)
    assert found is not None
    assert found.language == "en"


def test_a_variable_that_comes_twice_has_one_value() -> None:
    twice = template("{a}-{b}-{a}")
    found = match("1-2-1", twice)
    assert found is not None
    assert found.values == {"a": "1", "b": "2"}
    assert match("1-2-3", twice) is None
    found = match("1-1-2-1-1", twice)
    assert found is not None
    assert fill("{a}-{b}-{a}", found.values) == "1-1-2-1-1"


def test_a_typed_variable_settles_what_words_leave_open() -> None:
    typed = template("{a} {b}", variables={"a": Variable(), "b": Variable(type=Kind.DIGITS)})
    found = match("one two 3", typed)
    assert found is not None
    assert found.values == {"a": "one two", "b": "3"}


_literal = st.text(alphabet=_ALPHABET, max_size=3)
_value = st.text(alphabet=_ALPHABET, min_size=1, max_size=5).filter(
    lambda value: Variable().refusal_of("v", value) is None
)


@st.composite
def _templates(draw: st.DrawFn) -> Template:
    names = draw(st.lists(st.sampled_from(["a", "b", "c"]), max_size=4))
    text = draw(_literal) + "".join(f"{{{name}}}{draw(_literal)}" for name in names)
    return template(text if text.strip() else "x" + text)


@given(_templates(), st.fixed_dictionaries({"a": _value, "b": _value, "c": _value}))
def test_what_a_template_makes_matches_it(made: Template, values: dict[str, str]) -> None:
    text = fill(made.texts["zh"], values)
    found = match(text, made)
    assert found is not None
    assert fill(made.texts["zh"], found.values) == text


@given(_templates(), st.text(alphabet=_ALPHABET + "x", max_size=20))
def test_what_matches_is_what_the_template_makes(made: Template, text: str) -> None:
    found = match(text, made)
    if found is not None:
        assert fill(made.texts["zh"], found.values) == text
        for name, value in found.values.items():
            assert made.variables[name].refusal_of(name, value) is None


@given(st.lists(_templates(), max_size=4), st.text(max_size=60))
def test_any_text_is_answered(made: list[Template], text: str) -> None:
    found = match(text, *made)
    assert found is None or fill(found.template.texts["zh"], found.values) == text


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("{a} {b} {c} end", " ".join("a" * 1000)),
        ("{a}{b}{c}end", "a" * 2000),
        ("{a} {b} {a} {c}", " ".join("ab" * 500)),
        (" ".join(["{a} {b}"] * 30), "a " * 900),
    ],
)
def test_no_text_makes_it_slow(pattern: str, text: str) -> None:
    # Backtracking over these would take years: that it returns is the assertion.
    assert match(text, template(pattern)) is None
