"""Endings: the call when no SMS gets through, and the final status."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from yizhan_contracts.events._base import E164, Country, Lane, Name, OfMessage, Utc
from yizhan_contracts.events._messages import Origin
from yizhan_contracts.reasons import Reason


class VoiceRequested(OfMessage):
    """Ring the recipient: at most once per message, however often this is read."""

    TOPIC = "voice.requested.v1"

    account_id: Name
    recipient: E164
    country: Country
    language: str
    script: str
    reason: Reason
    sms_failed: bool
    """The SMS is final and failed (else its receipt is overdue and may still come)."""
    wait_until: Utc
    """Past this moment nothing is dialled: cancelled."""
    time_zone: str = "Asia/Shanghai"
    test: bool = False
    template_id: str = ""
    origin: Origin | None = None
    """With the template, what a hold may name: shipment, batch."""
    requested_at: Utc


class CallOutcome(StrEnum):
    """What became of a call."""

    ANSWERED = "answered"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class VoiceFinished(OfMessage):
    """What became of the call."""

    TOPIC = "voice.finished.v1"

    account_id: Name
    outcome: CallOutcome
    reason: Reason = Reason.NONE
    provider: str = ""
    provider_call_id: str = ""
    provider_code: str = ""
    rings: int = 0
    answered_at: Utc | None = None
    finished_at: Utc


class Status(StrEnum):
    """How a message ended. EXPIRED: never handed over. UNKNOWN: no receipt by the deadline."""

    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class Medium(StrEnum):
    """By what it was delivered."""

    SMS = "sms"
    VOICE = "voice"
    NONE = ""


class MessageSettled(OfMessage):
    """The final status. ``revision`` 2 exists only as a late "delivered".

    No number and no text: anyone may read it.
    """

    TOPIC = "message.settled.v1"

    account_id: Name
    reference: str = ""
    status: Status
    revision: Annotated[int, Field(ge=1, le=2)] = 1
    via: Medium = Medium.NONE
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    channel: str = ""
    attempts: int = 0
    country: str
    lane: Lane
    charging_num: int
    origin: Origin
    accepted_at: Utc
    delivered_at: Utc | None = None
    settled_at: Utc
