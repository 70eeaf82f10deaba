"""The story of a call: its documents, and what they say is to be done next.

Four kinds, each inserted once under an ``_id`` that the fact determines: the chain
``<message_id>``, a ring's claim ``<message_id>-<k>``, its result ``<message_id>-<k>.result``, and
the outcome ``<message_id>.outcome``. A range of ``_id`` over the message id is the whole story.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

from yizhan_contracts.events import CallOutcome

_REF = re.compile(r"^([0-9a-f]{32})-([1-9])$")
MOST_RINGS = 9


@dataclass(frozen=True, slots=True)
class Chain:
    """Somebody took the call up. Harmless in itself: only a ring's claim allows to dial."""

    message_id: str
    incarnation: str
    account_id: str
    country: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ring:
    """The right to dial once, for ring ``k``: unique in the store, so one process has it."""

    message_id: str
    k: int
    incarnation: str
    provider: str
    at: datetime

    @property
    def ref(self) -> str:
        return ref_of(self.message_id, self.k)


@dataclass(frozen=True, slots=True)
class RingResult:
    """What became of one ring, as its provider said."""

    ref: str
    provider: str
    outcome: CallOutcome
    code: str = ""
    provider_call_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the call: the bytes of its VoiceFinished, stored before they are published."""

    message_id: str
    outcome: CallOutcome
    fact: bytes


@dataclass(frozen=True, slots=True)
class Story:
    """All that is stored of one call."""

    chain: Chain | None = None
    rings: dict[int, Ring] = field(default_factory=dict)
    results: dict[int, RingResult] = field(default_factory=dict)
    outcome: Outcome | None = None

    @property
    def last(self) -> int:
        """The number of the last ring claimed, 0 before the first."""
        return max(self.rings, default=0)


def ref_of(message_id: str, k: int) -> str:
    """Name ring ``k`` of a message's call: our reference at the provider."""
    return f"{message_id}-{k}"


def parse_ref(ref: str) -> tuple[str, int]:
    """Split a reference into message id and ring. Raises ValueError for anything else."""
    match = _REF.match(ref)
    if match is None:
        raise ValueError("a reference is <32 hexadecimal characters>-<ring>")
    return match[1], int(match[2])


def rings_again(result: RingResult, k: int, max_rings: int) -> bool:
    """Tell whether ring ``k`` may be followed by another: nobody took the call, and it may yet."""
    return k < max_rings and result.outcome in (CallOutcome.NO_ANSWER, CallOutcome.BUSY)
