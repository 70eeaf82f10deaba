"""PDUs as values: what is in them, not how they are written (that is ``codec``).

Texts of the protocol's own fields (ids, addresses, times) are str; what a recipient reads is
bytes, with its ``data_coding`` beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from yizhan_smpp.constants import ANSWER, NPI_UNKNOWN, OK, TON_UNKNOWN, VERSION

Tlvs = Mapping[int, bytes]
NO_TLVS: Tlvs = {}


@dataclass(slots=True)
class Bind:
    """Any of the three binds (4.1); the command says which."""

    system_id: str
    password: str = ""
    system_type: str = ""
    interface_version: int = VERSION
    addr_ton: int = TON_UNKNOWN
    addr_npi: int = NPI_UNKNOWN
    address_range: str = ""


@dataclass(slots=True)
class Bound:
    """The answer to a bind: the SMSC's own name."""

    system_id: str = ""
    tlvs: Tlvs = field(default_factory=dict)


@dataclass(slots=True)
class Message:
    """submit_sm, deliver_sm (4.4.1, 4.6.1: the same fields), and data_sm (4.7.1), which has fewer.

    ``short_message`` has at most 254 octets; more goes into the TLV message_payload instead.
    Times are "YYMMDDhhmmsstnnp" (7.1.1) or empty.
    """

    destination: str
    short_message: bytes = b""
    source: str = ""
    source_ton: int = TON_UNKNOWN
    source_npi: int = NPI_UNKNOWN
    destination_ton: int = TON_UNKNOWN
    destination_npi: int = NPI_UNKNOWN
    service_type: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority: int = 0
    schedule: str = ""
    validity: str = ""
    registered_delivery: int = 0
    replace_if_present: int = 0
    data_coding: int = 0
    default_message_id: int = 0
    tlvs: Tlvs = field(default_factory=dict)


@dataclass(slots=True)
class Taken:
    """The answer to a message: the id under which it was taken; empty where there is none."""

    message_id: str = ""
    tlvs: Tlvs = field(default_factory=dict)


@dataclass(slots=True)
class Query:
    """query_sm (4.8.1): what became of a message that was submitted."""

    message_id: str
    source: str = ""
    source_ton: int = TON_UNKNOWN
    source_npi: int = NPI_UNKNOWN


@dataclass(slots=True)
class QueryResult:
    """The answer to query_sm: ``state`` is a message_state (5.2.28)."""

    message_id: str = ""
    final_date: str = ""
    state: int = 0
    error: int = 0


Body = Bind | Bound | Message | Taken | Query | QueryResult | None


class Pdu(NamedTuple):
    """One PDU. Those without fields (unbind, enquire_link, generic_nack) have no body."""

    command: int
    status: int
    sequence: int
    body: Body = None

    @property
    def is_answer(self) -> bool:
        return self.command & ANSWER != 0

    @property
    def is_ok(self) -> bool:
        return self.status == OK
