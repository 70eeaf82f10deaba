"""What ingest needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingest.catalogue import Account
from ingest.content.checking import ContentRules
from yizhan_contracts.events import Event, MessageAccepted


class Catalogue(Protocol):
    """Accounts in force. Answers from memory: it is asked for every message."""

    def account(self, account_id: str) -> Account | None: ...


class Content(Protocol):
    """The word lists in force. Asked once for each batch: a new list takes the place of all."""

    @property
    def current(self) -> ContentRules: ...


@dataclass(frozen=True, slots=True)
class Input:
    """What made a message, and the message as it was rendered then. Inserted once, never changed.

    A repeat of the input publishes this rendering again, template version included: the same input
    under the same ``input_id`` can never make a second message.
    """

    input_id: str
    message: MessageAccepted
    begun_at: datetime
    body_hash: str = ""
    lease: str = ""
    """The lease that paid for it; empty for what costs nothing."""


class Inputs(Protocol):
    """The store of inputs. Every method raises Retryable while the store is away."""

    async def find(self, input_ids: Collection[str]) -> Mapping[str, Input]: ...

    async def add(self, inputs: Sequence[Input]) -> Collection[str]:
        """Insert; give the ids that were there already: those are left as they were."""
        ...

    async def add_done(self, input_ids: Sequence[str]) -> None:
        """Note that what these inputs made is published."""
        ...

    async def find_done(self, input_ids: Collection[str]) -> Collection[str]: ...

    async def find_message(self, message_id: str) -> Input | None: ...

    async def drop_before(self, message_id: str, limit: int) -> int:
        """Delete up to ``limit`` inputs whose message ids are smaller; give their number."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """A fact about a shipment that later events of it are judged by. Inserted once, never changed.

    ``owner`` is the event that set it: an event is never stopped by its own mark.
    """

    mark_id: str
    owner: str
    occurred_at: datetime
    set_at: datetime


class Marks(Protocol):
    """The store of marks. Every method raises Retryable while the store is away."""

    async def find(self, mark_ids: Collection[str]) -> Mapping[str, Mark]: ...

    async def add(self, marks: Sequence[Mark]) -> Collection[str]:
        """Insert; give the ids that were there already: those are left as they were."""
        ...


class Publisher(Protocol):
    """Kafka. Returns when all replicas have it; raises Retryable when that is not known."""

    async def publish(self, events: Sequence[Event]) -> None: ...
