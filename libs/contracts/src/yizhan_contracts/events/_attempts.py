"""Attempts: planned, finished, planned again; and what carriers say of them afterwards."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from yizhan_contracts import ids
from yizhan_contracts.events._base import (
    E164,
    AttemptId,
    AttemptNumber,
    ChannelName,
    Country,
    Event,
    MessageId,
    OfMessage,
    Part,
    Utc,
)
from yizhan_contracts.events._messages import MessageAccepted, ReceiptTimeout
from yizhan_contracts.reasons import Reason


def _require_own_id(attempt_id: str, message_id: str, n: int) -> None:
    # The claim is on attempt_id, the next number counts from n: if they differ, one is sent twice.
    if attempt_id != ids.attempt_id(message_id, n):
        raise ValueError("attempt_id is not that of this message and n")


def _require_same_message(message_id: str, message: MessageAccepted | None) -> None:
    if message is not None and message.message_id != message_id:
        raise ValueError("message is not the one that message_id names")


class Candidate(Part):
    """What the router knew of one channel when it chose."""

    channel: ChannelName
    score: float = 0.0
    state: str = ""
    note: str = ""


class Decision(Part):
    """Why this channel: travels with the attempt, so that the choice can be explained later."""

    why: str
    candidates: tuple[Candidate, ...] = ()
    excluded: dict[ChannelName, str] = Field(default_factory=dict)
    """Channels of the country that were no candidates, and why."""
    routing: str = ""
    """The policy that was followed, and the rule it is from where the account's gave way."""
    table_version: str = ""


class AttemptPlanned(Event):
    """One message for one channel. The claim on ``attempt_id`` decides who sends it, and once."""

    TOPIC = "attempt.planned.v1"

    attempt_id: AttemptId
    n: AttemptNumber
    channel: ChannelName
    message: MessageAccepted
    tried: tuple[ChannelName, ...] = ()
    decision: Decision
    reason: Reason = Reason.NONE
    """On the channel ``none``: why there is no other, or why it is not wanted (cancelled)."""
    planned_at: Utc

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        _require_own_id(self.attempt_id, self.message.message_id, self.n)
        return self

    def topic(self) -> str:
        return f"{self.TOPIC}.{self.channel}.{self.message.lane}"

    def key(self) -> str:
        return self.message.key()

    def shard(self) -> int | None:
        return self.message.shard()


class AttemptOutcome(StrEnum):
    """What became of an attempt, as far as the adapter can know."""

    SUBMITTED = "submitted"
    REFUSED = "refused"
    """The carrier said no."""
    FAILED = "failed"
    """It never left us: another try is safe."""
    RELEASED = "released"
    """Unclaimed and handed back: planned again under the same attempt id."""
    IN_DOUBT = "in-doubt"
    """Sent and not answered, or claimed by somebody who never said what became of it."""
    UNROUTABLE = "unroutable"
    """Nobody will send it: its claim was taken so that nobody can. The reason says why: no channel
    is left, or it was held and is to be cancelled."""
    EXPIRED = "expired"
    """Found past its validity, never claimed."""


class AttemptFinished(OfMessage):
    """What became of an attempt.

    ``message`` is there unless it was submitted: who plans again needs it.
    """

    TOPIC = "attempt.finished.v1"

    attempt_id: AttemptId
    message_id: MessageId
    n: AttemptNumber
    channel: ChannelName
    carrier_account: str = ""
    """Whose id ``carrier_message_id`` is: the receipt may come by another channel's bind."""
    outcome: AttemptOutcome
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    detail: str = ""
    carrier_message_id: str = ""
    """Of its first part, or of the whole message."""
    carrier_message_ids: tuple[str, ...] = ()
    """Of all parts that the carrier took, in order, where it answered each; empty for one id."""
    segments: Annotated[int, Field(ge=1, le=255)] = 1
    """Parts that the message was cut into for the air, whether each has an id or not."""
    sender: str = ""
    country: Country
    tried: tuple[ChannelName, ...] = ()
    """All channels tried so far, this one included."""
    decision: Decision | None = None
    message: MessageAccepted | None = None
    receipt_timeout_s: ReceiptTimeout | None = None
    """From the policy, where ``message`` is left out: receipts counts it from its own insert. None:
    the account says nothing of its own."""
    claimed_at: Utc | None = None
    finished_at: Utc

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        _require_own_id(self.attempt_id, self.message_id, self.n)
        _require_same_message(self.message_id, self.message)
        if self.carrier_message_ids and self.carrier_message_ids[0] != self.carrier_message_id:
            raise ValueError("carrier_message_id is not the first of carrier_message_ids")
        return self

    def part_ids(self) -> tuple[str, ...]:
        """Give the carrier's ids, one per receipt that will come; none where it gave none."""
        if self.carrier_message_ids:
            return self.carrier_message_ids
        return (self.carrier_message_id,) if self.carrier_message_id else ()


class RerouteRequested(OfMessage):
    """Attempt ``n`` ended after its submit, and another channel may still do it: plan ``n`` + 1."""

    TOPIC = "reroute.requested.v1"

    n: AttemptNumber
    reason: Reason
    tried: tuple[ChannelName, ...]
    message: MessageAccepted
    requested_at: Utc

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        _require_same_message(self.message_id, self.message)
        return self


class ReceiptState(StrEnum):
    """What a carrier's receipt comes down to."""

    DELIVERED = "delivered"
    FAILED = "failed"
    BUFFERED = "buffered"
    """On its way: says nothing final."""
    UNKNOWN = "unknown"


class ReceiptReceived(Event):
    """A carrier's word on an attempt, normalised.

    ``attempt_id`` is there where the carrier echoed it or the adapter still knew it.
    """

    TOPIC = "receipt.received.v1"

    channel: ChannelName
    carrier_account: str
    carrier_message_id: str
    attempt_id: AttemptId | None = None
    parts: Annotated[int, Field(ge=1, le=255)] = 1
    """Of the attempt that is named: so many receipts, each for another part, make it delivered."""
    state: ReceiptState
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    country: str = ""
    """Country of the recipient where the adapter knows it, else empty."""
    carrier_time: str = ""
    """The carrier's own time, as it wrote it."""
    delivered_at: Utc | None = None
    received_at: Utc

    def key(self) -> str:
        return f"{self.carrier_account}:{self.carrier_message_id}"


class ReplyReceived(Event):
    """What a recipient sent back (MO)."""

    TOPIC = "reply.received.v1"

    channel: ChannelName
    carrier_account: str
    carrier_message_id: str
    sender: E164
    recipient: str
    """The number or short code that the reply was sent to."""
    text: str
    received_at: Utc

    def key(self) -> str:
        return ids.key_of_shard(ids.shard_of_recipient(self.sender)).decode()

    def shard(self) -> int | None:
        return ids.shard_of_recipient(self.sender)
