"""A batch on its way from one poll to its commit."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from aiokafka import TopicPartition

from yizhan_runtime.aside import Aside
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import E, Parked, Parse, Record
from yizhan_runtime.subscription import Batch

log = get_logger(__name__)

_TOLD = 5
"""How many poisoned records of one poll are named in the logs; a flood of them is counted."""


@dataclass(frozen=True)
class BatchRoute(Generic[E]):
    """Topics, how they are read, and who handles them.

    ``handle`` gets all records of its topics in one poll, in order per partition. When it returns,
    everything in them is durable, but for what it returns as parked. It may be called again with
    the same records, or with some of them.
    """

    topics: tuple[str, ...]
    parse: Parse[E]
    handle: Callable[[Sequence[Record[E]]], Awaitable[Iterable[Parked | Aside]]]
    foreign: bool = False
    """Written by others: however much poison comes, it is set aside and stops nothing."""
    on_drain: Callable[[], None] = lambda: None
    """Called when what is in hand is to come to an end."""
    is_patient: bool = False
    """``handle`` may take as long as it likes: it waits for others, not being stuck."""


@dataclass
class Load:
    """What is left to be handled of a batch, what to set aside, and what to commit then."""

    work: dict[int, tuple[BatchRoute[Any], list[Record[Any]]]] = field(default_factory=dict)
    asides: list[Aside] = field(default_factory=list)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    """Records by topic."""
    oldest_ms: int = 0
    internal_poison: int = 0

    @property
    def records(self) -> int:
        """Count all of them, poison too."""
        return sum(self.taken.values())

    def count(self, topic: str, records: int, oldest_ms: int) -> None:
        """Note records of a topic, and the timestamp of the first."""
        self.taken[topic] = self.taken.get(topic, 0) + records
        self.oldest_ms = min(self.oldest_ms or oldest_ms, oldest_ms)

    def add(self, route: BatchRoute[Any], record: Record[Any]) -> None:
        """Note a record to be handled."""
        self.work.setdefault(id(route), (route, []))[1].append(record)


def by_partition(batch: Batch) -> Iterable[tuple[TopicPartition, Batch]]:
    """Part a poll by its partitions: they stand in it one after the other."""
    begin = 0
    for end in range(1, len(batch) + 1):
        first = batch[begin]
        if end == len(batch) or (
            batch[end].partition != first.partition or batch[end].topic != first.topic
        ):
            yield TopicPartition(first.topic, first.partition), batch[begin:end]
            begin = end


def say_poison(poison: Sequence[Aside]) -> None:
    """Log where poison stands, and what is wrong with it."""
    for aside in poison[:_TOLD]:
        told = {"origin": aside.raw.origin, "code": aside.reason, "detail": aside.error}
        log.warning("poison", extra=told)
    if len(poison) > _TOLD:
        log.warning("more poison", extra={"records": len(poison) - _TOLD})
