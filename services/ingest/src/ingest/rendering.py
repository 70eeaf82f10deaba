"""Texts: which language of a template, and the filling in of its values."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]{0,39})\}")
_SIGNATURE = re.compile(r"^【([^【】{}]{1,40})】|【([^【】{}]{1,40})】$")
MAX_VALUE = 80
"""Requirement 6. Characters as chargingNum counts them: UTF-16 code units."""

_TRADITIONAL = frozenset({"tw", "hk", "mo"})


class BadText(ValueError):
    """A text with braces that are no placeholder."""


@lru_cache(maxsize=4096)
def pieces(text: str) -> tuple[tuple[str, str], ...]:
    """Cut a text into (literal, variable after it); the last variable is "". Raises BadText."""
    parts = PLACEHOLDER.split(text)
    literals, names = parts[::2], [*parts[1::2], ""]
    if any("{" in literal or "}" in literal for literal in literals):
        raise BadText("a brace outside {name}; names are lower-case letters, digits and _")
    return tuple(zip(literals, names, strict=True))


def variables_of(text: str) -> frozenset[str]:
    """Name the variables that a text needs. Raises BadText."""
    return frozenset(name for _, name in pieces(text) if name)


@lru_cache(maxsize=4096)
def signature_of(text: str) -> str:
    """Give the sender's name that a text begins or ends with in 【】, as China asks; else ""."""
    found = _SIGNATURE.search(text)
    return (found[1] or found[2]) if found else ""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the values in. Every variable must be there: the caller has checked them."""
    return "".join(literal + values[name] if name else literal for literal, name in pieces(text))


def units(text: str) -> int:
    """Count UTF-16 code units: an emoji is two, as the carriers' charging counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def choose_language(available: Iterable[str], wanted: str | None, default: str) -> str:
    """Choose zh-Hant before zh before the account's default, among lower-case tags."""
    tags = available if isinstance(available, (dict, frozenset)) else frozenset(available)
    for tag in (*language_chain(wanted or ""), *language_chain(default)):
        if tag in tags:
            return tag
    raise LookupError("the catalogue gives every template its account's default language")


@lru_cache(maxsize=4096)
def language_chain(tag: str) -> tuple[str, ...]:
    """Give a BCP 47 tag and what stands behind it: zh-Hant-TW, zh-Hant, zh. Lower case."""
    parts = [part for part in tag.strip().lower().replace("_", "-").split("-") if part]
    chain = ["-".join(parts[:end]) for end in range(len(parts), 0, -1)]
    if parts[:1] == ["zh"] and "hant" not in parts and _TRADITIONAL & set(parts[1:]):
        chain.insert(-1, "zh-hant")
    return tuple(chain)
