"""What an SMSC sends by itself: receipts and replies, answered when Kafka has them."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from carrier_adapter.receiving.normalise import CarrierReceipt
from carrier_adapter.receiving.replies import CarrierReply, ReplyPlace
from yizhan_contracts.events import ChannelConfigured, SmppMessageIds, SmppOptions
from yizhan_contracts.reasons import Reason
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger
from yizhan_smpp import constants as c
from yizhan_smpp.alphabets import Alphabet
from yizhan_smpp.parts import read
from yizhan_smpp.pdu import Message, Pdu, Taken
from yizhan_smpp.receipts import (
    DECIMAL,
    HEXADECIMAL,
    MessageState,
    Receipt,
    canonical,
    is_receipt,
    moment,
    parse,
)
from yizhan_smpp.session import Session

log = get_logger(__name__)

_MOST_WAITING = 5_000
"""What is beyond is turned away at once: the SMSC has a store, and this process has none."""
_MOST_AT_ONCE = 1_000
_STATES = {
    MessageState.DELIVERED: "delivered",
    MessageState.EXPIRED: "expired",
    MessageState.DELETED: "failed",
    MessageState.UNDELIVERABLE: "failed",
    MessageState.REJECTED: "rejected",
    MessageState.UNKNOWN: "unknown",
    MessageState.ENROUTE: "buffered",
    MessageState.ACCEPTED: "buffered",
}
_REASONS = {
    MessageState.UNDELIVERABLE: Reason.HANDSET_UNREACHABLE,
    MessageState.DELETED: Reason.CARRIER_ERROR,
}
_BASES = {
    SmppMessageIds.SAME: (0, 0),
    SmppMessageIds.HEX_THEN_DECIMAL: (HEXADECIMAL, DECIMAL),
    SmppMessageIds.DECIMAL_THEN_HEX: (DECIMAL, HEXADECIMAL),
}


class Ids:
    """Puts a carrier's message ids, of answers and of receipts, into one form."""

    def __init__(self, form: SmppMessageIds) -> None:
        self._answers, self._receipts = _BASES[form]

    def of_answer(self, message_id: str) -> str:
        return canonical(message_id, base=self._answers)

    def of_receipt(self, receipt: Receipt) -> str:
        """Read the id of a receipt; that of a parameter has the form of answers (5.3.2.12).

        Unless the text has the very same: then it is the text's form that the carrier uses.
        """
        if receipt.parameter_id and receipt.parameter_id != receipt.text_id:
            return self.of_answer(receipt.parameter_id)
        return canonical(receipt.text_id, base=self._receipts)


class Receiving(Protocol):
    """Where receipts and replies go. What it returns from Kafka has; Retryable: perhaps not."""

    async def take_all(
        self,
        channel: ChannelConfigured,
        receipts: Iterable[CarrierReceipt],
        replies: Iterable[CarrierReply],
    ) -> None: ...

    def refused(self, channel: str, why: str) -> None: ...

    def fail(self, error: BaseException) -> None:
        """End the process: something is wrong that nobody foresaw."""


class _Waiting(NamedTuple):
    session: Session
    request: Pdu


class Incoming:
    """Takes what comes over all binds of a channel in rounds, and answers it afterwards.

    What Kafka may not have is answered with ESME_RX_T_APPN: it comes again.
    """

    def __init__(
        self, channel: ChannelConfigured, options: SmppOptions, ids: Ids, receiving: Receiving
    ) -> None:
        self._channel = channel
        self._ids = ids
        self._receiving = receiving
        self._alphabet = Alphabet(options.default_alphabet)
        self._tag = options.reference_tag
        self._zone = ZoneInfo(options.time_zone) if options.time_zone else None
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()

    def put(self, session: Session, request: Pdu) -> None:
        """Take a message of the SMSC, or turn it away while too many wait."""
        if len(self._waiting) >= _MOST_WAITING:
            self._receiving.refused(self._channel.channel, "too-many")
            session.respond(request, c.TRY_AGAIN)
            return
        self._waiting.append(_Waiting(session, request))
        self._wake.set()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._wake.wait()
            batch = self._waiting[:_MOST_AT_ONCE]
            del self._waiting[:_MOST_AT_ONCE]
            if not self._waiting:
                self._wake.clear()
            await self._take(batch)

    async def _take(self, batch: list[_Waiting]) -> None:
        receipts: list[CarrierReceipt] = []
        replies: list[CarrierReply] = []
        for _session, request in batch:
            self._sort(request, receipts, replies)
        status = c.OK
        try:
            await self._receiving.take_all(self._channel, receipts, replies)
        except Retryable as error:
            log.warning(
                "receipts are not taken",
                extra={"channel": self._channel.channel, "why": str(error), "count": len(batch)},
            )
            status = c.TRY_AGAIN
        for session, request in batch:
            session.respond(request, status, Taken() if status == c.OK else None)

    def _sort(
        self, request: Pdu, receipts: list[CarrierReceipt], replies: list[CarrierReply]
    ) -> None:
        """Read a message. What cannot be read is counted and answered well: no use to repeat it."""
        message = request.body
        if not isinstance(message, Message):
            return
        if not is_receipt(message):
            received = read(message, self._alphabet)
            at = received.place
            place = ReplyPlace(at.reference, at.total, at.number) if at is not None else None
            replies.append(CarrierReply(message.source, message.destination, received.text, place))
        elif (receipt := parse(message)) is not None:
            echoed = message.tlvs.get(self._tag, b"") if self._tag else b""
            receipts.append(self._receipt(receipt, echoed.rstrip(b"\0").decode("latin-1")))
        else:
            self._receiving.refused(self._channel.channel, "bad-receipt")

    def _receipt(self, receipt: Receipt, ref: str) -> CarrierReceipt:
        own, word = self._channel.reasons, receipt.word
        # Error codes are each network's own: only the channel's table knows what they mean.
        code = receipt.error or word
        told = own.get(receipt.error) or own.get(receipt.error.zfill(3)) or own.get(word)
        at = moment(receipt.done, self._zone) if self._zone is not None else None
        return CarrierReceipt(
            self._ids.of_receipt(receipt),
            ref,
            _STATES[receipt.state],
            code,
            at.isoformat() if at is not None else receipt.done,
            told or _REASONS.get(receipt.state, Reason.NONE),
        )
