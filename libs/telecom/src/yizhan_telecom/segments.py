"""How many transport segments a text takes, and where it is cut.

GSM 03.38 (3GPP TS 23.038, 6.2.1): the default alphabet in septets, its extension table at two
septets a character; anything else makes the whole text UCS-2. Not what is billed: see ``charging``.
"""

from collections.abc import Iterator
from enum import StrEnum

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet without ESC: a bare ESC in a text is no character of anybody's."""

EXTENSION = frozenset("\f^{}\\[~]|€")
"""Sent as ESC and one septet more: two septets that no cut may part."""

_GSM7 = BASIC | EXTENSION
_LAST_BMP = "\uffff"


class Encoding(StrEnum):
    """How a text travels."""

    GSM7 = "gsm-7"
    UCS2 = "ucs-2"


SINGLE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
"""Septets, or UTF-16 code units, in a message that is not cut."""

PART = {Encoding.GSM7: 153, Encoding.UCS2: 67}
"""The same in each part of a longer text: the concatenation header takes the rest."""


def encoding_of(text: str) -> Encoding:
    """Choose GSM-7 where the text allows it, else UCS-2."""
    return Encoding.GSM7 if _GSM7.issuperset(text) else Encoding.UCS2


def units_of(text: str, encoding: Encoding) -> int:
    """Count septets (GSM-7) or UTF-16 code units (UCS-2)."""
    return len(text) + _wide(text, encoding)


def segments(text: str) -> int:
    """Count transport segments: 160/153 in GSM-7, 70/67 in UCS-2. An empty text takes one."""
    encoding = encoding_of(text)
    wide = _wide(text, encoding)
    if len(text) + wide <= SINGLE[encoding]:
        return 1
    if not wide:
        return -(-len(text) // PART[encoding])
    # A two-unit character that would straddle an edge moves over whole: a quotient is not enough.
    return sum(1 for _ in _cut(text, encoding))


def split(text: str) -> tuple[str, ...]:
    """Cut a text into its segments; an escaped character or a surrogate pair stays in one part."""
    encoding = encoding_of(text)
    if units_of(text, encoding) <= SINGLE[encoding]:
        return (text,)
    return tuple(_cut(text, encoding))


def _wide(text: str, encoding: Encoding) -> int:
    """Count the characters that take two units."""
    if encoding is Encoding.GSM7:
        return sum(map(EXTENSION.__contains__, text))
    if max(text, default="") <= _LAST_BMP:
        return 0
    return sum(char > _LAST_BMP for char in text)


def _cut(text: str, encoding: Encoding) -> Iterator[str]:
    room, start, used = PART[encoding], 0, 0
    for at, char in enumerate(text):
        units = 2 if (char in EXTENSION if encoding is Encoding.GSM7 else char > _LAST_BMP) else 1
        if used + units > room:
            yield text[start:at]
            start, used = at, 0
        used += units
    yield text[start:]
