"""A carrier's receipt, read tolerantly and put into our words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from carrier_adapter.carriers.codes import reason_of
from carrier_adapter.receiving.remembered import RememberedIds
from carrier_adapter.receiving.replies import CarrierReply
from yizhan_contracts import ids
from yizhan_contracts.events import ChannelConfigured, ReceiptReceived, ReceiptState
from yizhan_contracts.reasons import Reason

STATES: dict[str, tuple[ReceiptState, Reason]] = {
    "delivered": (ReceiptState.DELIVERED, Reason.NONE),
    "failed": (ReceiptState.FAILED, Reason.UNKNOWN),
    "expired": (ReceiptState.FAILED, Reason.HANDSET_UNREACHABLE),
    "rejected": (ReceiptState.FAILED, Reason.CARRIER_INTERCEPTED),
    "unknown": (ReceiptState.UNKNOWN, Reason.UNKNOWN),
    "buffered": (ReceiptState.BUFFERED, Reason.NONE),
}
"""What a carrier's state is to us, and why, where its code does not say."""

_LONGEST = 200
_LONGEST_REPLY = 10_000
_NUMBER = re.compile(r"[1-9][0-9]{6,14}")


class BadReceiptError(ValueError):
    """One receipt cannot be read: names the field, never its value."""


@dataclass(frozen=True, slots=True)
class CarrierReceipt:
    """A receipt as a carrier's protocol said it, whichever protocol that is."""

    carrier_message_id: str
    ref: str
    """Our reference, echoed: only where one receipt speaks for the whole message."""
    state: str
    code: str
    at: str
    reason: Reason = Reason.NONE
    """Why it failed, where the protocol's reader knows; else by its code."""


def read(item: Any) -> CarrierReceipt:  # noqa: ANN401 - JSON
    """Read one receipt of a webhook call. Raises BadReceiptError."""
    if not isinstance(item, Mapping):
        raise BadReceiptError("a receipt is an object")
    return CarrierReceipt(
        _text(item, "id") or _missing("id"),
        _text(item, "ref"),
        (_text(item, "state") or _missing("state")).lower(),
        _text(item, "code"),
        _text(item, "at"),
    )


def read_reply(item: Any) -> CarrierReply:  # noqa: ANN401 - JSON
    """Read one reply of a webhook call. Raises BadReceiptError."""
    if not isinstance(item, Mapping):
        raise BadReceiptError("a reply is an object")
    text = item.get("text")
    if not isinstance(text, str) or len(text) > _LONGEST_REPLY:
        raise BadReceiptError(f"text: a text of at most {_LONGEST_REPLY} characters")
    sender = (_text(item, "from") or _missing("from")).removeprefix("+")
    if not _NUMBER.fullmatch(sender):
        raise BadReceiptError("from: a number in international format")
    return CarrierReply(
        sender,
        _text(item, "to") or _missing("to"),
        text,
        own_id=_text(item, "id") or _missing("id"),
    )


def normalise(
    receipt: CarrierReceipt, channel: ChannelConfigured, remembered: RememberedIds, now: datetime
) -> ReceiptReceived:
    """Put a receipt into our words: a state that is new to us says nothing final."""
    state, otherwise = STATES.get(receipt.state, (ReceiptState.UNKNOWN, Reason.UNKNOWN))
    known = remembered.get(channel.carrier_account, receipt.carrier_message_id)
    attempt_id = _attempt_of(receipt.ref) or (known.attempt_id if known else None)
    at = _moment(receipt.at)
    return ReceiptReceived(
        channel=channel.channel,
        carrier_account=channel.carrier_account,
        carrier_message_id=receipt.carrier_message_id,
        attempt_id=attempt_id,
        parts=known.parts if known and known.attempt_id == attempt_id else 1,
        state=state,
        reason=_reason(state, receipt, channel, otherwise),
        carrier_code=receipt.code,
        country=known.country if known else "",
        carrier_time=receipt.at,
        delivered_at=at if state is ReceiptState.DELIVERED else None,
        received_at=now,
    )


def _reason(
    state: ReceiptState, receipt: CarrierReceipt, channel: ChannelConfigured, otherwise: Reason
) -> Reason:
    """Only what failed has a reason, and a code for success explains no failure."""
    if state is not ReceiptState.FAILED:
        return otherwise
    return receipt.reason or reason_of(receipt.code, channel.reasons, otherwise) or otherwise


def _attempt_of(ref: str) -> str | None:
    """Give the attempt that a carrier echoed, None when the reference is not ours."""
    try:
        ids.parse_attempt_id(ref)
    except ValueError:
        return None
    return ref


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _text(item: Mapping[str, Any], field: str) -> str:
    value = item.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > _LONGEST:
        raise BadReceiptError(f"{field}: a text of at most {_LONGEST} characters")
    return str(value)


def _missing(field: str) -> str:
    raise BadReceiptError(f"{field}: is missing")
