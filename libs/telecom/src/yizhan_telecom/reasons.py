"""What follows from a reason: one table, so that router, receipts and voice never disagree.

It answers four questions. May another channel still do it? Does it say something about the channel,
or only about this number or text? Is a phone call worth a try? What should a developer do?
"""

from dataclasses import dataclass

from yizhan_contracts.reasons import Reason


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What follows from one reason."""

    curable_elsewhere: bool
    speaks_against_channel: bool
    may_call: bool
    message: str


def _recipient(message: str, *, elsewhere: bool = False, call: bool = False) -> Behaviour:
    return Behaviour(elsewhere, speaks_against_channel=False, may_call=call, message=message)


def _channel(message: str, *, against: bool = True) -> Behaviour:
    return Behaviour(
        curable_elsewhere=True, speaks_against_channel=against, may_call=True, message=message
    )


def _end(message: str, *, call: bool) -> Behaviour:
    return Behaviour(
        curable_elsewhere=False, speaks_against_channel=False, may_call=call, message=message
    )


BEHAVIOURS: dict[Reason, Behaviour] = {
    Reason.NONE: _channel("No reason was given.", against=False),
    # The recipient: the same number is as bad on another channel, but for a matter of coverage.
    Reason.NUMBER_INVALID: _recipient(
        "The number is not valid: check the country code and the number of digits."
    ),
    Reason.NUMBER_VACANT: _recipient(
        "The number is not assigned to anybody: remove it from your records."
    ),
    # A line that is only barred from calling out still takes SMS: one that does not takes no call.
    Reason.NUMBER_SUSPENDED: _recipient(
        "The number's line is suspended by its operator: try again when the subscriber is back."
    ),
    Reason.NOT_MOBILE: _recipient(
        "The number is not a mobile number and takes no SMS: ask for a mobile number, or call.",
        call=True,
    ),
    # The carrier has already tried for the whole validity, and every channel ends at this handset.
    Reason.HANDSET_UNREACHABLE: _recipient(
        "The handset was switched off or out of the service area until the validity ended: "
        "send again later.",
        call=True,
    ),
    Reason.ROAMING: _recipient(
        "The recipient is roaming where this carrier does not deliver: another carrier may.",
        elsewhere=True,
        call=True,
    ),
    Reason.OPTED_OUT: _recipient(
        "The recipient has asked not to be written to: do not send until they opt in again."
    ),
    # Blacklists are there so that nobody goes round them, by another carrier or by telephone.
    Reason.BLACKLISTED: _recipient(
        "The number is on a blacklist of the carrier: ask the recipient to have it removed."
    ),
    # The content
    Reason.CONTENT_BLOCKED: Behaviour(
        curable_elsewhere=False,
        speaks_against_channel=False,
        may_call=True,
        message="The carrier's content filter refused the text: reword the template or its values.",
    ),
    Reason.TEMPLATE_NOT_REGISTERED: _channel(
        "The template is not registered with this carrier: register it there.", against=False
    ),
    Reason.SENDER_NOT_REGISTERED: _channel(
        "The signature or sender ID is not registered with this carrier: register it there.",
        against=False,
    ),
    # The carrier
    Reason.CARRIER_INTERCEPTED: _channel(
        "The carrier intercepted the message as unwanted: check its content and sending rate."
    ),
    Reason.CARRIER_BALANCE: _channel("Our balance with the carrier is used up: top it up."),
    Reason.CARRIER_AUTH: _channel(
        "The carrier refused our credentials: check the channel's secret and address list."
    ),
    Reason.CARRIER_UNAVAILABLE: _channel("The carrier could not be reached."),
    Reason.CARRIER_ERROR: _channel("The carrier reported a failure of its own."),
    # Full is not broken: health counts throttling for itself.
    Reason.THROTTLED: _channel("The carrier takes no more for now: slow down.", against=False),
    # Ourselves
    Reason.NO_ROUTE: _end("No channel serves this country: configure one.", call=True),
    Reason.ATTEMPTS_EXHAUSTED: _end(
        "Every allowed attempt failed: see the attempts for their reasons.", call=True
    ),
    Reason.VALIDITY_EXPIRED: _end(
        "The validity ended before it could be handed over: send it anew, or allow longer.",
        call=False,
    ),
    Reason.CHANNEL_DOWN: _channel("The channel has no connection to its carrier."),
    Reason.IN_DOUBT: _channel(
        "The message was handed over and the carrier never answered: it may have been delivered."
    ),
    Reason.RECEIPT_OVERDUE: _channel(
        "The carrier sent no receipt in time: the message may have been delivered."
    ),
    Reason.CANCELLED: _end("The message was cancelled before it was handed over.", call=False),
    Reason.VOICE_UNANSWERED: _end("The call was not answered.", call=False),
    Reason.UNKNOWN: _channel(
        "The carrier gave a code that Yizhan does not know: see the carrier's own code."
    ),
}


def is_curable_elsewhere(reason: Reason) -> bool:
    """Tell whether another channel may still deliver what failed for this reason."""
    return BEHAVIOURS[reason].curable_elsewhere


def speaks_against_channel(reason: Reason) -> bool:
    """Tell whether it is the channel's fault, and not the number's, the text's or our load's."""
    return BEHAVIOURS[reason].speaks_against_channel


def may_call(reason: Reason) -> bool:
    """Tell whether a phone call makes sense after this reason."""
    return BEHAVIOURS[reason].may_call


def message_for(reason: Reason) -> str:
    """Give one English sentence that a developer can act on."""
    return BEHAVIOURS[reason].message
