"""What an SMSC's status says of the message that it answers (SMPP 3.4, 5.1.3)."""

from collections.abc import Mapping

from carrier_adapter.carriers.base import Cause, NotTaken, Refused
from yizhan_contracts.reasons import Reason
from yizhan_smpp import constants as c

_BACK_OFF = frozenset({c.QUEUE_FULL, c.THROTTLED, c.TRY_AGAIN})
_NOT_BOUND = frozenset({c.WRONG_BIND_STATE, c.BIND_FAILED})
_REASONS = {
    c.INVALID_MESSAGE_LENGTH: Reason.CARRIER_ERROR,
    c.SYSTEM_ERROR: Reason.CARRIER_ERROR,
    c.INVALID_SOURCE: Reason.SENDER_NOT_REGISTERED,
    0x48: Reason.SENDER_NOT_REGISTERED,  # ESME_RINVSRCTON
    0x49: Reason.SENDER_NOT_REGISTERED,  # ESME_RINVSRCNPI
    c.INVALID_DESTINATION: Reason.NUMBER_INVALID,
    0x50: Reason.NUMBER_INVALID,  # ESME_RINVDSTTON
    0x51: Reason.NUMBER_INVALID,  # ESME_RINVDSTNPI
    c.INVALID_PASSWORD: Reason.CARRIER_AUTH,
    c.INVALID_SYSTEM_ID: Reason.CARRIER_AUTH,
    c.SUBMIT_FAILED: Reason.CARRIER_ERROR,
}


def judge(status: int, own: Mapping[str, Reason]) -> Refused | NotTaken:
    """Tell what a status other than OK means: nothing was taken in any case.

    The channel's own table comes first, by the number in decimal, or in hexadecimal as 0x0401.
    """
    code = str(status)
    reason = own.get(code) or own.get(f"0x{status:04x}") or own.get(f"0x{status:08x}")
    if reason is None or reason is Reason.THROTTLED:
        if status in _BACK_OFF or reason is Reason.THROTTLED:
            return NotTaken(Cause.THROTTLED, Reason.THROTTLED, c.status_name(status))
        if status in _NOT_BOUND:
            return NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, c.status_name(status))
        standard = Reason.CARRIER_ERROR if status in c.STATUS_NAMES else Reason.UNKNOWN
        reason = _REASONS.get(status, standard)
    return Refused(code, reason, c.status_name(status))
