"""Octets to PDUs.

Strict about what cannot be read: it raises MalformedError, with the status to answer, and nothing
else, whatever the octets are. Lenient where carriers are known to stray and nothing is lost by it:
an answer may lack its body, a password may be longer than the eight characters of the
specification, and short_message may have 255 octets.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from yizhan_smpp.constants import (
    ANSWER,
    BINDS,
    DATA_SM,
    DATA_SM_RESP,
    DELIVER_SM,
    DELIVER_SM_RESP,
    ENQUIRE_LINK,
    ENQUIRE_LINK_RESP,
    GENERIC_NACK,
    INVALID_COMMAND,
    INVALID_COMMAND_LENGTH,
    INVALID_MESSAGE_LENGTH,
    INVALID_PARAMETER_LENGTH,
    INVALID_PARAMETERS,
    INVALID_PASSWORD,
    INVALID_SOURCE,
    INVALID_SYSTEM_ID,
    QUERY_SM,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    UNBIND,
    UNBIND_RESP,
)
from yizhan_smpp.errors import MalformedError
from yizhan_smpp.fields import (
    ADDRESS,
    ADDRESS_RANGE,
    MESSAGE_ID,
    PASSWORD,
    SYSTEM_ID,
    SYSTEM_TYPE,
    TIME,
    TLV_HEADER,
    TLV_OCTETS,
)
from yizhan_smpp.framing import HEADER, HEADER_OCTETS
from yizhan_smpp.pdu import (
    Bind,
    Body,
    Bound,
    Message,
    Pdu,
    Query,
    QueryResult,
    Taken,
)

_EMPTY: Final = frozenset({UNBIND, UNBIND_RESP, ENQUIRE_LINK, ENQUIRE_LINK_RESP, GENERIC_NACK})


def decode(data: bytes) -> Pdu:
    """Read one whole PDU, header included. Raises MalformedError, and nothing else."""
    if len(data) < HEADER_OCTETS:
        raise MalformedError(0, 0, INVALID_COMMAND_LENGTH, "shorter than a header")
    length, command, status, sequence = HEADER.unpack_from(data)
    if length != len(data):
        raise MalformedError(command, sequence, INVALID_COMMAND_LENGTH, "not of its length")
    return decode_frame(data, command, status, sequence, HEADER_OCTETS, length)


def decode_frame(
    data: bytes, command: int, status: int, sequence: int, start: int, end: int
) -> Pdu:
    """Read the PDU whose body is ``data[start:end]``. Raises MalformedError, and nothing else."""
    if command in _EMPTY:
        return Pdu(command, status, sequence)
    decoder = _DECODERS.get(command)
    if decoder is None:
        raise MalformedError(command, sequence, INVALID_COMMAND, "unknown command")
    if start == end and command & ANSWER:
        # A failed answer has no body (4.4.2); some leave it out of good ones too.
        return Pdu(command, status, sequence, _MISSING_BODIES.get(command, Taken)())
    try:
        return Pdu(command, status, sequence, decoder(data, start, end))
    except _BadFieldError as error:
        raise MalformedError(command, sequence, error.status, error.problem) from None


class _BadFieldError(Exception):
    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem


_MESSAGE_HEAD: Final = re.compile(
    rb"([^\0]{0,5})\0(.)(.)([^\0]{0,20})\0(.)(.)([^\0]{0,20})\0(.)(.)(.)"
    rb"([^\0]{0,16})\0([^\0]{0,16})\0(.)(.)(.)(.)(.)",
    re.DOTALL,
)
"""The mandatory fields up to sm_length. One match costs a third of reading field by field."""
_DATA_HEAD: Final = re.compile(
    rb"([^\0]{0,5})\0(.)(.)([^\0]{0,64})\0(.)(.)([^\0]{0,64})\0(.)(.)(.)", re.DOTALL
)


def _decode_message(data: bytes, start: int, end: int) -> Message:
    head = _MESSAGE_HEAD.match(data, start, end)
    if head is None:
        raise _BadFieldError(INVALID_COMMAND_LENGTH, "a field is missing or too long")
    (
        service_type, source_ton, source_npi, source, ton, npi, destination, esm_class, protocol,
        priority, schedule, validity, registered, replace, coding, default_id, length,
    ) = head.groups()  # fmt: skip
    at = head.end()
    text_end = at + length[0]
    if text_end > end:
        raise _BadFieldError(INVALID_MESSAGE_LENGTH, "sm_length goes beyond the end")
    return Message(
        destination.decode("latin-1"),
        data[at:text_end],
        source.decode("latin-1"),
        source_ton[0],
        source_npi[0],
        ton[0],
        npi[0],
        service_type.decode("latin-1"),
        esm_class[0],
        protocol[0],
        priority[0],
        schedule.decode("latin-1"),
        validity.decode("latin-1"),
        registered[0],
        replace[0],
        coding[0],
        default_id[0],
        _tlvs(data, text_end, end) if text_end < end else {},
    )


def _decode_data(data: bytes, start: int, end: int) -> Message:
    head = _DATA_HEAD.match(data, start, end)
    if head is None:
        raise _BadFieldError(INVALID_COMMAND_LENGTH, "a field is missing or too long")
    (
        service_type, source_ton, source_npi, source, ton, npi, destination, esm_class,
        registered, coding,
    ) = head.groups()  # fmt: skip
    return Message(
        destination.decode("latin-1"),
        b"",
        source.decode("latin-1"),
        source_ton[0],
        source_npi[0],
        ton[0],
        npi[0],
        service_type.decode("latin-1"),
        esm_class[0],
        registered_delivery=registered[0],
        data_coding=coding[0],
        tlvs=_tlvs(data, head.end(), end),
    )


def _decode_taken(data: bytes, start: int, end: int) -> Taken:
    message_id, at = _string(data, start, end, MESSAGE_ID, INVALID_COMMAND_LENGTH)
    return Taken(message_id, _tlvs(data, at, end) if at < end else {})


def _decode_bind(data: bytes, start: int, end: int) -> Bind:
    system_id, at = _string(data, start, end, SYSTEM_ID, INVALID_SYSTEM_ID)
    password, at = _string(data, at, end, PASSWORD, INVALID_PASSWORD)
    system_type, at = _string(data, at, end, SYSTEM_TYPE, INVALID_COMMAND_LENGTH)
    version, ton, npi = _octets(data, at, end, 3)
    address_range, _at = _string(data, at + 3, end, ADDRESS_RANGE, INVALID_COMMAND_LENGTH)
    return Bind(system_id, password, system_type, version, ton, npi, address_range)


def _decode_bound(data: bytes, start: int, end: int) -> Bound:
    system_id, at = _string(data, start, end, SYSTEM_ID, INVALID_SYSTEM_ID)
    return Bound(system_id, _tlvs(data, at, end))


def _decode_query(data: bytes, start: int, end: int) -> Query:
    message_id, at = _string(data, start, end, MESSAGE_ID, INVALID_COMMAND_LENGTH)
    ton, npi = _octets(data, at, end, 2)
    source, _at = _string(data, at + 2, end, ADDRESS, INVALID_SOURCE)
    return Query(message_id, source, ton, npi)


def _decode_query_result(data: bytes, start: int, end: int) -> QueryResult:
    message_id, at = _string(data, start, end, MESSAGE_ID, INVALID_COMMAND_LENGTH)
    final_date, at = _string(data, at, end, TIME, INVALID_COMMAND_LENGTH)
    state, error = _octets(data, at, end, 2)
    return QueryResult(message_id, final_date, state, error)


def _string(data: bytes, at: int, end: int, size: int, status: int) -> tuple[str, int]:
    """Read a C-octet string of at most ``size`` octets, NUL included; give it and what follows."""
    limit = at + size
    nul = data.find(0, at, min(limit, end))
    if nul < 0:
        problem = "a text is too long" if limit <= end else "a text without an end"
        raise _BadFieldError(status, problem)
    return data[at:nul].decode("latin-1"), nul + 1


def _octets(data: bytes, at: int, end: int, count: int) -> bytes:
    if at + count > end:
        raise _BadFieldError(INVALID_COMMAND_LENGTH, "it ends before its fields do")
    return data[at : at + count]


def _tlvs(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """Read optional parameters (3.2.4.1); of one that is repeated the first counts."""
    found: dict[int, bytes] = {}
    while at < end:
        if end - at < TLV_OCTETS:
            raise _BadFieldError(INVALID_PARAMETERS, "a parameter without its header")
        tag, length = TLV_HEADER.unpack_from(data, at)
        value_at = at + TLV_OCTETS
        at = value_at + length
        if at > end:
            raise _BadFieldError(INVALID_PARAMETER_LENGTH, "a parameter goes beyond the end")
        if tag not in found:
            found[tag] = data[value_at:at]
    return found


_DECODERS: Final[Mapping[int, Callable[[bytes, int, int], Body]]] = {
    **dict.fromkeys(BINDS, _decode_bind),
    **dict.fromkeys((bind | ANSWER for bind in BINDS), _decode_bound),
    SUBMIT_SM: _decode_message,
    DELIVER_SM: _decode_message,
    DATA_SM: _decode_data,
    SUBMIT_SM_RESP: _decode_taken,
    DELIVER_SM_RESP: _decode_taken,
    DATA_SM_RESP: _decode_taken,
    QUERY_SM: _decode_query,
    QUERY_SM | ANSWER: _decode_query_result,
}
_MISSING_BODIES: Final[Mapping[int, Callable[[], Body]]] = {
    **dict.fromkeys((bind | ANSWER for bind in BINDS), Bound),
    QUERY_SM | ANSWER: QueryResult,
}
