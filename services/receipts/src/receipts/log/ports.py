"""What the log needs of the world."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from receipts.log.budget import Budget
from receipts.log.domain import Plan, Sieve, Span

Document = dict[str, Any]


class Walked(NamedTuple):
    """A chunk of an index: who is in it, and what of the range is left."""

    ids: list[str]
    rest: Span | None


class Found(NamedTuple):
    """All that a row of the log shows of a message."""

    message_id: str
    message: Mapping[str, Any]
    """What was accepted; where that is lost, what ``settled`` repeats of it."""
    settled: Mapping[str, Any] | None
    text: str | None
    """None: not asked for, or erased."""
    attempts: Sequence[Mapping[str, Any]] = ()
    """Of a message in flight: its attempts' facts."""


class LogStore(Protocol):
    """Reads the ledger. Every method raises TooSlow, where it has a budget, and Retryable."""

    async def walk(
        self, plan: Plan, span: Span, size: int, budget: Budget, *, newest_first: bool
    ) -> Walked:
        """Look at the next ``size`` entries of the plan's index, or at those of one week.

        Gives the ids, in order, of those that say what the source itself can say.
        """
        ...

    async def keep(self, sieve: Sieve, ids: Sequence[str], budget: Budget) -> Collection[str]:
        """Give those of a chunk's ids that go through the sieve."""
        ...

    async def load(self, ids: Sequence[str], *, with_text: bool) -> list[Found]:
        """Load what is shown of messages, in the order of the ids."""
        ...
