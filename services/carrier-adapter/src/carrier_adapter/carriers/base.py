"""What the adapter asks of a carrier's protocol, be it HTTP in batches or an SMPP session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from yizhan_contracts.reasons import Reason


@dataclass(frozen=True, slots=True)
class Templated:
    """A message by the carrier's own name for its template, the values in the carrier's order."""

    code: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """One message for the carrier. ``attempt_id`` is our reference: it goes along where it can."""

    attempt_id: str
    recipient: str
    sender: str
    text: str
    validity_s: int
    template: Templated | None = None
    """Where the carrier has approved a template of its own for it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The carrier has all of it, under its own ids.

    One id per receipt that will come: one per part where each part was a submit of its own, one
    in all where the carrier cuts the message itself. ``segments`` counts the parts for the air.
    """

    carrier_message_ids: tuple[str, ...]
    segments: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """The carrier will not have it."""

    code: str
    reason: Reason
    detail: str = ""


class Cause(StrEnum):
    """Why nothing was taken."""

    DOWN = "down"
    """The carrier cannot be reached, or says that it is out of order."""
    THROTTLED = "throttled"
    """It takes no more for now."""
    TOO_LATE = "too-late"
    """``may_write`` said no: not one byte has been written."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Certainly not taken: another try is safe. When in any doubt it is ``Lost``."""

    cause: Cause
    reason: Reason
    detail: str = ""
    retry_after_s: float = 0.0


TOO_LATE = NotTaken(Cause.TOO_LATE, Reason.NONE, "not sent: its claim had grown too old")


@dataclass(frozen=True, slots=True)
class Lost:
    """Written, and no answer will come on this connection: the carrier may have it.

    So it is with a message of ``segments`` parts that was taken in part: ``carrier_message_ids``
    are those of the parts that were, whatever was said of the others.
    """

    detail: str = ""
    carrier_message_ids: tuple[str, ...] = ()
    segments: int = 1


Answer = Accepted | Refused | NotTaken | Lost
MayWrite = Callable[[], bool]
Answered = Callable[[str, Answer], None]


class BoundChanged(Protocol):
    """Takes word of whether a session is bound."""

    def __call__(self, *, is_bound: bool) -> None: ...


class Carrier(Protocol):
    """A carrier, spoken to in its own protocol."""

    async def submit(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        """Hand messages over, and call ``answered`` for each as soon as its answer is known.

        ``may_write`` is asked just before the first byte goes to the socket, with a connection in
        hand; when it says no, nothing is written. Returns when no more answers can come. The caller
        has its own timer: answers may come long after it. Cancelled, it gives the answers up.
        """

    def follow(self, bound_changed: BoundChanged) -> None:
        """Have it told when the carrier's sessions are there, and when the last one is gone.

        Called once, in the running loop, before the first submit. A carrier that keeps sessions
        says at once how it stands (not bound: nothing is claimed yet) and then every change; it
        binds again by itself. One that connects for each submit never calls it.
        """

    async def is_up(self) -> bool:
        """Tell whether a submit would reach the carrier. Bounded, and cheap.

        Asked while a channel fails, every 0.2 to 15 s. A carrier with sessions tells whether one
        is bound.
        """

    async def close(self) -> None:
        """Let the connections go."""
