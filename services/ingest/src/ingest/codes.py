"""Every code that ingest answers with, and what its reader can do about it.

A code is for programs and never changes its meaning; the sentence is for people. Both ways in
(events and requests) use the same codes, so that one table in the README explains all of them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why something was not accepted, or not as asked."""

    # The recipient's number
    NUMBER_COUNTRY_CODE_MISSING = "number-country-code-missing"
    NUMBER_FORMAT = "number-format"
    NUMBER_COUNTRY_UNKNOWN = "number-country-unknown"
    NUMBER_TOO_SHORT = "number-too-short"
    NUMBER_TOO_LONG = "number-too-long"
    NUMBER_INVALID = "number-invalid"
    NUMBER_NOT_MOBILE = "number-not-mobile"
    # The account and its templates
    ACCOUNT_UNKNOWN = "account-unknown"
    ACCOUNT_NOT_VERIFIED = "account-not-verified"
    ACCOUNT_EXISTS = "account-exists"
    TEMPLATE_UNKNOWN = "template-unknown"
    TEMPLATE_NOT_APPROVED = "template-not-approved"
    TEXT_MATCHES_NONE = "text-matches-no-template"
    VARIABLE_MISSING = "variable-missing"
    VARIABLE_UNKNOWN = "variable-unknown"
    VARIABLE_TOO_LONG = "variable-too-long"
    VARIABLE_INVALID = "variable-invalid"
    VARIABLE_CONTROL_CHARACTER = "variable-control-character"
    VARIABLE_DIRECTION_MARK = "variable-direction-mark"
    VARIABLE_SENDER_BRACKET = "variable-sender-bracket"
    VARIABLE_LINK = "variable-link"
    VARIABLE_PHONE_NUMBER = "variable-phone-number"
    # What a rendered text says, and who says it
    CONTENT_SENSITIVE_WORD = "content-sensitive-word"
    CONTENT_MARKETING = "content-marketing"
    CONTENT_LINK = "content-link"
    SENDER_UNKNOWN = "sender-unknown"
    SENDER_NOT_APPROVED = "sender-not-approved"
    RECIPIENT_OPTED_OUT = "recipient-opted-out"
    RECIPIENT_BLACKLISTED = "recipient-blacklisted"
    OPTED_OUT_BY_RECIPIENT = "opted-out-by-recipient"
    # Templates and senders that are registered and reviewed
    NOT_REGISTERED = "not-registered"
    STEP_NOT_POSSIBLE = "step-not-possible"
    REASON_MISSING = "reason-missing"
    REGISTRY_FULL = "registry-full"
    # Packages and balance
    PACKAGE_EMPTY = "package-empty"
    PACKAGE_NOT_FOR_MARKETING = "package-not-for-marketing"
    BALANCE_EMPTY = "balance-empty"
    BOOKED_OTHERWISE = "booked-otherwise"
    # Holds
    HELD = "held"
    HOLD_NOT_FOUND = "hold-not-found"
    HOLD_OF_OPERATORS = "hold-of-operators"
    # Shipment events
    MALFORMED = "malformed"
    TYPE_UNKNOWN = "type-unknown"
    RECIPIENT_MALFORMED = "recipient-malformed"
    RECIPIENT_REPEATED = "recipient-repeated"
    MILESTONE_UNKNOWN = "milestone-unknown"
    NO_RULE = "no-rule"
    NOT_HAPPENED = "not-happened"
    TOO_OLD = "too-old"
    SUPERSEDED = "superseded"
    ALREADY_NOTIFIED = "already-notified"
    PARTLY_ACCEPTED = "partly-accepted"
    NONE_ACCEPTED = "none-accepted"
    # Requests
    UNAUTHENTICATED = "unauthenticated"
    TIMESTAMP_EXPIRED = "timestamp-expired"
    SCOPE_MISSING = "scope-missing"
    OPERATOR_ONLY = "operator-only"
    KEY_NEEDED = "key-needed"
    TEST_KEY = "test-key"
    KEY_NOT_FOUND = "key-not-found"
    KEYS_EXHAUSTED = "keys-exhausted"
    SECRET_STAYS = "secret-stays"  # noqa: S105 - no secret
    CHANGED_MEANWHILE = "changed-meanwhile"
    RATE_EXCEEDED = "rate-exceeded"
    DAY_EXHAUSTED = "day-exhausted"
    MONTH_EXHAUSTED = "month-exhausted"
    RECIPIENT_TOO_OFTEN = "recipient-too-often"
    REQUEST_REPLAYED = "request-replayed"
    VAULT_MISSING = "vault-missing"
    JSON_MALFORMED = "json-malformed"
    XML_MALFORMED = "xml-malformed"
    QUERY_MALFORMED = "query-malformed"
    FIELD_INVALID = "field-invalid"
    BODY_TOO_LARGE = "body-too-large"
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported"
    IDEMPOTENCY_KEY_INVALID = "idempotency-key-invalid"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    REQUEST_IN_FLIGHT = "request-in-flight"
    MESSAGE_NOT_FOUND = "message-not-found"
    ROUTE_NOT_FOUND = "route-not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


WHAT_TO_DO: dict[Code, str] = {
    Code.NUMBER_COUNTRY_CODE_MISSING: "Write the number with + (or 00) and its country code.",
    Code.NUMBER_FORMAT: "Write + and digits; spaces, dots, hyphens and brackets are ignored.",
    Code.NUMBER_COUNTRY_UNKNOWN: "No country has this country code: correct it.",
    Code.NUMBER_TOO_SHORT: "The number is too short for its country: digits are missing.",
    Code.NUMBER_TOO_LONG: "The number is too long for its country: it has digits too many.",
    Code.NUMBER_INVALID: "The country assigns no such number: correct it.",
    Code.NUMBER_NOT_MOBILE: "This number takes no SMS: give a mobile number.",
    Code.ACCOUNT_UNKNOWN: "There is no such account: correct account_id.",
    Code.ACCOUNT_NOT_VERIFIED: "Only a verified account may send: ask for its verification.",
    Code.TEMPLATE_UNKNOWN: "The account has no such template or version: correct or register it.",
    Code.TEMPLATE_NOT_APPROVED: "Only an approved template may be sent: wait for its review.",
    Code.TEXT_MATCHES_NONE: "Write it as one of the approved templates says, to the letter.",
    Code.VARIABLE_MISSING: "Give a value for every variable of the template.",
    Code.VARIABLE_UNKNOWN: "The template has no such variable: leave it out or correct its name.",
    Code.VARIABLE_TOO_LONG: "Shorten the value: nothing is cut off for you.",
    Code.VARIABLE_INVALID: "Write the value as the template's variable asks, on one line.",
    Code.VARIABLE_CONTROL_CHARACTER: "Take line breaks and control characters out of the value.",
    Code.VARIABLE_DIRECTION_MARK: "Take the marks that reorder text out of the value.",
    Code.VARIABLE_SENDER_BRACKET: "Take brackets out of the value: senders' names stand in them.",
    Code.VARIABLE_LINK: "Take the link out; links are variables of type url with named hosts.",
    Code.VARIABLE_PHONE_NUMBER: "Take the telephone number out, or register it in the template.",
    Code.CONTENT_SENSITIVE_WORD: "Say it in other words: this one is on a list.",
    Code.CONTENT_MARKETING: "Only templates of the category marketing may advertise.",
    Code.CONTENT_LINK: "A verification code is sent without links: take the link out.",
    Code.SENDER_UNKNOWN: "Register the sender for this country, or send under another one.",
    Code.SENDER_NOT_APPROVED: "Wait for the sender's review, or send under another one.",
    Code.RECIPIENT_OPTED_OUT: "Nothing: this number wants no such messages.",
    Code.RECIPIENT_BLACKLISTED: "Nothing: this number is on a blacklist, yours or everybody's.",
    Code.OPTED_OUT_BY_RECIPIENT: "The recipient answers START, or ask the operators.",
    Code.NOT_REGISTERED: "The account registered no such template, version or sender: correct it.",
    Code.STEP_NOT_POSSIBLE: "Look at its state: make a new version where this one is decided.",
    Code.REASON_MISSING: "Write what is to be changed: the account reads it.",
    Code.REGISTRY_FULL: "Use what is registered, with variables; or ask the operators.",
    Code.PACKAGE_EMPTY: "Buy a package of this kind: others are not taken in its place.",
    Code.PACKAGE_NOT_FOR_MARKETING: "Buy a marketing package: notifications' carry no marketing.",
    Code.BALANCE_EMPTY: "Top the balance up: it must be above zero, whatever the packages hold.",
    Code.BOOKED_OTHERWISE: "This name is booked with another amount: choose another name.",
    Code.ACCOUNT_EXISTS: "There is an account of this id: change it, or choose another id.",
    Code.HELD: "It is stopped, and what is sent would be cancelled: wait until it is resumed.",
    Code.HOLD_NOT_FOUND: "This is not held: see GET /v1/holds.",
    Code.HOLD_OF_OPERATORS: "An operator set this hold: ask the operators.",
    Code.MALFORMED: "Correct the record's form; its bytes are kept in ingest.dlq.",
    Code.TYPE_UNKNOWN: "Only events whose type is or ends in .shipment.updated.v1 are taken here.",
    Code.RECIPIENT_MALFORMED: "Correct this recipient and send the event with a new revision.",
    Code.RECIPIENT_REPEATED: "Nothing: this number already gets the event's message.",
    Code.MILESTONE_UNKNOWN: "Use one of the milestones; others notify nobody.",
    Code.NO_RULE: "Nothing; or give the account a rule for this milestone.",
    Code.NOT_HAPPENED: "Nothing: only actual milestones notify, not planned or estimated ones.",
    Code.TOO_OLD: "Nothing; or raise the rule's max_age_s. The event came too late to be news.",
    Code.SUPERSEDED: "Nothing: the shipment is further on, its recipient knows more already.",
    Code.ALREADY_NOTIFIED: "Nothing: this rule notifies once per shipment, and it did.",
    Code.PARTLY_ACCEPTED: "See the recipients: some were accepted, some were not.",
    Code.NONE_ACCEPTED: "See the recipients: none was accepted, for different reasons.",
    Code.UNAUTHENTICATED: "Sign the request, or send Authorization: Bearer <key>.<secret>.",
    Code.TIMESTAMP_EXPIRED: "Set the clock; sign each request anew, with the present time.",
    Code.SCOPE_MISSING: "Use a key that has the scope that this route needs.",
    Code.OPERATOR_ONLY: "This is for the operators of the service: ask them.",
    Code.KEY_NEEDED: "A token cannot do this: use a key.",
    Code.TEST_KEY: "A test key makes test keys only: use a live one.",
    Code.KEY_NOT_FOUND: "This account has no such live key: see GET /v1/keys.",
    Code.KEYS_EXHAUSTED: "Revoke a key that is not used any more.",
    Code.SECRET_STAYS: "No such secret, or the last one: rotate first, or revoke the key.",
    Code.CHANGED_MEANWHILE: "Somebody else changed it just now: look at it, and ask again.",
    Code.RATE_EXCEEDED: "Repeat after Retry-After; or ask for a higher limit.",
    Code.DAY_EXHAUSTED: "Wait for the next day of the account's zone; or ask for a higher limit.",
    Code.MONTH_EXHAUSTED: "Wait for the next month; or ask for a higher limit.",
    Code.RECIPIENT_TOO_OFTEN: "This number got as many as the account's limit allows: later.",
    Code.REQUEST_REPLAYED: "This signed request was done before: sign a new one for another.",
    Code.VAULT_MISSING: "The operators must set YIZHAN_INGEST_VAULT_KEYS before this works.",
    Code.JSON_MALFORMED: "Send one JSON object in UTF-8.",
    Code.XML_MALFORMED: "Send one XML element as the README shows, without DTD or entities.",
    Code.QUERY_MALFORMED: "Percent-encode the query, in UTF-8.",
    Code.FIELD_INVALID: "Correct the field that is named.",
    Code.BODY_TOO_LARGE: "Send a smaller body: one message is far below the limit.",
    Code.MEDIA_TYPE_UNSUPPORTED: "Send Content-Type: application/json or application/xml.",
    Code.IDEMPOTENCY_KEY_INVALID: "Use 1 to 255 printable ASCII characters, a UUID for instance.",
    Code.IDEMPOTENCY_KEY_REUSED: "This key was used with another body: draw a new key.",
    Code.REQUEST_IN_FLIGHT: "The first request with this key is not done: repeat a little later.",
    Code.MESSAGE_NOT_FOUND: "This account has no message of that id here.",
    Code.ROUTE_NOT_FOUND: "There is nothing at this address: see /openapi.json.",
    Code.METHOD_NOT_ALLOWED: "This address takes other methods: see /openapi.json.",
    Code.BUSY: "Too many requests wait: repeat a little later.",
    Code.UNAVAILABLE: "Repeat with the same Idempotency-Key: nothing is ever sent twice that way.",
    Code.INTERNAL: "Repeat with the same Idempotency-Key; if it stays, tell the operators.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is wrong: its code, where, and how. Never holds a number or a value."""

    code: Code
    field: str = ""
    detail: str = ""
    offset: int | None = None
    """Where in the field, in characters from 0; None where it concerns all of it."""

    @property
    def what_to_do(self) -> str:
        return WHAT_TO_DO[self.code]

    def __str__(self) -> str:
        """Join what is wrong and what to do: the ``detail`` of an answer."""
        return f"{self.detail} {self.what_to_do}" if self.detail else self.what_to_do
