"""Delivery receipts out of deliver_sm and data_sm (Appendix B; 2.11; 5.2.12; 5.3.2).

The optional parameters come first. The text is "vendor specific" by the specification's own word:
fields may be missing, empty, in another case, with blanks around the colon, and their order counts
for nothing.
"""

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Final

from yizhan_smpp.alphabets import Alphabet, decode
from yizhan_smpp.constants import (
    ESM_INTERMEDIATE,
    ESM_RECEIPT,
    ESM_TYPE_MASK,
    TAG_MESSAGE_STATE,
    TAG_NETWORK_ERROR,
    TAG_PAYLOAD,
    TAG_RECEIPTED_MESSAGE_ID,
)
from yizhan_smpp.pdu import Message

_MOST_OCTETS: Final = 1_000
"""A text field of 20 characters ends a receipt: what is longer has nothing more to say."""
_MOST_ID: Final = 64
DECIMAL: Final = 10
HEXADECIMAL: Final = 16


class MessageState(StrEnum):
    """The states of a message (5.2.28), by the words of Appendix B."""

    ENROUTE = "ENROUTE"
    DELIVERED = "DELIVRD"
    EXPIRED = "EXPIRED"
    DELETED = "DELETED"
    UNDELIVERABLE = "UNDELIV"
    ACCEPTED = "ACCEPTD"
    UNKNOWN = "UNKNOWN"
    REJECTED = "REJECTD"


_BY_NUMBER: Final = dict(enumerate(MessageState, start=1))
_BY_WORD: Final = {state.value: state for state in MessageState} | {
    "DELIVERED": MessageState.DELIVERED,
    "UNDELIVERED": MessageState.UNDELIVERABLE,
    "UNDELIVERABLE": MessageState.UNDELIVERABLE,
    "UNDELIVRD": MessageState.UNDELIVERABLE,
    "UNDELIVERD": MessageState.UNDELIVERABLE,
    "UNDLIV": MessageState.UNDELIVERABLE,
    "ACCEPTED": MessageState.ACCEPTED,
    "REJECTED": MessageState.REJECTED,
    "REJECT": MessageState.REJECTED,
    "REJCTD": MessageState.REJECTED,
    "EXPIRD": MessageState.EXPIRED,
    "BUFFERED": MessageState.ENROUTE,
    "BUFFRED": MessageState.ENROUTE,
    "UNKNOWN": MessageState.UNKNOWN,
    "UNKNWN": MessageState.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says; what it does not say is empty.

    Ids are as they came: ``parameter_id`` out of receipted_message_id, ``text_id`` out of the text;
    one of them at least is there. ``error`` has no leading zeros. ``done`` is the SMSC's own time,
    whose zone it does not say. ``word`` is the state as the text had it, in capitals.
    """

    state: MessageState
    parameter_id: str = ""
    text_id: str = ""
    error: str = ""
    done: str = ""
    word: str = ""


def is_receipt(message: Message) -> bool:
    """Tell a receipt from a message of a subscriber.

    By its flag or its parameter: a handset sets neither, while any text may look like a receipt.
    """
    kind = message.esm_class & ESM_TYPE_MASK
    return kind in (ESM_RECEIPT, ESM_INTERMEDIATE) or TAG_RECEIPTED_MESSAGE_ID in message.tlvs


_NAMES: Final = r"id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text"
_FIELD: Final = re.compile(rf"\b({_NAMES})\s*:[ \t]*((?!(?:{_NAMES})\s*:)[^\s,;]*)", re.IGNORECASE)


_STANDARD: Final = re.compile(
    r"id:([^\s,;]*) sub:[^\s,;]* dlvrd:[^\s,;]* submit date:[^\s,;]* done date:([^\s,;]*) "
    r"stat:([^\s,;]*) err:([^\s,;]*)(?:\s|$)",
    re.IGNORECASE,
)
"""The very shape of Appendix B, which most have: read in a tenth of the time."""


def parse(message: Message) -> Receipt | None:
    """Read a receipt. None where it does not say what it is the receipt of, or nothing of it."""
    tlvs = message.tlvs
    octets = (message.short_message or tlvs.get(TAG_PAYLOAD, b""))[:_MOST_OCTETS]
    fields = _fields(decode(octets, message.data_coding, Alphabet.LATIN1)) if octets else {}
    parameter = tlvs.get(TAG_RECEIPTED_MESSAGE_ID, b"").split(b"\0")[0]
    parameter_id = parameter.decode("latin-1").strip()[:_MOST_ID]
    text_id = fields.get("id", "")[:_MOST_ID]
    word = fields.get("stat", "").upper()
    state = _state(tlvs.get(TAG_MESSAGE_STATE, b""), word)
    if state is None or not (parameter_id or text_id):
        return None
    return Receipt(
        state,
        parameter_id,
        text_id,
        _error(tlvs.get(TAG_NETWORK_ERROR, b""), fields.get("err", "")),
        fields.get("donedate", ""),
        word or state.value,
    )


def _fields(text: str) -> dict[str, str]:
    """Read "name: value" pairs up to ``text:``, which may hold anything. The first counts."""
    standard = _STANDARD.match(text)
    if standard is not None:
        return dict(zip(("id", "donedate", "stat", "err"), standard.groups(), strict=True))
    found: dict[str, str] = {}
    for match in _FIELD.finditer(text):
        name = match[1].lower().replace(" ", "").replace("_", "")
        if name == "text":
            break
        found.setdefault(name, match[2])
    return found


def _state(octets: bytes, word: str) -> MessageState | None:
    """Give the state; a word or number that nobody knows is UNKNOWN, none at all is None."""
    if octets:
        return _BY_NUMBER.get(octets[-1], MessageState.UNKNOWN)
    return _BY_WORD.get(word, MessageState.UNKNOWN) if word else None


def _error(octets: bytes, text: str) -> str:
    """Give the error code: of network_error_code (5.3.2.31) its last two octets, in decimal."""
    if len(octets) == 3 and any(octets[1:]):  # noqa: PLR2004
        return str(int.from_bytes(octets[1:], "big"))
    return text.lstrip("0")


_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]+(-[0-9A-Fa-f]+)*")


def canonical(message_id: str, *, base: int = 0) -> str:
    """Give the form in which ids are compared: numbers without case and leading zeros.

    With a ``base`` a number of that base comes out in decimal. What is no number, nor a UUID, stays
    as it is: elsewhere case may tell two ids apart.
    """
    if not _HEXADECIMAL.fullmatch(message_id):
        return message_id
    if "-" in message_id:
        return message_id.lower()
    if base == DECIMAL and not message_id.isdecimal():
        base = 0
    return str(int(message_id, base)) if base else message_id.lower().lstrip("0") or "0"


_DATES: Final = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}


def moment(text: str, zone: tzinfo) -> datetime | None:
    """Read a receipt's time (YYMMDDhhmm, with seconds or not) as one of ``zone``."""
    form = _DATES.get(len(text))
    if form is None or not (text.isascii() and text.isdigit()):
        return None
    try:
        return datetime.strptime(text, form).replace(tzinfo=zone)
    except ValueError:
        return None
