"""Reasons: why a request was rejected, an attempt refused, a message not delivered.

One vocabulary for all carriers. Adapters translate a carrier's own code into one of these and keep
the raw code beside it. Vacant, suspended, intercepted, unregistered and so on must be told apart.
"""

from yizhan_contracts.open_enum import OpenEnum


class Reason(OpenEnum):
    """A normalised cause. The wire value is kebab-case and never changes its meaning."""

    NONE = ""
    # The recipient
    NUMBER_INVALID = "number-invalid"
    NUMBER_VACANT = "number-vacant"
    NUMBER_SUSPENDED = "number-suspended"
    NOT_MOBILE = "not-mobile"
    HANDSET_UNREACHABLE = "handset-unreachable"
    ROAMING = "roaming"
    OPTED_OUT = "opted-out"
    BLACKLISTED = "blacklisted"
    # The content
    CONTENT_BLOCKED = "content-blocked"
    TEMPLATE_NOT_REGISTERED = "template-not-registered"
    SENDER_NOT_REGISTERED = "sender-not-registered"
    # The carrier
    CARRIER_INTERCEPTED = "carrier-intercepted"
    CARRIER_BALANCE = "carrier-balance"
    CARRIER_AUTH = "carrier-auth"
    CARRIER_UNAVAILABLE = "carrier-unavailable"
    CARRIER_ERROR = "carrier-error"
    THROTTLED = "throttled"
    # Ourselves
    NO_ROUTE = "no-route"
    ATTEMPTS_EXHAUSTED = "attempts-exhausted"
    VALIDITY_EXPIRED = "validity-expired"
    CHANNEL_DOWN = "channel-down"
    IN_DOUBT = "in-doubt"
    RECEIPT_OVERDUE = "receipt-overdue"
    CANCELLED = "cancelled"
    VOICE_UNANSWERED = "voice-unanswered"
    UNKNOWN = "unknown"
