"""What voice-fallback needs of the outside."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Protocol

from voice_fallback.domain.story import Chain, Outcome, Ring, RingResult, Story
from yizhan_contracts.events import Event


class CallStore(Protocol):
    """The documents of calls. Inserts tell whether it was new; everything may raise Retryable.

    After Retryable an insert may have been done: insert the same again, and look whose it is.
    """

    async def insert_chain(self, chain: Chain) -> bool: ...

    async def insert_ring(self, ring: Ring) -> bool: ...

    async def insert_result(self, result: RingResult) -> bool: ...

    async def insert_outcome(self, outcome: Outcome) -> bool: ...

    async def load_story(self, message_id: str) -> Story:
        """Load all that is stored of a message's call."""

    async def load_results(self, refs: Iterable[str]) -> dict[str, RingResult]: ...

    async def drop_before(self, message_id: str, most: int) -> int:
        """Drop up to ``most`` documents of earlier messages; give how many went."""


class MessageState(StrEnum):
    """What the ledger says of a message."""

    OPEN = "open"
    SETTLED = "settled"
    NO_ANSWER = "no-answer"
    """The ledger could not be asked, or does not know the message yet."""


class Ledger(Protocol):
    """receipts, asked whether a message is still open."""

    async def ask(self, message_id: str) -> MessageState:
        """Ask once, bounded; a ledger that is away is no error but no answer."""


class EventPublisher(Protocol):
    """Kafka. What it returns from is kept; Retryable means that it may be."""

    async def publish(self, events: Sequence[Event]) -> None: ...
