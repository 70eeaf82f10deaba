"""Texts as they travel in submit_sm and deliver_sm: alphabets, and long ones in parts.

Written apart from the library's own, so that two readings of the specification meet.
Sources: 3GPP TS 23.038 6.2.1 (default alphabet), TS 23.040 9.2.3.24.1 and .8 (concatenation),
SMPP 3.4 5.2.19 (data_coding), 5.3.2.22-24 (SAR).
"""

import codecs
from typing import Final, NamedTuple

from yizhan_smpp.constants import (
    CODING_ASCII,
    CODING_DEFAULT,
    CODING_LATIN_1,
    CODING_UCS2,
    ESM_UDH,
    TAG_PAYLOAD,
    TAG_SAR_NUMBER,
    TAG_SAR_REFERENCE,
    TAG_SAR_TOTAL,
)
from yizhan_smpp.pdu import Message

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]",
    0x40: "|", 0x65: "€",
}  # fmt: skip
_TO_BASIC: Final = {character: bytes((code,)) for code, character in enumerate(_BASIC)}
_TO_EXTENSION: Final = {character: bytes((0x1B, code)) for code, character in _EXTENSION.items()}
_TO_GSM: Final = {**_TO_EXTENSION, **{c: o for c, o in _TO_BASIC.items() if c != "\x1b"}}
_ESCAPE: Final = b"\x1b"
_CODECS: Final = {CODING_ASCII: "ascii", CODING_LATIN_1: "latin-1", CODING_UCS2: "utf-16-be"}
_PART_OCTETS: Final = 134
"""Of UCS-2, beside a header of six octets (TS 23.040 9.2.3.24.1)."""
_PART_SEPTETS: Final = 153


class PartText(NamedTuple):
    """One part of a text, or the whole of it (total 1)."""

    text: str
    reference: int = 0
    number: int = 1
    total: int = 1


def read_text(message: Message) -> PartText:
    """Read the text of a message. What its alphabet does not have becomes U+FFFD."""
    octets = message.tlvs.get(TAG_PAYLOAD) or message.short_message
    if message.esm_class & ESM_UDH and octets:
        return _with_header(octets, message.data_coding)
    text = decode_text(octets, message.data_coding)
    total = int.from_bytes(message.tlvs.get(TAG_SAR_TOTAL, b"\1"))
    if total > 1:
        reference = int.from_bytes(message.tlvs.get(TAG_SAR_REFERENCE, b""))
        return PartText(
            text, reference, int.from_bytes(message.tlvs.get(TAG_SAR_NUMBER, b"\1")), total
        )
    return PartText(text)


def _with_header(octets: bytes, coding: int) -> PartText:
    header, text = octets[1 : 1 + octets[0]], decode_text(octets[1 + octets[0] :], coding)
    at = 0
    while at + 1 < len(header):
        element, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if (element, len(value)) in ((0x00, 3), (0x08, 4)) and 1 <= value[-1] <= value[-2]:
            return PartText(text, int.from_bytes(value[:-2]), value[-1], value[-2])
        at += 2 + length
    return PartText(text)


def decode_text(octets: bytes, coding: int) -> str:
    """Decode octets by their data_coding; one that is not known is read as Latin-1."""
    if coding != CODING_DEFAULT:
        return octets.decode(_CODECS.get(coding, "latin-1"), "replace")
    text, _ = codecs.charmap_decode(octets, "replace", _BASIC)
    if _ESCAPE not in octets:
        return text
    first, *rest = octets.split(_ESCAPE)
    return _basic(first) + "".join(_after_escape(piece) for piece in rest)


def _basic(octets: bytes) -> str:
    return codecs.charmap_decode(octets, "replace", _BASIC)[0]


def _after_escape(piece: bytes) -> str:
    if not piece:
        return "\ufffd"
    return _EXTENSION.get(piece[0], "\ufffd") + _basic(piece[1:])


def write_text(text: str, reference: int) -> list[tuple[int, int, bytes]]:
    """Write a text as parts: esm_class, data_coding and octets of each."""
    units = [_TO_GSM.get(character) for character in text]
    if None not in units:
        coding, pieces = CODING_DEFAULT, [unit for unit in units if unit is not None]
        whole, most = 160, _PART_SEPTETS
    else:
        coding, pieces = CODING_UCS2, [c.encode("utf-16-be", "replace") for c in text]
        whole, most = 140, _PART_OCTETS
    if sum(map(len, pieces)) <= whole:
        return [(0, coding, b"".join(pieces))]
    parts = _fill(pieces, most)
    return [
        (ESM_UDH, coding, bytes((5, 0, 3, reference & 0xFF, len(parts), number)) + part)
        for number, part in enumerate(parts, 1)
    ]


def _fill(pieces: list[bytes], most: int) -> list[bytes]:
    """Cut between characters: an escape stays with what follows it, a surrogate with its other."""
    parts, part = [], b""
    for piece in pieces:
        if len(part) + len(piece) > most:
            parts.append(part)
            part = b""
        part += piece
    return [*parts, part]
