"""A text as the short messages that carry it, and back (3GPP TS 23.040, 9.2.3.24; 4.4.1, 5.3.2).

160 septets or 70 UTF-16 units fit into one; of a longer text 153 or 67 into each part, whichever
way the parts are told, for a header of 6 octets goes over the air in any case. No cut parts an
escaped character or a surrogate pair.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from yizhan_smpp.alphabets import (
    ESC,
    Alphabet,
    decode,
    decode_gsm7,
    encode_gsm7,
    encode_ucs2,
)
from yizhan_smpp.constants import (
    CODING_DEFAULT,
    CODING_UCS2,
    ESM_UDH,
    TAG_PAYLOAD,
    TAG_SAR_NUMBER,
    TAG_SAR_REFERENCE,
    TAG_SAR_TOTAL,
)
from yizhan_smpp.pdu import Message

_SINGLE_SEPTETS: Final = 160
_PART_SEPTETS: Final = 153
_SINGLE_UCS2: Final = 140
_PART_UCS2: Final = 134
MOST_PARTS: Final = 255
_HIGH_SURROGATES: Final = range(0xD8, 0xDC)
_IE_CONCATENATED: Final = 0x00
_IE_CONCATENATED_16: Final = 0x08


class LongMessages(StrEnum):
    """How a text that one message does not hold is sent."""

    UDH = "udh"
    SAR = "sar"
    PAYLOAD = "payload"


@dataclass(slots=True)
class Written:
    """A text as it goes into messages: ``parts`` are (esm_class, short_message, parameters).

    ``segments`` counts those that go over the air, which the SMSC makes itself of a payload.
    """

    data_coding: int
    parts: list[tuple[int, bytes, dict[int, bytes]]]
    segments: int


def write(text: str, default: Alphabet, method: LongMessages, reference: int) -> Written:
    """Put a text into messages; ``reference`` tells those of one text from another's.

    Raises ValueError for a text of more than 255 parts.
    """
    data_coding, whole, pieces = _cut(text, default)
    if len(pieces) == 1:
        return Written(data_coding, [(0, whole, {})], 1)
    if len(pieces) > MOST_PARTS:
        raise ValueError(f"a text has at most {MOST_PARTS} parts")
    if method is LongMessages.PAYLOAD:
        return Written(data_coding, [(0, b"", {TAG_PAYLOAD: whole})], len(pieces))
    parts = [
        _part(piece, method, reference, len(pieces), number)
        for number, piece in enumerate(pieces, start=1)
    ]
    return Written(data_coding, parts, len(pieces))


def _part(
    piece: bytes, method: LongMessages, reference: int, total: int, number: int
) -> tuple[int, bytes, dict[int, bytes]]:
    if method is LongMessages.UDH:
        header = bytes((5, _IE_CONCATENATED, 3, reference & 0xFF, total, number))
        return ESM_UDH, header + piece, {}
    told = {
        TAG_SAR_REFERENCE: (reference & 0xFFFF).to_bytes(2, "big"),
        TAG_SAR_TOTAL: bytes((total,)),
        TAG_SAR_NUMBER: bytes((number,)),
    }
    return 0, piece, told


def _cut(text: str, default: Alphabet) -> tuple[int, bytes, list[bytes]]:
    """Give the data_coding, the text in octets, and the same in pieces."""
    try:
        septets = encode_gsm7(text)
        if default is Alphabet.LATIN1:
            whole = text.encode("latin-1")
            # Cut by septets: that is what the SMSC makes of it.
            pieces = [decode_gsm7(piece).encode("latin-1") for piece in _cut_septets(septets)]
            return CODING_DEFAULT, whole, pieces
    except ValueError:
        octets = encode_ucs2(text)
        return CODING_UCS2, octets, _cut_ucs2(octets)
    return CODING_DEFAULT, septets, _cut_septets(septets)


def _cut_septets(septets: bytes) -> list[bytes]:
    if len(septets) <= _SINGLE_SEPTETS:
        return [septets]
    pieces, at = [], 0
    while at < len(septets):
        end = at + _PART_SEPTETS
        if end < len(septets) and septets[end - 1] == ESC:
            end -= 1
        pieces.append(septets[at:end])
        at = end
    return pieces


def _cut_ucs2(octets: bytes) -> list[bytes]:
    if len(octets) <= _SINGLE_UCS2:
        return [octets]
    pieces, at = [], 0
    while at < len(octets):
        end = at + _PART_UCS2
        if end < len(octets) and octets[end - 2] in _HIGH_SURROGATES:
            end -= 2
        pieces.append(octets[at:end])
        at = end
    return pieces


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part belongs: the ``number``-th (from 1) of ``total`` under one reference."""

    reference: int
    total: int
    number: int


@dataclass(frozen=True, slots=True)
class Received:
    """A text that came: whole, or one part of it."""

    text: str
    place: Place | None = field(default=None)


def read(message: Message, default: Alphabet) -> Received:
    """Read what a message says, and where it belongs. Never fails.

    A header that cannot be, or numbers that no part has, are left out of account.
    """
    octets = message.short_message or message.tlvs.get(TAG_PAYLOAD, b"")
    place = _sar_place(message)
    if message.esm_class & ESM_UDH and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        place = _udh_place(header) or place
    return Received(decode(octets, message.data_coding, default), place)


def _udh_place(header: bytes) -> Place | None:
    at = 0
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if (kind, length, len(value)) == (_IE_CONCATENATED, 3, 3):
            return _place(value[0], value[1], value[2])
        if (kind, length, len(value)) == (_IE_CONCATENATED_16, 4, 4):
            return _place(int.from_bytes(value[:2], "big"), value[2], value[3])
        at += 2 + length
    return None


def _sar_place(message: Message) -> Place | None:
    tlvs = message.tlvs
    total, number = tlvs.get(TAG_SAR_TOTAL, b""), tlvs.get(TAG_SAR_NUMBER, b"")
    if len(total) != 1 or len(number) != 1:
        return None
    return _place(int.from_bytes(tlvs.get(TAG_SAR_REFERENCE, b""), "big"), total[0], number[0])


def _place(reference: int, total: int, number: int) -> Place | None:
    return Place(reference, total, number) if 1 <= number <= total and total > 1 else None
