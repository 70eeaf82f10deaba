"""Receipts as deliver_sm: TLVs, and texts in the shapes that message centres write.

SMPP 3.4: appendix B for the text, 5.3.2 for the TLVs.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from yizhan_simulators.behaviour import SmppBehaviour
from yizhan_simulators.carriers.handed import Receipt
from yizhan_simulators.smpp.shapes import write_shape
from yizhan_smpp.constants import (
    ESM_RECEIPT,
    NPI_ISDN,
    TAG_MESSAGE_STATE,
    TAG_NETWORK_ERROR,
    TAG_RECEIPTED_MESSAGE_ID,
    TON_INTERNATIONAL,
)
from yizhan_smpp.pdu import Message

# 5.2.28, and the word of appendix B for it
_STATES: Final[Mapping[str, tuple[int, str]]] = {
    "buffered": (1, "ENROUTE"),
    "delivered": (2, "DELIVRD"),
    "expired": (3, "EXPIRED"),
    "failed": (5, "UNDELIV"),
    "unknown": (7, "UNKNOWN"),
    "rejected": (8, "REJECTD"),
}
_VENDORS_WORD = re.compile(r"[A-Z]{2}:[0-9]{4}")
"""As mainland China's gateways write it in `stat`: MK:0001."""
_SOME_ERROR: Final = "001"
_MOST_OCTETS: Final = 254
_GSM_ERROR: Final = 3  # 5.3.2.31: network type of network_error_code

ID_FORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "hex": str,
    "upper": str.upper,
    "decimal": lambda carrier_message_id: str(int(carrier_message_id, 16)),
    "zeros": lambda carrier_message_id: carrier_message_id.zfill(24),
}


def receipt_pdu(receipt: Receipt, smpp: SmppBehaviour) -> Message:
    """Write one receipt as the body of a deliver_sm."""
    state, word = _STATES[receipt.state]
    shown = ID_FORMS[smpp.receipt_ids](receipt.carrier_message_id)
    error = receipt.code.zfill(3) if _is_error(receipt.code) else _SOME_ERROR
    tlvs = {}
    if smpp.receipt_form != "text":
        tlvs[TAG_RECEIPTED_MESSAGE_ID] = shown.encode("ascii") + b"\0"
        tlvs[TAG_MESSAGE_STATE] = bytes((state,))
        tlvs[TAG_NETWORK_ERROR] = bytes((_GSM_ERROR,)) + int(error).to_bytes(2)
    if receipt.tag and receipt.ref:
        tlvs[receipt.tag] = receipt.ref.encode("ascii")
    text = b""
    if smpp.receipt_form != "tlv":
        word = receipt.code if _VENDORS_WORD.fullmatch(receipt.code) else word
        text = _text(smpp.receipt_text, shown, word, error, receipt)
    return Message(
        destination=receipt.sender,
        short_message=text,
        source=receipt.to.removeprefix("+"),
        source_ton=TON_INTERNATIONAL,
        source_npi=NPI_ISDN,
        esm_class=ESM_RECEIPT,
        tlvs=tlvs,
    )


def _text(shape: str, shown: str, word: str, error: str, receipt: Receipt) -> bytes:
    at = datetime.fromtimestamp(receipt.due, UTC).strftime("%y%m%d%H%M")
    delivered = "001" if receipt.state == "delivered" else "000"
    said = write_shape(
        shape, id=shown, sub="001", dlvrd=delivered, submitted=at, done=at, stat=word, err=error
    )
    return said.encode("latin-1", "replace")[:_MOST_OCTETS]


def _is_error(code: str) -> bool:
    return code.isdecimal() and len(code) <= len(_SOME_ERROR)
