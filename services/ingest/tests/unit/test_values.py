"""Values of variables: their length, their kind, and what none of them may smuggle in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ingest.codes import Code
from ingest.content.injections import find_injection
from ingest.templates.model import Variable
from ingest.templates.values import BadPattern, Kind, check_value, compiled


def test_80_characters_are_a_value_and_81_are_none() -> None:
    assert check_value("v", "x" * 80, 80, None) is None
    refusal = check_value("v", "x" * 81, 80, None)
    assert refusal is not None
    assert (refusal.code, refusal.field) == (Code.VARIABLE_TOO_LONG, "variables.v")


def test_an_emoji_counts_as_the_two_units_that_it_is_charged_as() -> None:
    assert check_value("v", "🎉" * 40, 80, None) is None
    assert check_value("v", "🎉" * 41, 80, None) is not None


@pytest.mark.parametrize(
    ("value", "code", "at"),
    [
        ("", Code.VARIABLE_INVALID, None),
        ("  ", Code.VARIABLE_INVALID, None),
        ("a\nb", Code.VARIABLE_CONTROL_CHARACTER, 1),
        ("a\x00", Code.VARIABLE_CONTROL_CHARACTER, 1),
        ("a\u2028b", Code.VARIABLE_CONTROL_CHARACTER, 1),
        ("a\x85", Code.VARIABLE_CONTROL_CHARACTER, 1),
        ("\u202egnp.exe", Code.VARIABLE_DIRECTION_MARK, 0),
        ("x\u2067y", Code.VARIABLE_DIRECTION_MARK, 1),
        ("【某银行】您好", Code.VARIABLE_SENDER_BRACKET, 0),
        ("pay [Bank]", Code.VARIABLE_SENDER_BRACKET, 4),
        ("see https://evil.example", Code.VARIABLE_LINK, 4),
        ("evil.com", Code.VARIABLE_LINK, 3),
        ("点击ｅｖｉｌ．ｃｏｍ领取", Code.VARIABLE_LINK, 5),
        ("evil。cn", Code.VARIABLE_LINK, 1),
        ("WWW.evil", Code.VARIABLE_LINK, 0),
        ("hxxp://x", Code.VARIABLE_LINK, 0),
        ("t.me/x or bit.ly/x", Code.VARIABLE_LINK, 10),
        ("10.0.0.1", Code.VARIABLE_LINK, 0),
        ("call +44 7700 900123", Code.VARIABLE_PHONE_NUMBER, 5),
        ("加微信 19900000000", Code.VARIABLE_PHONE_NUMBER, 4),
        ("１９９００００００００", Code.VARIABLE_PHONE_NUMBER, 0),
        ("400-000-0000", Code.VARIABLE_PHONE_NUMBER, 0),
        ("(555) 555-0123", Code.VARIABLE_PHONE_NUMBER, 0),
    ],
)
def test_what_a_value_smuggles_in_is_refused_by_rule_and_place(
    value: str, code: Code, at: int | None
) -> None:
    refusal = check_value("v", value, 80, None)
    assert refusal is not None
    assert (refusal.code, refusal.field, refusal.offset) == (code, "variables.v", at)


@pytest.mark.parametrize(
    "value",
    [
        "张三",
        "数学",
        "99.5",
        "St. Mary's, 12 High St.",
        "Frankfurt a.M., z.B. Haus 3",
        "23.11.2026 10:30",
        "10:30-12:00",
        "SHP0a13800138000ff",
        "2026001",
        "货架 3-2-1088",
        "مركز التوزيع",
        "ซอย 5",
        "12,50 €",
        "v1.2.3",
    ],
)
def test_what_people_write_is_a_value(value: str) -> None:
    assert check_value("v", value, 80, None) is None


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Kind.DIGITS, ["0", "19900000000"], ["", "12a", "١٢", "1 2"]),
        (Kind.CODE, ["DE123", "19900000000", "A-1/2#3"], ["-1", "中", "evil.com/x", "a?b"]),
        (
            Kind.AMOUNT,
            ["5", "-5.20", "1,234.50", "1 234,50 €", "¥12", "EUR 3", "12%", "12元"],
            ["", "five", "1,2,3,", "1.", "€", "12 EURO"],
        ),
        (
            Kind.DATE,
            ["2026-11-23", "2026/1/3", "23.11.2026", "2026年11月23日", "11月23日 10:30"],
            ["2026-13-01", "2026-11/23", "tomorrow", "23.11.26"],
        ),
        (Kind.TIME, ["10:30", "9:05:59"], ["24:00", "10:60", "10"]),
    ],
)
def test_a_kind_takes_what_it_names(kind: Kind, good: list[str], bad: list[str]) -> None:
    variable = Variable(type=kind)
    assert [value for value in good if variable.refusal_of("v", value)] == []
    assert [value for value in bad if not variable.refusal_of("v", value)] == []


def test_a_url_leads_to_its_hosts_and_nowhere_else() -> None:
    variable = Variable(type=Kind.URL, hosts=("track.example",))
    good = [
        "https://track.example/x?a=b#c",
        "http://eu.track.example",
        "https://TRACK.example:443/",
    ]
    bad = [
        "https://track.example.evil.com/",
        "https://eviltrack.example/",
        "https://track.example@evil.com/",
        "https://evil.com/track.example",
        "javascript:alert(1)",
        "https://track.example/a b",
        "https://track.example/【】",
        "https://track.exаmple/",  # a Cyrillic letter
    ]
    assert [value for value in good if variable.refusal_of("v", value)] == []
    assert [value for value in bad if not variable.refusal_of("v", value)] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "url"},
        {"hosts": ("a.example",)},
        {"pattern": "(?=x)"},
        {"pattern": "(x)\\1"},
        {"pattern": "("},
        {"type": "digits", "example": "x"},
        {"max_length": 81},
    ],
)
def test_a_variable_that_makes_no_sense_is_not_made(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Variable.model_validate(fields)


def test_a_pattern_that_would_backtrack_for_ever_answers() -> None:
    variable = Variable(pattern="(a|a)*(a+)+$")
    refusal = variable.refusal_of("v", "a" * 79 + "b")
    assert refusal is not None
    assert refusal.code is Code.VARIABLE_INVALID


def test_a_pattern_must_match_the_whole_value() -> None:
    digits = compiled("[0-9]+")
    assert check_value("v", "12", 80, digits) is None
    assert check_value("v", "12x", 80, digits) is not None
    assert check_value("v", "12\n", 80, digits) is not None


@given(st.text(max_size=120))
def test_a_refusal_never_holds_the_value(value: str) -> None:
    refusal = check_value("v", f"secret{value}", 8, None)
    if refusal is not None:
        assert "secret" not in str(refusal)


@given(st.text(max_size=80), st.sampled_from(["evil.com", "+447700900123", "【", "\u202e", "\n"]))
def test_nothing_around_it_hides_what_is_smuggled_in(around: str, smuggled: str) -> None:
    value = f"{around} {smuggled} {around}"
    found = find_injection(value, may_hold_numbers=False)
    assert found is not None
    _, at = found
    assert 0 <= at < len(value)


def test_a_pattern_is_named_by_what_is_wrong_with_it() -> None:
    with pytest.raises(BadPattern, match="missing"):
        compiled("(")
