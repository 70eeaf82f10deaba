"""What carriers' codes mean where a channel's own table does not say."""

from collections.abc import Mapping

from yizhan_contracts.reasons import Reason

# SMPP 3.4 appendix B states, and the codes that the gateways of the Chinese operators report most:
# their meaning is common knowledge of the trade, not a standard. A channel's table comes first.
COMMON: dict[str, Reason] = {
    "000": Reason.NONE,
    "0": Reason.NONE,
    "DELIVRD": Reason.NONE,
    "UNDELIV": Reason.HANDSET_UNREACHABLE,
    "EXPIRED": Reason.HANDSET_UNREACHABLE,
    "DELETED": Reason.CARRIER_ERROR,
    "REJECTD": Reason.CARRIER_INTERCEPTED,
    "UNKNOWN": Reason.UNKNOWN,
    # SMPP 3.4, 5.1.3: command_status, as decimal numbers
    "8": Reason.CARRIER_ERROR,  # ESME_RSYSERR
    "10": Reason.SENDER_NOT_REGISTERED,  # ESME_RINVSRCADR
    "11": Reason.NUMBER_INVALID,  # ESME_RINVDSTADR
    "14": Reason.CARRIER_AUTH,  # ESME_RINVPASWD
    "15": Reason.CARRIER_AUTH,  # ESME_RINVSYSID
    "20": Reason.THROTTLED,  # ESME_RMSGQFUL
    "88": Reason.THROTTLED,  # ESME_RTHROTTLED
    # CMPP and SGIP gateways
    "MK:0001": Reason.NUMBER_VACANT,
    "MI:0001": Reason.NUMBER_VACANT,
    "MI:0013": Reason.NUMBER_SUSPENDED,
    "MK:0005": Reason.NUMBER_SUSPENDED,
    "MI:0024": Reason.HANDSET_UNREACHABLE,
    "MN:0001": Reason.NUMBER_VACANT,
    "DB:0141": Reason.BLACKLISTED,
    "DB:0117": Reason.TEMPLATE_NOT_REGISTERED,
    "ID:0076": Reason.CONTENT_BLOCKED,
    "MBBLACK": Reason.BLACKLISTED,
    "NOROUTE": Reason.CARRIER_ERROR,
    # Said in words
    "vacant-number": Reason.NUMBER_VACANT,
    "number-suspended": Reason.NUMBER_SUSPENDED,
    "out-of-area": Reason.HANDSET_UNREACHABLE,
    "sensitive-word": Reason.CONTENT_BLOCKED,
    "template-not-registered": Reason.TEMPLATE_NOT_REGISTERED,
    "sender-not-registered": Reason.SENDER_NOT_REGISTERED,
    "balance": Reason.CARRIER_BALANCE,
}


def reason_of(code: str, own: Mapping[str, Reason], otherwise: Reason) -> Reason:
    """Translate a carrier's code: by the channel's table, then by what is common."""
    reason = own.get(code)
    if reason is None:
        reason = COMMON.get(code, otherwise)
    return reason
