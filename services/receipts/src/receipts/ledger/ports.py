"""What the ledger needs of the world."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from receipts.ledger.documents import Document
from receipts.ledger.facts import Accepted, Fact
from yizhan_contracts.events import Event, MessageAccepted


class Position(NamedTuple):
    """Where a sweep stands: a time and, within it, an id."""

    at: datetime
    last_id: str


class Due(NamedTuple):
    """Something whose time has come."""

    message_id: str
    position: Position


class Publisher(Protocol):
    """Writes to Kafka; returns when all of it is kept."""

    async def publish(self, events: Sequence[Event]) -> None: ...


class LedgerStore(Protocol):
    """The ledger's documents. Inserts are majority writes, reads see every acknowledged write.

    ``insert_*`` store each document once and give the ids that were there already: a repeat says
    *stored*, not *followed up*.
    """

    async def insert_contents(self, documents: Sequence[Document]) -> None: ...
    async def insert_messages(self, documents: Sequence[Document]) -> set[str]: ...
    async def insert_facts(self, documents: Sequence[Document]) -> set[str]: ...
    async def insert_early(self, documents: Sequence[Document]) -> set[str]: ...
    async def insert_settled(self, documents: Sequence[Document]) -> set[str]: ...

    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]: ...
    async def events_of(self, message_ids: Collection[str]) -> dict[str, MessageAccepted]: ...
    async def facts_of(self, message_ids: Collection[str]) -> dict[str, list[Fact]]: ...
    async def settled_of(self, message_ids: Collection[str]) -> dict[str, Document]: ...

    async def submitted_under(
        self, carrier_keys: Collection[str], since: datetime
    ) -> dict[str, Mapping[str, Any]]:
        """Find the newest attempt submitted under each key: carriers use their ids again."""
        ...

    async def early_under(
        self, carrier_keys: Collection[str], since: datetime
    ) -> list[Mapping[str, Any]]:
        """Find receipts that came before their attempts were known."""
        ...

    async def remove_contents(self, message_ids: Collection[str]) -> int: ...
    async def remove_early(self, ids: Collection[str]) -> None: ...

    async def correct(self, message_id: str, fields: Mapping[str, Any]) -> None:
        """Make a settled message delivered, unless it is."""
        ...

    async def correct_sms(self, message_id: str, sms: Mapping[str, Any]) -> None:
        """Say of a message delivered by voice that its SMS arrived too, unless that is known."""
        ...


class SweepStore(Protocol):
    """What the sweeper reads, by indexed times and by ranges of ids."""

    async def due_facts(self, after: Position, until: datetime, limit: int) -> list[Due]: ...
    async def due_messages(self, after: Position, until: datetime, limit: int) -> list[Due]: ...
    async def next_due(self, after: datetime) -> datetime | None: ...

    async def load_cursor(self, name: str) -> Position | None: ...
    async def save_cursor(self, name: str, position: Position) -> None: ...

    async def message_ids(self, after: str, below: str, limit: int) -> list[tuple[str, datetime]]:
        """Page through accepted messages: ids and ``check_at``."""
        ...

    async def settlers_of(self, message_ids: Collection[str]) -> dict[str, str]:
        """Give who settled which of these messages: a SettledBy."""
        ...

    async def settled_ids(self, first: str, last: str) -> set[str]:
        """Give which messages of a range of ids are settled, both ends included."""
        ...

    async def settled_by_full_sweep(self, since: datetime) -> list[Document]: ...
    async def count_early(self) -> int: ...


class LedgerReader(Protocol):
    """What the HTTP edge reads."""

    async def find_message(self, message_id: str) -> Document | None: ...
    async def find_by_reference(self, account_id: str, reference: str, limit: int) -> list[str]: ...
    async def find_settled(self, message_id: str) -> Document | None: ...
    async def find_text(self, message_id: str) -> str | None:
        """Find what a message says; None where that is not here (yet, or any more)."""
        ...

    async def find_facts(self, message_id: str) -> list[Document]: ...
