"""Values of a template's variables: what each kind takes, and what none does. Pure, linear time.

Patterns are customers' own and run for every message, so they are RE2's: no look-around, no
back-references, and no input that makes them slow.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Protocol, cast

import re2

from ingest.codes import Code, Refusal
from ingest.content.injections import find_injection
from ingest.rendering import units

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20


class Pattern(Protocol):
    """A compiled pattern, of RE2 or of the standard library."""

    def fullmatch(self, text: str) -> object | None: ...


class Kind(StrEnum):
    """What a variable stands for. What it takes is checked before any pattern of its own."""

    TEXT = "text"
    """Words: no links, telephone numbers or sender brackets."""
    DIGITS = "digits"
    CODE = "code"
    """A tracking, order or candidate number: letters, digits and . _ / # - between them."""
    AMOUNT = "amount"
    """A number as people write it, with a currency or percent sign before or behind."""
    DATE = "date"
    """2026-11-23, 23.11.2026 or 2026年11月23日, with a time of day or without."""
    TIME = "time"
    URL = "url"
    """A link to one of the variable's ``hosts``."""


_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_TIME = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
_DATE = (
    rf"(?:[0-9]{{4}}([-/.]){_MONTH}\1{_DAY}|{_DAY}([-/.]){_MONTH}\2[0-9]{{4}}"
    rf"|(?:[0-9]{{4}}年)?{_MONTH}月{_DAY}日)"
)
_SIGN = r"[¥￥$€£₹元%]"
_NUMBER = r"(?:[0-9]{1,3}(?:[ ,.'][0-9]{3})+|[0-9]+)(?:[.,][0-9]{1,6})?"
# Ours, not customers': each reads a value of at most 80 characters once.
_SHAPES: dict[Kind, re.Pattern[str]] = {
    Kind.DIGITS: re.compile(r"[0-9]+"),
    Kind.CODE: re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/#-]*"),
    Kind.AMOUNT: re.compile(
        rf"[+-]?(?:{_SIGN}|[A-Z]{{3}} ?)?{_NUMBER}(?: ?(?:{_SIGN}|[A-Z]{{3}}))?"
    ),
    Kind.DATE: re.compile(rf"{_DATE}(?:[ T]{_TIME})?"),
    Kind.TIME: re.compile(_TIME),
}
_URL = re.compile(r"https?://([A-Za-z0-9.-]+)(?::[0-9]{1,5})?(?:[/?#][!-~]*)?")


class BadPattern(ValueError):
    """No pattern of RE2's."""


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Pattern:
    """Compile a pattern. Raises BadPattern with RE2's own words."""
    try:
        return cast("Pattern", re2.compile(pattern, _OPTIONS))
    except re2.error as error:
        told = error.args[0]
        why = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise BadPattern(why) from None


def is_shaped(kind: Kind, value: str, hosts: tuple[str, ...] = ()) -> bool:
    """Tell whether a value is what its kind says."""
    if kind is Kind.URL:
        return _leads_to(value, hosts)
    shape = _SHAPES.get(kind)
    return shape is None or shape.fullmatch(value) is not None


def _leads_to(value: str, hosts: tuple[str, ...]) -> bool:
    found = _URL.fullmatch(value)
    if found is None:
        return False
    host = found[1].lower().rstrip(".")
    return any(host == allowed or host.endswith("." + allowed) for allowed in hosts)


def check_value(
    name: str,
    value: str,
    max_length: int,
    pattern: Pattern | None,
    kind: Kind = Kind.TEXT,
    hosts: tuple[str, ...] = (),
) -> Refusal | None:
    """Say what is wrong with a variable's value, if anything. The value itself stays out of it."""
    field = f"variables.{name}"
    if units(value) > max_length:
        return Refusal(Code.VARIABLE_TOO_LONG, field, f"{name}: over {max_length} characters.")
    if not value.strip():
        return Refusal(Code.VARIABLE_INVALID, field, f"{name}: empty.")
    if kind is not Kind.URL and (
        found := find_injection(value, may_hold_numbers=kind is not Kind.TEXT)
    ):
        code, at = found
        return Refusal(code, field, f"{name}: at character {at + 1}.", at)
    if not is_shaped(kind, value, hosts):
        return Refusal(Code.VARIABLE_INVALID, field, f"{name}: is no {kind}.")
    if pattern is not None and pattern.fullmatch(value) is None:
        return Refusal(Code.VARIABLE_INVALID, field, f"{name}: does not match its pattern.")
    return None
