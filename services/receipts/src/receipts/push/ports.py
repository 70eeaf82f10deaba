"""What the push needs of the world."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from yarl import URL

from receipts.ledger.facts import Accepted
from receipts.push.endpoints import About, Endpoint
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


class Request(NamedTuple):
    """One POST."""

    url: URL
    body: bytes
    headers: Mapping[str, str]
    timeout_s: float


class Heard(NamedTuple):
    """What came of a POST: an answer, or why there is none."""

    status: int = 0
    body: bytes = b""
    """As far as it was read."""
    failure: Answer | None = None
    """FAILED, TIMEOUT or FORBIDDEN; None where there was an answer."""
    why: str = ""
    """Of a failure, without addresses."""


class Customers(Protocol):
    """Sends to customers' addresses; never raises for what a customer does."""

    async def post(self, request: Request) -> Heard: ...


class Addresses(Protocol):
    """Looks at an address before it is kept."""

    async def check(self, url: URL) -> None:
        """Resolve it. Raises ForbiddenAddress where no push would go."""
        ...


class Item(Protocol):
    """Something to be said: what became of one message, or one event."""

    @property
    def subject_id(self) -> str: ...
    @property
    def status(self) -> str:
        """Two things said of one subject differ in this; empty where only one can be."""
        ...


I = TypeVar("I", bound=Item)  # noqa: E741 - as T is


class Place(NamedTuple):
    """Where something stands in the order of time of an account's subjects."""

    position: str
    """Sorts by time, and is comparable with a message id."""
    subject_id: str


class Matter(Protocol[I]):
    """One matter that customers are told of: how it is read, rendered, and acknowledged."""

    about: About
    most: int
    """Items in a POST."""
    headers: Mapping[str, str]

    async def load(
        self, subject_ids: Sequence[str]
    ) -> tuple[dict[str, I], dict[str, Collection[str]]]:
        """Read what is to be said of these now, and the statuses that were acknowledged."""
        ...

    def is_said(self, item: I, said: Collection[str]) -> bool:
        """Tell whether this has been said, or what makes it superfluous."""
        ...

    async def save_said(self, said: Sequence[I], at: datetime) -> None: ...
    def render(self, items: Sequence[I]) -> tuple[str, bytes]:
        """Give the id of the push (the same for the same content) and its body."""
        ...

    def is_acknowledged(self, heard: Heard) -> bool: ...
    def sample(self, now: datetime) -> I:
        """Make something that happened to nobody."""
        ...

    async def page(self, account_id: str, after: str, below: str, limit: int) -> list[Place]:
        """List an account's subjects between two positions, in order."""
        ...


class Waiting(NamedTuple):
    """Something that is stored to be pushed later. No content: that is read when it is said."""

    subject_id: str
    status: str
    about: About
    account_id: str
    next_at: datetime
    first_at: datetime
    tries: int = 0

    @property
    def waiting_id(self) -> str:
        """One per thing to be said: a success that comes while a failure waits is kept too."""
        return f"{self.subject_id}.{self.status}"


class ResultStore(Protocol):
    """What is settled, and what of it has been pushed."""

    async def settled_of(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]: ...
    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]: ...
    async def failed_sms_of(self, message_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Find the requests for a call because the SMS failed."""
        ...

    async def pushed_of(self, message_ids: Collection[str]) -> dict[str, set[S3Status]]:
        """Find what has been pushed and acknowledged."""
        ...

    async def save_pushed(self, said: Sequence[tuple[str, S3Status]], at: datetime) -> None: ...
    async def settled_ids_of(
        self, account_id: str, after: str, below: str, limit: int
    ) -> list[str]: ...


class WaitingStore(Protocol):
    """What waits to be pushed, and what was given up."""

    async def save_waiting(self, waiting: Sequence[Waiting]) -> None:
        """Keep things to be pushed later; what is kept already stays as it is."""
        ...

    async def earliest_waiting(self) -> dict[str, datetime]:
        """Give the lanes with something waiting, each with the time of its next."""
        ...

    async def due_of(self, lane_id: str, until: datetime, limit: int) -> list[Waiting]: ...
    async def older_of(self, lane_id: str, before: datetime, limit: int) -> list[Waiting]: ...
    async def put_off(self, waiting: Sequence[Waiting]) -> None:
        """Change when these are next tried, and how often they were."""
        ...

    async def park(self, waiting: Sequence[Waiting], at: datetime) -> None:
        """Set aside what was given up, where operators find it."""
        ...

    async def parked_of(
        self, lane_id: str, since: datetime, until: datetime, status: str, limit: int
    ) -> list[Waiting]:
        """Find what was given up and first tried in a range of time; status "" is any."""
        ...

    async def unpark(self, waiting: Sequence[Waiting]) -> None:
        """Have what was given up wait again."""
        ...

    async def remove_waiting(self, waiting: Sequence[Waiting]) -> None: ...
    async def lease(self, lane_id: str, owner: str, now: datetime, until: datetime) -> bool:
        """Claim what waits in a lane for a while, so that one instance pushes it."""
        ...

    async def count_waiting(self) -> tuple[int, int]:
        """Count what waits and what is parked."""
        ...


class EndpointStore(Protocol):
    """The endpoints of all accounts. Every method raises Retryable while it is away."""

    async def add(self, endpoint: Endpoint) -> bool:
        """Insert; False if the account has one, deleted or not."""
        ...

    async def replace(self, endpoint: Endpoint, version: int) -> bool:
        """Put the next version in the place of ``version``; False if that is not the newest."""
        ...

    async def find(self, account_ids: Collection[str]) -> dict[str, Endpoint]: ...
    async def page(self, after: str, limit: int) -> list[Endpoint]:
        """List endpoints that are not deleted, by account id."""
        ...
