"""What a carrier decided about what it was handed, for a face to tell."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from yizhan_simulators.carriers.handed import Receipt
from yizhan_simulators.draws import Answer


class Status(StrEnum):
    """What one message of a submit gets."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    THROTTLED = "throttled"


class Verdict(NamedTuple):
    """The result of one message."""

    ref: str
    status: Status
    carrier_message_id: str = ""
    code: str = ""
    detail: str = ""


class Taking(NamedTuple):
    """What a face has to tell the client: after `latency_s`, and after the early receipts."""

    answer: Answer
    verdicts: Sequence[Verdict] = ()
    latency_s: float = 0
    retry_after_s: int = 0
    error_status: int = 500
    lose_by: str = "close"
    early: Sequence[Receipt] = ()


class Single(NamedTuple):
    """What a face has to tell of a message that is answered alone, after `latency_s`.

    `answer` RESULTS: what the verdict says; LOST: it was taken, and no answer comes.
    """

    answer: Answer
    verdict: Verdict | None = None
    latency_s: float = 0
    lose_by: str = "close"
