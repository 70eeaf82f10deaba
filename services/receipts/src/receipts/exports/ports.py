"""What exports need of the world."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from receipts.exports.columns import Told
from receipts.exports.domain import Export, ExportQuery, Part, PartSize, State


class Page(NamedTuple):
    """Some messages in the order of their ids; fewer than were looked at, where it filters."""

    told: list[Told]
    scanned: int
    last_id: str
    """The last that was looked at."""


class MessageRows(Protocol):
    """Reads messages with all that an export shows of them."""

    async def refresh(self) -> None:
        """Find out which weeks there are: another instance may have begun older ones."""
        ...

    async def rows(
        self, query: ExportQuery, after: str, limit: int, *, with_text: bool
    ) -> Page | None:
        """Give the next of a query behind an id, of ``limit`` looked at; None: there are none."""
        ...

    async def count(self, query: ExportQuery) -> int:
        """Count the messages of its account and range (and batch, reference), settled or not."""
        ...


class ExportStore(Protocol):
    """Exports and their parts. Writes are majority writes."""

    async def add(self, export: Export, key: str, *, key_stays: bool) -> bool:
        """Keep a new one. False: there is one under this key.

        The key is let go when it is over: at once where it failed or was cancelled, and when it is
        done unless ``key_stays``.
        """
        ...

    async def under(self, key: str) -> Export | None: ...
    async def load(self, export_id: str) -> Export | None: ...
    async def list_of(self, account_id: str, limit: int) -> list[Export]: ...

    async def claim(self, owner: str, now: datetime, until: datetime) -> Export | None:
        """Lease the one that has waited longest for its next part."""
        ...

    async def last_part(self, export_id: str) -> Part | None: ...

    async def add_part(self, export_id: str, part: Part, expires_at: datetime) -> bool:
        """Store a part. False: another instance has stored that number."""
        ...

    async def progress(self, export_id: str, part: Part, now: datetime) -> bool:
        """Say how far it is, and let the lease go. False: it is not running any more."""
        ...

    async def end(self, export_id: str, state: State, at: datetime, error: str = "") -> bool:
        """End one that is running. False: it was not."""
        ...

    async def remove_part(self, export_id: str, n: int) -> None: ...
    async def remove_parts(self, export_id: str) -> int: ...
    async def sizes(self, export_id: str) -> Sequence[PartSize]: ...
    async def data(self, export_id: str, n: int) -> bytes | None:
        """Give a part's bytes, as they were before compression."""
        ...
