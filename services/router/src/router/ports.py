"""What the router needs of the outside."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from yizhan_contracts.events import Event


class Publisher(Protocol):
    """Makes events durable. What ``publish`` returns from is kept."""

    async def publish(self, events: Sequence[Event]) -> None: ...

    async def publish_tombstones(self, topic: str, keys: Iterable[str]) -> None:
        """Take keys out of a compacted topic."""


class TopicCheck(Protocol):
    """Knows which topics are there. Raises Retryable while Kafka is away."""

    async def missing(self, channels: Iterable[str]) -> dict[str, str]:
        """Say what is missing or wrong, by channel; the others are left out."""


class TableSource(Protocol):
    """Where the channel table comes from."""

    def load(self) -> bytes:
        """Give the file as it is now. Raises BadTable when it cannot be read."""

    def stamp(self) -> object:
        """Give something that changes when the file may have changed; cheap."""
