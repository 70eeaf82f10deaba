"""The conservation check: accepted = settled, nothing lost, nothing sent twice.

Counted at the ends: what upstream was answered, what carriers say they were handed, what customers
say they were pushed. Nothing here asks a Yizhan service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from yizhan_contracts.events import MessageSettled


@dataclass(frozen=True)
class Ends:
    """What was counted at the ends."""

    accepted: frozenset[str]
    """Message ids that upstream was answered."""
    handed: Mapping[str, Sequence[str]]
    """Attempts that carriers took, by message.

    An attempt that was taken twice stands here twice.
    """
    delivered: Mapping[str, int]
    """How often the carriers say that a message reached its handset, by message."""
    pushed: Mapping[str, str]
    """The last status that a customer was pushed, by message."""
    settled: Mapping[str, Sequence[MessageSettled]]
    in_doubt: frozenset[str] = frozenset()
    """Attempts of which Yizhan said that nobody can know.

    Their messages may rightly be sent again.
    """
    answers_missing: int = 0
    """Events that upstream published and that were never answered."""


@dataclass
class Verdict:
    """What holds and what does not, each by id."""

    lost: list[str] = field(default_factory=list)
    never_pushed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    attempts_twice: list[str] = field(default_factory=list)
    delivered_twice: list[str] = field(default_factory=list)
    settled_otherwise: list[str] = field(default_factory=list)
    answers_missing: int = 0

    @property
    def holds(self) -> bool:
        return not any(vars(self).values())


def judge(ends: Ends) -> Verdict:
    """Compare the ends."""
    doubted = {attempt.rpartition("-")[0] for attempt in ends.in_doubt}
    attempts = [attempt for taken in ends.handed.values() for attempt in taken]
    return Verdict(
        lost=sorted(ends.accepted - ends.settled.keys()),
        never_pushed=sorted(ends.accepted - ends.pushed.keys()),
        unknown=sorted(
            (ends.handed.keys() | ends.pushed.keys() | ends.settled.keys()) - ends.accepted
        ),
        attempts_twice=sorted({attempt for attempt in attempts if attempts.count(attempt) > 1})
        if len(attempts) != len(set(attempts))
        else [],
        delivered_twice=sorted(
            message
            for message, times in ends.delivered.items()
            if times > 1 and message not in doubted
        ),
        settled_otherwise=sorted(
            message
            for message, said in ends.settled.items()
            if len({(s.status, s.revision) for s in said}) > 2
        ),
        answers_missing=ends.answers_missing,
    )
