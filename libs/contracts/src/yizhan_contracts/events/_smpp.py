"""What a carrier that speaks SMPP 3.4 wants to be spoken to like."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from yizhan_contracts.events._base import Part

Octet = Annotated[int, Field(ge=0, le=255)]


class SmppBind(StrEnum):
    """How many connections a bind is."""

    TRANSCEIVER = "transceiver"
    """One for both ways."""
    PAIR = "transmitter-receiver"
    """One each."""


class SmppAlphabet(StrEnum):
    """What the carrier takes data_coding 0 for."""

    GSM7 = "gsm-7"
    """GSM 03.38, an octet a septet."""
    LATIN1 = "latin-1"
    """What Latin-1 lacks of GSM 03.38 (the euro sign, capitals of Greek) goes as UCS-2."""


class SmppLongMessages(StrEnum):
    """How a text that one message does not hold is sent."""

    UDH = "udh"
    """In parts, each with a header of 6 octets before its text (TS 23.040, 9.2.3.24.1)."""
    SAR = "sar"
    """In parts, told by the optional parameters sar_*."""
    PAYLOAD = "payload"
    """Whole, in the optional parameter message_payload; the carrier cuts it and gives one id."""


class SmppMessageIds(StrEnum):
    """How ids in the text of receipts stand to those that submits were answered with.

    Case and leading zeros never count.
    """

    SAME = "same"
    HEX_THEN_DECIMAL = "hex-then-decimal"
    """Answers have them in hexadecimal, receipts in decimal."""
    DECIMAL_THEN_HEX = "decimal-then-hex"


class SmppOptions(Part):
    """How to bind and what to write. The password is the channel's ``secret_ref``.

    ``ca_ref``, ``certificate_ref`` and ``key_ref`` name variables of the environment that hold the
    path of a PEM file; they and ``server_name`` count where the channel's url is ``smpps://``.
    """

    system_id: Annotated[str, StringConstraints(min_length=1, max_length=15)]
    system_type: Annotated[str, StringConstraints(max_length=12)] = ""
    service_type: Annotated[str, StringConstraints(max_length=5)] = ""
    bind: SmppBind = SmppBind.TRANSCEIVER
    binds: Annotated[int, Field(ge=1, le=32)] = 1
    """Binds at a time of each adapter instance; the channel's window is shared among them."""
    source_ton: Octet | None = None
    """None: as the sender looks (alphanumeric 5, short code 3, a number 1; npi 0, 0, 1)."""
    source_npi: Octet | None = None
    destination_ton: Octet = 1
    destination_npi: Octet = 1
    default_alphabet: SmppAlphabet = SmppAlphabet.GSM7
    long_messages: SmppLongMessages = SmppLongMessages.UDH
    message_ids: SmppMessageIds = SmppMessageIds.SAME
    reference_tag: Annotated[int, Field(ge=0, le=0x3FFF)] = 0
    """The optional parameter in which a submit_sm carries the attempt's id, for carriers that keep
    or echo it: 0x1400 to 0x3FFF are left to vendors (5.3.2). Of several parts each has its number
    behind it (``<attempt id>/2``), and its echo names no attempt. 0: none."""
    enquire_link_s: Annotated[float, Field(ge=0.05, le=600)] = 30.0
    time_zone: str = ""
    """IANA name of the zone of the times in receipts; empty: unknown, and left out."""
    server_name: str = ""
    """The name on the carrier's certificate, where it is not the host's."""
    ca_ref: str = ""
    certificate_ref: str = ""
    key_ref: str = ""
