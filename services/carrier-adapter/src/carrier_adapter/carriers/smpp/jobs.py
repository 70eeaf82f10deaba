"""One message on its way to an SMSC, in one part or several.

The first part asks: a bad number, an unregistered sender, a full queue are said of it, and then
nothing was taken. The others follow when it is taken, and one of them that is only throttled is
tried again while the claim is young. What ends half taken is lost: the carrier has a piece of it,
so it is neither submitted nor safe to send again.
"""

from dataclasses import dataclass, field

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answer,
    Answered,
    Cause,
    Lost,
    MayWrite,
    NotTaken,
    Refused,
)
from yizhan_smpp.pdu import Message

Outcome = str | Refused | NotTaken | Lost
"""Of a part: the carrier's id, or what it said instead."""


@dataclass(slots=True, eq=False)
class Job:
    """Follows the parts of one message; ``conclude`` tells its answer, once."""

    attempt_id: str
    parts: list[Message]
    segments: int
    may_write: MayWrite
    answered: Answered
    taken: dict[int, str] = field(default_factory=dict)
    """By place: the carrier's ids."""
    failed: Refused | NotTaken | Lost | None = None
    """The first part that was not taken, and why."""
    under_way: int = 0
    """Parts that are queued or written and not answered."""
    is_done: bool = False

    def settle(self, place: int, outcome: Outcome) -> None:
        """Note what became of a part."""
        self.under_way -= 1
        if isinstance(outcome, str):
            self.taken[place] = outcome
        elif self.failed is None:
            self.failed = outcome

    def next_places(self) -> range:
        """Give the parts that may follow now: all others once the first is taken."""
        if len(self.taken) == 1 and self.failed is None and 0 in self.taken:
            return range(1, len(self.parts))
        return range(0)

    def may_retry(self, outcome: Outcome) -> bool:
        """Tell whether a part is worth another try: others are there, and it was only too early."""
        return (
            bool(self.taken)
            and isinstance(outcome, NotTaken)
            and outcome.cause is Cause.THROTTLED
            and self.may_write()
        )

    def conclude(self) -> None:
        """Tell the answer when nothing is under way any more."""
        if self.under_way == 0 and not self.is_done:
            self.is_done = True
            self.answered(self.attempt_id, self.answer())

    def answer(self) -> Answer:
        """Put the parts' answers together."""
        ids = tuple(self.taken[place] for place in sorted(self.taken) if self.taken[place])
        if self.failed is None:
            return Accepted(ids, self.segments)
        if not self.taken:
            return self.failed
        said = f"{len(self.taken)} of {len(self.parts)} parts were taken"
        return Lost(f"{said}: {_why(self.failed)}", ids, self.segments)


def _why(failed: Refused | NotTaken | Lost) -> str:
    return "its time was up" if failed is TOO_LATE else failed.detail
