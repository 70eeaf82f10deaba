"""What the ledger knows: facts, each inserted once under an id that the fact itself determines.

An id holds the kind and, where there is one, the carrier's id: a repeat of a fact is the same
document, and two different truths about one attempt never hide each other.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from yizhan_contracts.events import CallOutcome, Policy, ReceiptState
from yizhan_contracts.reasons import Reason

_CODE_CHARACTERS: Final = 40


class Kind(StrEnum):
    """What a fact says. The first six are the outcomes of attempts, by their wire values."""

    SUBMITTED = "submitted"
    REFUSED = "refused"
    FAILED = "failed"
    IN_DOUBT = "in-doubt"
    UNROUTABLE = "unroutable"
    EXPIRED = "expired"
    RECEIPT = "receipt"
    REROUTED = "rerouted"
    """We asked for the next attempt: whatever is said of this one later, that may be on its way."""
    HELD_BACK = "held-back"
    """Its receipt is overdue, and so are too many others' of its channel: it is waited for on."""
    CALL_REQUESTED = "call-requested"
    CALLED = "called"
    PUSHED = "pushed"


OF_ATTEMPTS = frozenset(
    {
        Kind.SUBMITTED,
        Kind.REFUSED,
        Kind.FAILED,
        Kind.IN_DOUBT,
        Kind.UNROUTABLE,
        Kind.EXPIRED,
        Kind.RECEIPT,
        Kind.REROUTED,
        Kind.HELD_BACK,
    }
)


class Fact(NamedTuple):
    """A fact, as far as the fold needs it."""

    fact_id: str
    message_id: str
    kind: Kind
    n: int = 0
    channel: str = ""
    state: str = ""
    """Of a receipt its ReceiptState, of a call its CallOutcome, of what is held back its Hold."""
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    at: datetime | None = None
    """When it happened, as told."""
    due_at: datetime | None = None
    """When it is overdue, by our own clock."""
    tried: tuple[str, ...] = ()
    parts: int = 1
    """The receipts that its attempt will get: one for each part that the carrier gave an id."""

    @property
    def part(self) -> str:
        """Name the part that a receipt speaks of: the carrier's id, with which its id ends."""
        return self.fact_id.split(".", 3)[3]


class Accepted(NamedTuple):
    """What is needed again and again of an accepted message, without its text."""

    message_id: str
    account_id: str
    reference: str
    recipient: str
    lane: str
    country: str
    charging_num: int
    time_zone: str
    policy: Policy
    has_script: bool
    test: bool
    origin_json: str
    arrived_at: datetime
    accepted_at: datetime
    valid_until: datetime
    check_at: datetime
    """When a message that was never handed over is looked at: the earliest last deadline."""


def attempt_fact_id(attempt_id: str, kind: str, carrier_message_id: str = "") -> str:
    """Name the outcome of an attempt."""
    return f"{attempt_id}.{kind}.{carrier_message_id}"


def receipt_fact_id(
    attempt_id: str, state: ReceiptState, carrier_message_id: str, carrier_code: str = ""
) -> str:
    """Name what a carrier's receipt says of an attempt: two failures by two codes are two facts."""
    return f"{attempt_id}.receipt.{_said(state, carrier_code)}.{carrier_message_id}"


def early_id(carrier_key: str, state: ReceiptState, carrier_code: str = "") -> str:
    """Name a receipt that has found no attempt yet."""
    return f"{carrier_key}:{_said(state, carrier_code)}"


def _said(state: ReceiptState, carrier_code: str) -> str:
    if state != ReceiptState.FAILED or not carrier_code:
        return state
    # What stands before the carrier's id is found by its dots.
    return f"{state}:{carrier_code[:_CODE_CHARACTERS].replace('.', '_')}"


def held_back_id(message_id: str, n: int, k: int) -> str:
    """Name the ``k``-th time (from 0) that attempt ``n`` is held back."""
    return f"{message_id}-{n}.held-back.{k}"


def rerouted_id(message_id: str, n: int) -> str:
    """Name our request for attempt ``n`` + 1."""
    return f"{message_id}-{n}.rerouted."


def call_requested_id(message_id: str, *, sms_failed: bool) -> str:
    """Name our request for a call, by what made us ask."""
    return f"{message_id}.call-requested.{'failed' if sms_failed else 'overdue'}"


def called_id(message_id: str, outcome: CallOutcome, provider_call_id: str) -> str:
    """Name a call's result: a call reported unknown may be reported answered later."""
    return f"{message_id}.called.{outcome}.{provider_call_id}"


def pushed_id(message_id: str, s3_status: str) -> str:
    """Name an acknowledged push by what it said: ``1`` (failure) or ``0``, each once at most."""
    return f"{message_id}.pushed.{s3_status}"
