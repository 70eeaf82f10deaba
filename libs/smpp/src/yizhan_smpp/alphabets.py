"""Texts to octets and back: GSM 03.38 (3GPP TS 23.038, 6.2.1), UCS-2, Latin-1.

GSM 03.38 is written an octet a septet, as SMPP has it; the SMSC packs it. UCS-2 is UTF-16 in fact:
handsets show surrogate pairs, and everybody sends them.
"""

from enum import StrEnum
from typing import Final

from yizhan_smpp.constants import CODING_DEFAULT, CODING_LATIN_1, CODING_UCS2

ESC: Final = 0x1B
_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}


class Alphabet(StrEnum):
    """What an SMSC takes data_coding 0 for."""

    GSM7 = "gsm-7"
    LATIN1 = "latin-1"


class _Strict(dict[int, str]):
    """A translation table in which what is missing is an error, and not left as it is."""

    def __missing__(self, code: int) -> str:
        raise ValueError("not in the alphabet")


_TO_GSM7: Final = _Strict(
    {ord(char): chr(code) for code, char in enumerate(_BASIC) if code != ESC}
    | {ord(char): chr(ESC) + chr(code) for code, char in _EXTENSION.items()}
)
_FROM_BASIC: Final = {code: char for code, char in enumerate(_BASIC) if code != ESC} | {
    ESC: " ",
    **dict.fromkeys(range(0x80, 0x100), "\ufffd"),
}
_FROM_EXTENSION: Final = {**_FROM_BASIC, **_EXTENSION}
"""A code that the extension table lacks is shown as in the basic one (6.2.1.1)."""


def encode_gsm7(text: str) -> bytes:
    """Write GSM 03.38. Raises ValueError for a character that it lacks."""
    return text.translate(_TO_GSM7).encode("latin-1")


def decode_gsm7(octets: bytes) -> str:
    """Read GSM 03.38; what is no septet becomes U+FFFD."""
    first, *escaped = octets.split(b"\x1b")
    text = first.decode("latin-1").translate(_FROM_BASIC)
    for piece in escaped:
        # Nothing after ESC is another ESC, or the end: shown as a space.
        char = _FROM_EXTENSION[piece[0]] if piece else " "
        text += char + piece[1:].decode("latin-1").translate(_FROM_BASIC)
    return text


def encode_ucs2(text: str) -> bytes:
    """Write UTF-16, big-endian, no mark; half a surrogate pair becomes a question mark."""
    return text.encode("utf-16-be", "replace")


def decode_ucs2(octets: bytes) -> str:
    """Read UTF-16, big-endian; what is none becomes U+FFFD, a mark at the beginning is dropped."""
    return octets.decode("utf-16-be", "replace").removeprefix("\ufeff")


def decode(octets: bytes, data_coding: int, default: Alphabet) -> str:
    """Read a text by its data_coding (5.2.19; TS 23.038, 4): never fails.

    Binary data is read as Latin-1: an octet a character, so that nothing of it is lost.
    """
    alphabet = _alphabet_of(data_coding)
    if alphabet == CODING_UCS2:
        return decode_ucs2(octets)
    if alphabet == CODING_DEFAULT and default is Alphabet.GSM7:
        return decode_gsm7(octets)
    return octets.decode("latin-1")


def _alphabet_of(data_coding: int) -> int:
    """Reduce the codings with a message class (TS 23.038, 4) to those of SMPP."""
    if data_coding < 0x10:  # noqa: PLR2004
        return data_coding
    bits = data_coding & (0x04 if data_coding >= 0xF0 else 0x0C)  # noqa: PLR2004
    return {0x00: CODING_DEFAULT, 0x08: CODING_UCS2}.get(bits, CODING_LATIN_1)
