"""Dead letters: what a service set aside, read without a trace and put back where it stood.

Replaying is at-least-once: the group ``<service>-dlq-replay`` remembers what was acknowledged, and
a crash before that commit replays again. Consumers dedupe by id: a second copy changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NotCoordinatorForGroupError,
)

from yizhan_cli.errors import NotFound
from yizhan_cli.kafka import admin_client, connection
from yizhan_cli.replayed import Replayed
from yizhan_cli.settings import KafkaSettings

REASON, ERROR, ORIGIN, ATTEMPTS = "dlq-reason", "dlq-error", "dlq-origin", "dlq-attempts"
NULL_KEY, CUT = "null-key", "dlq-cut"
_NOTES = (REASON, ERROR, ORIGIN, ATTEMPTS)
_MAX_REQUEST_BYTES = 1_048_576
"""Below the topics' limit: what the broker refuses poisons the producer for all that follow."""
_POLL_RECORDS = 500
_POLL_MS = 500
_PAUSE_S = 0.2

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Origin:
    """Where a record stood when it was set aside. Topic without namespace."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True)
class DeadLetter:
    """One record of a DLQ: the original, and the headers that the runtime put after its own."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def place(self) -> str:
        """Name it within its DLQ."""
        return f"{self.partition}/{self.offset}"

    @property
    def reason(self) -> str:
        """Say in a word why it was set aside."""
        return self._note(REASON)

    @property
    def error(self) -> str:
        """Say what went wrong, without values."""
        return self._note(ERROR)

    @property
    def attempts(self) -> str:
        """Say how often it was tried again."""
        return self._note(ATTEMPTS)

    @property
    def origin(self) -> Origin | None:
        """Say where it stood; None when it does not tell."""
        topic, _, offset = self._note(ORIGIN).rpartition("/")
        topic, _, partition = topic.rpartition("/")
        if not (topic and partition.isdecimal() and offset.isdecimal()):
            return None
        return Origin(topic, int(partition), int(offset))

    @property
    def original_headers(self) -> Headers:
        """Give the headers that it had before."""
        return self._parted[0]

    @property
    def unfit(self) -> str:
        """Say why it cannot be put back; empty when it can."""
        notes = self._parted[1]
        if self.origin is None:
            return "it does not say where it stood"
        if CUT in notes:
            return "only its beginning was kept: it was larger than a DLQ takes"
        if NULL_KEY in notes:
            return "it had neither key nor value"
        return ""

    @property
    def _parted(self) -> tuple[Headers, dict[str, bytes]]:
        """Part its own headers from the notes behind them, which stand in a known order."""
        end = len(self.headers)
        if end and self.headers[-1][0] in (NULL_KEY, CUT):
            end -= 1
        begin = max(end - len(_NOTES), 0)
        if tuple(name for name, _ in self.headers[begin:end]) != _NOTES:
            return self.headers, {}
        return self.headers[:begin], {name: value or b"" for name, value in self.headers[begin:]}

    def _note(self, name: str) -> str:
        return self._parted[1].get(name, b"").decode("utf-8", "replace")


@dataclass(frozen=True)
class Extent:
    """What a DLQ partition holds, from ``first`` up to, but not including, ``end``."""

    first: int
    end: int
    replayed: Replayed


@dataclass(frozen=True)
class Outcome:
    """What became of the replay of one dead letter; no ``problem`` means that it is back."""

    letter: DeadLetter
    problem: str = ""


class DeadLetterQueue:
    """The DLQ of one service. Reading leaves no trace; only ``remember`` commits."""

    def __init__(
        self, consumer: AIOKafkaConsumer, extents: dict[int, Extent], settings: KafkaSettings
    ) -> None:
        self._consumer = consumer
        self._topic = next(iter(consumer.assignment())).topic
        self._settings = settings
        self.extents = extents

    async def read(self, newest: int | None = None) -> AsyncIterator[list[DeadLetter]]:
        """Give what is there now, oldest first in each partition; or only the newest of each."""
        for partition, extent in self.extents.items():
            begin = extent.first if newest is None else max(extent.first, extent.end - newest)
            self._consumer.seek(self._tp(partition), begin)
        left = {p for p, extent in self.extents.items() if extent.end > extent.first}
        while left:
            fetched = await self._consumer.getmany(
                *(self._tp(p) for p in left), timeout_ms=_POLL_MS, max_records=_POLL_RECORDS
            )
            records = [record for batch in fetched.values() for record in batch]
            letters = [_letter(record) for record in records]
            yield [one for one in letters if one.offset < self.extents[one.partition].end]
            left = {p for p in left if await self._position(p) < self.extents[p].end}

    async def find(self, places: Collection[tuple[int, int]]) -> list[DeadLetter]:
        """Give the dead letters at these places. Raises NotFound."""
        for partition, offset in places:
            extent = self.extents.get(partition)
            if extent is None or not extent.first <= offset < extent.end:
                raise NotFound(f"{self._topic} has no record {partition}/{offset}")
        return [await self._at(partition, offset) for partition, offset in sorted(places)]

    async def remember(self, letters: Sequence[DeadLetter]) -> None:
        """Commit that these were replayed."""
        commits = {}
        for partition in {letter.partition for letter in letters}:
            extent = self.extents[partition]
            offsets = [letter.offset for letter in letters if letter.partition == partition]
            replayed = extent.replayed.adding(offsets, extent.first)
            self.extents[partition] = Extent(extent.first, extent.end, replayed)
            commits[self._tp(partition)] = (replayed.below, replayed.metadata())
        if commits:
            await self._consumer.commit(commits)

    async def _at(self, partition: int, offset: int) -> DeadLetter:
        tp = self._tp(partition)
        self._consumer.seek(tp, offset)
        record = await self._consumer.getone(tp)
        if record.offset != offset:
            raise NotFound(f"{self._topic} has no record {partition}/{offset}")
        return _letter(record)

    async def _position(self, partition: int) -> int:
        position: int = await self._consumer.position(self._tp(partition))
        return position

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


@asynccontextmanager
async def dead_letter_queue(
    settings: KafkaSettings, service: str
) -> AsyncIterator[DeadLetterQueue]:
    """Open the DLQ of a service as it is now. Raises NotFound where it was never created."""
    topic = f"{settings.namespace}{service}.dlq"
    group = f"{settings.namespace}{service}-dlq-replay"
    async with admin_client(settings) as admin:
        counts = await _partition_counts(admin)
        if topic not in counts:
            raise NotFound(f"there is no topic {topic}: run `yizhan topics apply`")
        partitions = [TopicPartition(topic, n) for n in range(counts[topic])]
        committed = await _committed(admin, group, partitions)
    consumer = AIOKafkaConsumer(
        **connection(settings),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    consumer.assign(partitions)
    try:
        await consumer.start()
        extents = await _extents(consumer, partitions, committed)
        yield DeadLetterQueue(consumer, extents, settings)
    finally:
        await consumer.stop()


async def replay(
    settings: KafkaSettings, letters: Sequence[DeadLetter], producer: AIOKafkaProducer
) -> list[Outcome]:
    """Put dead letters back where they stood: original bytes, key and headers, same partition."""
    async with admin_client(settings) as admin:
        counts = await _partition_counts(admin)
    return list(
        await asyncio.gather(*(_put_back(one, settings, counts, producer) for one in letters))
    )


@asynccontextmanager
async def replay_producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """Open the producer for ``replay``."""
    producer = AIOKafkaProducer(
        **connection(settings),
        acks="all",
        enable_idempotence=True,
        max_request_size=_MAX_REQUEST_BYTES,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def _put_back(
    letter: DeadLetter,
    settings: KafkaSettings,
    counts: dict[str, int],
    producer: AIOKafkaProducer,
) -> Outcome:
    origin = letter.origin
    if origin is None or letter.unfit:
        return Outcome(letter, letter.unfit)
    topic = settings.namespace + origin.topic.removeprefix(settings.namespace)
    if origin.partition >= counts.get(topic, 0):
        return Outcome(letter, f"there is no partition {origin.partition} of {topic}")
    try:
        await producer.send_and_wait(
            topic,
            letter.value,
            letter.key,
            origin.partition,
            headers=list(letter.original_headers) or None,
        )
    except (KafkaConnectionError, KafkaTimeoutError):
        raise
    except KafkaError as error:
        return Outcome(letter, type(error).__name__)
    return Outcome(letter)


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    return {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics()}


async def _committed(
    admin: AIOKafkaAdminClient, group: str, partitions: list[TopicPartition]
) -> dict[Any, Any]:
    # A Kafka whose groups were never used makes their topic first, and after a start loads them.
    while True:
        try:
            found: dict[Any, Any] = await admin.list_consumer_group_offsets(
                group, partitions=partitions
            )
        except (
            GroupCoordinatorNotAvailableError,
            GroupLoadInProgressError,
            NotCoordinatorForGroupError,
        ):
            await asyncio.sleep(_PAUSE_S)
        else:
            return found


async def _extents(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], committed: dict[Any, Any]
) -> dict[int, Extent]:
    firsts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    return {
        tp.partition: Extent(
            firsts[tp],
            ends[tp],
            Replayed.parse(committed[tp].offset, committed[tp].metadata)
            if tp in committed
            else Replayed(),
        )
        for tp in partitions
    }


def _letter(record: Any) -> DeadLetter:  # noqa: ANN401 - aiokafka has no types
    return DeadLetter(
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple(record.headers),
    )
