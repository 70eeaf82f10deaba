"""Claims and what is to be done about an attempt that somebody has claimed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SEND_WITHIN = 0.5
"""The share of the submit timeout, from the claim on, in which a message may still be written.

The rest belongs to the answer: a message written at the last moment would only be in doubt."""

LOOK_AGAIN_GRACE_S = 1.0
"""Past the submit timeout an owner that is alive still has to store what it knows."""


class ClaimKind(StrEnum):
    """What a claim is for."""

    SENT = "sent"
    """Its owner hands the attempt over."""
    CLOSED = "closed"
    """Nobody will: reported as unroutable, by the record on the channel ``none``."""
    CANCELLED = "cancelled"
    """Nobody will: it was held and is to be cancelled. Whoever reads its record says so."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to hand one attempt over; its id is unique in the store, so one process has it.

    ``incarnation`` names the process: one that restarted does not know what its predecessor did.
    """

    attempt_id: str
    n: int
    channel: str
    incarnation: str
    kind: ClaimKind
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt: the very bytes of its AttemptFinished.

    Stored before it is published, so that a record read again says the same thing again.
    """

    attempt_id: str
    facts: tuple[bytes, ...]


class Verdict(StrEnum):
    """What the claims and outcomes say about a record that may have been read before."""

    FREE = "free"
    """Nobody has claimed it."""
    CLOSED = "closed"
    """Reported as unroutable: the record is a repeat."""
    CANCELLED = "cancelled"
    """Cancelled: say so again."""
    FINISHED = "finished"
    """Its outcome is stored: publish it again."""
    MINE = "mine"
    """Claimed by this process, which sent nothing of it: an insert that timed out was done."""
    FOREIGN = "foreign"
    """Claimed by another process that has not said what became of it."""


def judge(claim: Claim | None, outcome: Outcome | None, incarnation: str) -> Verdict:
    """Judge an attempt that no submit of this process has in hand.

    A claim of this incarnation without outcome means that nothing was sent: whatever this process
    sends stays in its hand until the outcome is stored.
    """
    if claim is None:
        return Verdict.FREE
    if claim.kind is ClaimKind.CLOSED:
        return Verdict.CLOSED
    if claim.kind is ClaimKind.CANCELLED:
        return Verdict.CANCELLED
    if outcome is not None:
        return Verdict.FINISHED
    return Verdict.MINE if claim.incarnation == incarnation else Verdict.FOREIGN
