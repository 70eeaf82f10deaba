"""Phone numbers: what a sender wrote becomes E.164 and a country, or a refusal with its reason."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

from ingest.codes import Code, Refusal

# Without it the patterns of 240 countries fall out of re's own cache: 400 us a number instead of
# 40.
phonenumbers.enable_pattern_cache()

_REMEMBERED = 100_000
_WRITTEN = re.compile(r"\+?[0-9 ().\-/]+")
_PUNCTUATION = str.maketrans("", "", " ().-/")
_TAKES_SMS = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_UNPARSED = {
    # Only + and digits get as far as the parser: it calls those too few "not a number".
    NumberParseException.NOT_A_NUMBER: Code.NUMBER_TOO_SHORT,
    NumberParseException.INVALID_COUNTRY_CODE: Code.NUMBER_COUNTRY_UNKNOWN,
    NumberParseException.TOO_SHORT_AFTER_IDD: Code.NUMBER_TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: Code.NUMBER_TOO_SHORT,
    NumberParseException.TOO_LONG: Code.NUMBER_TOO_LONG,
}
_IMPOSSIBLE = {
    ValidationResult.TOO_SHORT: Code.NUMBER_TOO_SHORT,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: Code.NUMBER_TOO_SHORT,
    ValidationResult.TOO_LONG: Code.NUMBER_TOO_LONG,
    ValidationResult.INVALID_COUNTRY_CODE: Code.NUMBER_COUNTRY_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Number:
    """A number that may get an SMS. ``country`` is ISO 3166, or 001 for a number of no country."""

    e164: str
    country: str


@lru_cache(maxsize=_REMEMBERED)
def check(written: str) -> Number | Refusal:
    """Read a number in international form. Remembered: people get more than one message."""
    plain = _plain(written)
    if plain is None:
        return Refusal(Code.NUMBER_FORMAT)
    if not plain.startswith("+"):
        return Refusal(Code.NUMBER_COUNTRY_CODE_MISSING)
    try:
        number = phonenumbers.parse(plain, None)
    except NumberParseException as error:
        return Refusal(_UNPARSED.get(error.error_type, Code.NUMBER_FORMAT))
    return _judge(number)


def _plain(written: str) -> str | None:
    """Reduce to + and ASCII digits; None if there is anything that a number does not hold.

    Letters are refused rather than dialled: 1.38E+10 is a spreadsheet's damage, not a vanity
    number.
    """
    text = written.strip()
    if not text.isascii():
        text = "".join(_ascii_digit(char) for char in unicodedata.normalize("NFKC", text))
    if _WRITTEN.fullmatch(text) is None:
        return None
    text = text.translate(_PUNCTUATION)
    if text in {"", "+"}:
        return None
    return f"+{text[2:]}" if text.startswith("00") else text


def _ascii_digit(char: str) -> str:
    digit = unicodedata.decimal(char, None)
    return char if digit is None else str(digit)


def _judge(number: PhoneNumber) -> Number | Refusal:
    country = phonenumbers.region_code_for_number(number)
    # One walk through the country's patterns instead of two: a number is valid if it has a type.
    kind = phonenumbers.number_type(number)
    if country is None or kind == PhoneNumberType.UNKNOWN:
        possible = phonenumbers.is_possible_number_with_reason(number)
        return Refusal(_IMPOSSIBLE.get(possible, Code.NUMBER_INVALID))
    if kind not in _TAKES_SMS:
        return Refusal(Code.NUMBER_NOT_MOBILE)
    nsn = phonenumbers.national_significant_number(number)
    return Number(f"+{number.country_code}{nsn}", country)
