"""Numbers: every country's example, what people write, and what is refused with which reason."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from ingest.codes import Code, Refusal
from ingest.numbers import Number, check

E164 = PhoneNumberFormat.E164
# Shared numbering plans: the example number of one is a number of the other.
SHARED = {
    "VA": "IT",
    "MF": "GP",
    "BL": "GP",
    "IM": "GB",
    "SJ": "NO",
    "EH": "MA",
    "AX": "FI",
    "CX": "AU",
    "CC": "AU",
}
MOBILE = [
    (region, phonenumbers.format_number(example, E164))
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (example := phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE))
]


def test_there_are_examples_of_244_regions() -> None:
    assert len(MOBILE) == 244


@pytest.mark.parametrize(("region", "written"), MOBILE)
def test_every_regions_mobile_number_is_accepted_for_its_country(region: str, written: str) -> None:
    found = check(written)
    assert found == Number(written, SHARED.get(region, region))


@pytest.mark.parametrize(
    ("region", "written"),
    [
        (region, phonenumbers.format_number(example, E164))
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        if (example := phonenumbers.example_number_for_type(region, PhoneNumberType.FIXED_LINE))
    ],
)
def test_every_regions_fixed_line_number_is_refused_unless_it_may_be_mobile(
    region: str, written: str
) -> None:
    kind = phonenumbers.number_type(phonenumbers.parse(written, None))
    if kind == PhoneNumberType.FIXED_LINE_OR_MOBILE:
        assert isinstance(check(written), Number)
    else:
        assert check(written) == Refusal(Code.NUMBER_NOT_MOBILE)


@pytest.mark.parametrize(
    "written",
    [
        "+86 138 0013 8000",
        "0086 13800138000",
        "+８６ １３８００１３８０００",
        "＋86-138-0013-8000",
        "  +86.138.0013.8000 ",
        "+86 (138) 0013/8000",
        "+٨٦١٣٨٠٠١٣٨٠٠٠",
    ],
)
def test_what_people_write_becomes_e164(written: str) -> None:
    assert check(written) == Number("+8613800138000", "CN")


def test_a_trunk_zero_after_the_country_code_is_forgiven() -> None:
    assert check("+44 (0) 7400 123456") == Number("+447400123456", "GB")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("13800138000", Code.NUMBER_COUNTRY_CODE_MISSING),
        ("07700 900123", Code.NUMBER_COUNTRY_CODE_MISSING),
        ("1.38E+10", Code.NUMBER_FORMAT),
        ("13800138000.0", Code.NUMBER_COUNTRY_CODE_MISSING),
        ("+13800138000.0", Code.NUMBER_TOO_LONG),
        ("", Code.NUMBER_FORMAT),
        ("   ", Code.NUMBER_FORMAT),
        ("+", Code.NUMBER_FORMAT),
        ("n/a", Code.NUMBER_FORMAT),
        ("+44 7700 900123 ext. 5", Code.NUMBER_FORMAT),
        ("+447700900123;+447700900456", Code.NUMBER_FORMAT),
        ("tel:+447700900123", Code.NUMBER_FORMAT),
        ("+1 800 FLOWERS", Code.NUMBER_FORMAT),
        ("++447700900123", Code.NUMBER_FORMAT),
        ("+44+7700900123", Code.NUMBER_FORMAT),
        ("+9991234567890", Code.NUMBER_COUNTRY_UNKNOWN),
        ("+0123456789", Code.NUMBER_COUNTRY_UNKNOWN),
        ("+12015550", Code.NUMBER_TOO_SHORT),
        ("+86138001380", Code.NUMBER_INVALID),
        ("+86", Code.NUMBER_TOO_SHORT),
        ("+8613800138000123", Code.NUMBER_TOO_LONG),
        ("+861380013800012345678", Code.NUMBER_TOO_LONG),
        ("+8612000138000", Code.NUMBER_INVALID),
        ("+442079460000", Code.NUMBER_NOT_MOBILE),
        ("+18002345678", Code.NUMBER_NOT_MOBILE),
        ("+80012345678", Code.NUMBER_NOT_MOBILE),
    ],
)
def test_what_is_no_mobile_number_is_refused_with_its_reason(written: str, code: Code) -> None:
    assert check(written) == Refusal(code)


def test_one_walk_through_the_patterns_finds_what_is_valid_number_finds() -> None:
    """``check`` leaves is_valid_number out: the type says the same."""
    for _, written in MOBILE:
        for changed in (written, written[:-1], written + "0", written[:5] + "0" + written[6:]):
            try:
                parsed = phonenumbers.parse(changed, None)
            except phonenumbers.NumberParseException:
                continue
            assert phonenumbers.is_valid_number(parsed) == (
                phonenumbers.number_type(parsed) != PhoneNumberType.UNKNOWN
            )


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_a_refusal(written: str) -> None:
    assert isinstance(check(written), Number | Refusal)


@given(st.from_regex(r"\A\+?[0-9 ]{1,30}\Z"))
def test_what_is_accepted_is_e164_and_stays_the_same(written: str) -> None:
    found = check(written)
    if isinstance(found, Number):
        assert check(found.e164) == found
