"""A submission as submit_sm: addresses, text, validity."""

from carrier_adapter.carriers.base import Refused, Submission
from yizhan_contracts.events import SenderKind, SmppOptions
from yizhan_contracts.reasons import Reason
from yizhan_smpp.alphabets import Alphabet
from yizhan_smpp.constants import (
    NPI_ISDN,
    NPI_UNKNOWN,
    TON_ALPHANUMERIC,
    TON_INTERNATIONAL,
    TON_NETWORK_SPECIFIC,
)
from yizhan_smpp.parts import LongMessages, Written, write
from yizhan_smpp.pdu import Message
from yizhan_smpp.times import relative
from yizhan_telecom.channel_rules import kind_of

_LONGEST_ALPHANUMERIC = 11
"""TS 23.040, 9.1.2.5: 11 septets, and handsets show no more."""
_FINAL_RECEIPT = 1
"""5.2.17: a receipt of success or failure."""
_BY_KIND = {
    SenderKind.ALPHANUMERIC: (TON_ALPHANUMERIC, NPI_UNKNOWN),
    SenderKind.SHORT_CODE: (TON_NETWORK_SPECIFIC, NPI_UNKNOWN),
    SenderKind.NUMERIC: (TON_INTERNATIONAL, NPI_ISDN),
}

Wording = tuple[list[Message], int]
"""The messages, and how many parts go over the air."""


class Writer:
    """Writes submissions as one channel's carrier wants them."""

    def __init__(self, options: SmppOptions) -> None:
        self._options = options
        self._alphabet = Alphabet(options.default_alphabet)
        self._method = LongMessages(options.long_messages)
        self._addresses: dict[str, tuple[str, int, int] | None] = {}

    def write(self, one: Submission, reference: int) -> Wording | Refused:
        """Give the messages, or why there can be none."""
        source = self._source(one.sender)
        if source is None:
            return Refused("", Reason.SENDER_NOT_REGISTERED, "the sender does not fit into SMPP")
        try:
            written = write(one.text, self._alphabet, self._method, reference)
        except ValueError as error:
            return Refused("", Reason.CARRIER_ERROR, str(error))
        options, (address, ton, npi) = self._options, source
        if options.reference_tag:
            _refer(written, options.reference_tag, one.attempt_id)
        validity = relative(one.validity_s)
        messages = [
            Message(
                one.recipient.removeprefix("+"),
                octets,
                address,
                ton,
                npi,
                options.destination_ton,
                options.destination_npi,
                options.service_type,
                esm_class,
                validity=validity,
                registered_delivery=_FINAL_RECEIPT,
                data_coding=written.data_coding,
                tlvs=tlvs,
            )
            for esm_class, octets, tlvs in written.parts
        ]
        return messages, written.segments

    def _source(self, sender: str) -> tuple[str, int, int] | None:
        """Give a sender's address, type of number and plan; None for one that cannot be sent."""
        if sender not in self._addresses:
            if len(self._addresses) > 10_000:  # noqa: PLR2004 - a bound, not a cache policy
                self._addresses.clear()
            self._addresses[sender] = self._address(sender)
        return self._addresses[sender]

    def _address(self, sender: str) -> tuple[str, int, int] | None:
        options, kind = self._options, kind_of(sender)
        if kind is SenderKind.ALPHANUMERIC and (
            len(sender) > _LONGEST_ALPHANUMERIC or not sender.isascii() or not sender.isprintable()
        ):
            return None
        ton, npi = _BY_KIND[kind]
        return (
            sender.removeprefix("+"),
            ton if options.source_ton is None else options.source_ton,
            npi if options.source_npi is None else options.source_npi,
        )


def _refer(written: Written, tag: int, attempt_id: str) -> None:
    """Put the attempt's id into each part's parameter.

    Of several parts each has its number behind the id: a receipt that echoes it speaks for that
    part, and must not be taken for one of the whole message.
    """
    is_long = len(written.parts) > 1
    for number, (_esm_class, _octets, tlvs) in enumerate(written.parts, start=1):
        named = f"{attempt_id}/{number}" if is_long else attempt_id
        tlvs[tag] = named.encode()
