"""What an erasure needs of the world."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from receipts.erasure.domain import Erasure, Found, Planned, Subject


class ErasureStore(Protocol):
    """Erasures themselves. Writes are majority writes."""

    async def add(self, erasure: Erasure, key: str) -> bool:
        """Keep a new one. False: one of the same subject is not done yet."""
        ...

    async def under(self, key: str) -> Erasure | None: ...
    async def load(self, erasure_id: str) -> Erasure | None: ...

    async def claim(self, owner: str, now: datetime, until: datetime) -> Erasure | None:
        """Lease one that is due."""
        ...

    async def plan(self, erasure_id: str, planned: Planned, until: datetime) -> None:
        """Write down what is erased next, and keep the lease until then."""
        ...

    async def count(self, erasure_id: str, planned: Planned, export_ids: Collection[str]) -> None:
        """Count what was planned as removed, once; the plan is over."""
        ...

    async def count_beside(
        self, erasure_id: str, replies: int, export_ids: Collection[str]
    ) -> None:
        """Count what is removed beside messages: the larger number of replies stays."""
        ...

    async def wait(self, erasure_id: str, until: datetime, waiting_ids: Collection[str]) -> None:
        """Let it rest, and begin from the start then."""
        ...

    async def finish(self, erasure_id: str, left: Mapping[str, int], at: datetime) -> None:
        """Say that it is done; the number goes."""
        ...


class Erased(Protocol):
    """The stores that are erased. Every removal may be repeated."""

    async def refresh(self) -> None:
        """Find out which weeks there are: another instance may have begun older ones."""
        ...

    async def page(self, subject: Subject, after: str, below: str, limit: int) -> list[Found]:
        """Give the next messages with a number, oldest first."""
        ...

    async def settled_among(self, message_ids: Collection[str]) -> set[str]: ...
    async def count_contents(self, message_ids: Collection[str]) -> int: ...
    async def remove_messages(self, message_ids: Collection[str], at: datetime) -> None:
        """Remove contents, then numbers."""
        ...

    async def count_remaining(self, message_ids: Collection[str]) -> int:
        """Count what these messages still hold: contents, and numbers of how they settled."""
        ...

    async def remove_exports(self, found: Collection[Found], since: datetime) -> list[str]:
        """Remove the files of exports that may show these messages.

        Gives the ids, also of those that an erasure has removed since a time.
        """
        ...

    async def remove_exports_of(self, account_id: str, since: datetime) -> list[str]:
        """Remove the files of all exports of an account; gives the ids in the same way."""
        ...

    async def count_replies(self, subject: Subject, before: datetime) -> int: ...
    async def remove_replies(self, subject: Subject, before: datetime, at: datetime) -> None: ...

    async def left(
        self, subject: Subject, below: str, before: datetime, export_ids: Collection[str]
    ) -> dict[str, int]:
        """Count what is left, by store, by the very indexes that removed it."""
        ...
