"""What the push needs of the world."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from receipts.ledger.facts import Accepted
from receipts.push.endpoints import Endpoint
from receipts.push.s3 import S3Status


class Answer(StrEnum):
    """What a customer made of a push. Only the first is an acknowledgement."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """It answered something else."""
    FAILED = "failed"
    TIMEOUT = "timeout"
    FORBIDDEN = "forbidden"
    """The guard did not let it out."""


class Customers(Protocol):
    """Sends a body to a customer's endpoint; never raises for what the customer does."""

    async def post(self, endpoint: Endpoint, body: bytes) -> Answer: ...


class Waiting(NamedTuple):
    """A result that is stored to be pushed later."""

    message_id: str
    status: S3Status
    account_id: str
    next_at: datetime
    first_at: datetime
    tries: int = 0

    @property
    def waiting_id(self) -> str:
        """One per thing to be said: a success that comes while a failure waits is kept too."""
        return f"{self.message_id}.{self.status}"


class PushStore(Protocol):
    """What is settled, what has been pushed, and what waits to be."""

    async def settled_of(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]: ...
    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]: ...
    async def failed_sms_of(self, message_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Find the requests for a call because the SMS failed."""
        ...

    async def pushed_of(self, message_ids: Collection[str]) -> dict[str, set[S3Status]]:
        """Find what has been pushed and acknowledged."""
        ...

    async def save_pushed(self, said: Sequence[tuple[str, S3Status]], at: datetime) -> None: ...

    async def save_waiting(self, waiting: Sequence[Waiting]) -> None:
        """Keep results to be pushed later; what is kept already stays as it is."""
        ...

    async def earliest_waiting(self) -> dict[str, datetime]:
        """Give the accounts with waiting results, each with the time of its next."""
        ...

    async def due_of(self, account_id: str, until: datetime, limit: int) -> list[Waiting]: ...
    async def older_of(self, account_id: str, before: datetime, limit: int) -> list[Waiting]: ...
    async def put_off(self, waiting: Sequence[Waiting]) -> None:
        """Change when these are next tried, and how often they were."""
        ...

    async def park(self, waiting: Sequence[Waiting], at: datetime) -> None:
        """Set results aside that were given up, where operators find them."""
        ...

    async def remove_waiting(self, waiting: Sequence[Waiting]) -> None: ...
    async def lease(self, account_id: str, owner: str, now: datetime, until: datetime) -> bool:
        """Claim an account's waiting results for a while, so that one instance pushes them."""
        ...

    async def count_waiting(self) -> tuple[int, int]:
        """Count what waits and what is parked."""
        ...
