"""What the adapter needs of the outside."""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from carrier_adapter.domain.claims import Claim, Outcome
from yizhan_contracts.events import Event
from yizhan_runtime.publisher import Outgoing


class AttemptStore(Protocol):
    """Claims and outcomes of attempts, unique by attempt id. Everything may raise Retryable.

    Reads see what was written with majority before. After Retryable any part of an insert may be
    there, or may still come to be there.
    """

    async def insert_claims(self, claims: Sequence[Claim]) -> Collection[str]:
        """Insert claims and give the attempt ids that were claimed already."""

    async def load_claims(self, attempt_ids: Iterable[str]) -> dict[str, Claim]: ...

    async def insert_outcomes(self, outcomes: Sequence[Outcome]) -> Collection[str]:
        """Insert outcomes and give the attempt ids that had one already."""

    async def load_outcomes(self, attempt_ids: Iterable[str]) -> dict[str, Outcome]: ...

    async def drop_before(self, message_id: str, most: int) -> int:
        """Drop up to ``most`` of each that belong to earlier messages; give how many went."""


class EventPublisher(Protocol):
    """Kafka. What it returns from is kept; Retryable means that it may be."""

    async def publish(self, events: Sequence[Event]) -> None: ...

    async def publish_records(self, records: Sequence[Outgoing]) -> None: ...
