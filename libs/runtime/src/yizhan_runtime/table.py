"""Compacted topics read whole, without a group: every instance sees every key, old ones too."""

import asyncio
import math
from collections.abc import Callable, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from yizhan_runtime.bounded import bounded
from yizhan_runtime.clock import Clock
from yizhan_runtime.consuming import Membership, read
from yizhan_runtime.errors import Retryable
from yizhan_runtime.kafka import connection
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import Parse, raw_of
from yizhan_runtime.settings import RuntimeSettings

log = get_logger(__name__)

_POLL_MS = 1_000
_RETRY_S = 1.0
_STOP_TIMEOUT_S = 5.0

OnChange = Callable[[str, Any], None]


class TableReader:
    """Follows one compacted topic. ``on_change(key, event)`` gets the newest of each key.

    With ``recent_s`` it gets every record, in order, that is no older than so many seconds at the
    start: as whoever was there has seen them, as long as the topic's compaction lag is longer.

    None is a key that is gone. A row that cannot be read, or that ``on_change`` raises on, is
    logged and left out: the row before it stays, and one bad row stops nobody.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        clock: Clock,
        topic: str,
        parse: Parse[Any],
        on_change: OnChange,
        recent_s: float = 0.0,
    ) -> None:
        self._recent_s = recent_s
        self._each_from_ms = math.inf
        self._settings = settings
        self._clock = clock
        self._topic = topic
        self._parse = parse
        self._on_change = on_change
        self.consumer: AIOKafkaConsumer | None = None
        self.membership = Membership(clock)
        self.busy_since: float | None = None
        self.trouble = ""

    def held(self) -> Collection[TopicPartition]:
        """Give the partitions that stand still on purpose: none."""
        return ()

    async def start(self) -> None:
        """Read all there is. Raises Retryable while Kafka is away or slow."""
        consumer = AIOKafkaConsumer(
            self._settings.namespace + self._topic,
            **connection(self._settings),
            group_id=None,  # all partitions are ours
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                await consumer.start()
                await self._catch_up(consumer)
        except (KafkaError, OSError) as error:
            raise Retryable(
                f"the table {self._topic} cannot be read: {type(error).__name__}"
            ) from error
        else:
            self.consumer, consumer = consumer, None
            self.membership.change(is_member=True)
        finally:
            if consumer is not None:
                await bounded("table", consumer.stop(), _STOP_TIMEOUT_S)

    async def _catch_up(self, consumer: AIOKafkaConsumer) -> None:
        if self._recent_s:
            self._each_from_ms = (self._clock.now().timestamp() - self._recent_s) * 1000
        tps = consumer.assignment()
        ends: dict[TopicPartition, int] = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        while True:
            behind = [tp for tp in tps if await consumer.position(tp) < ends[tp]]
            if not behind:
                return
            self._take(await consumer.getmany(*behind, timeout_ms=200))

    async def follow(self) -> None:
        """Take changes for ever."""
        if self.consumer is None:
            raise Retryable("follow before start")
        while True:
            try:
                self._take(await self.consumer.getmany(timeout_ms=_POLL_MS))
            except KafkaError as error:
                self.trouble = f"the table {self._topic} cannot be read: {type(error).__name__}"
                log.warning(
                    "a table cannot be read",
                    extra={"topic": self._topic, "why": type(error).__name__},
                )
                await self._clock.sleep(_RETRY_S)
            else:
                self.trouble = ""

    async def stop(self) -> None:
        """Close, bounded."""
        if self.consumer is not None:
            consumer, self.consumer = self.consumer, None
            await bounded("table", consumer.stop(), _STOP_TIMEOUT_S)

    def _take(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        every = [record for records in fetched.values() for record in records]
        newest = {record.key: record for record in every}
        for record in every:
            if record is not newest[record.key] and record.timestamp < self._each_from_ms:
                continue
            try:
                self._take_row((record.key or b"").decode("utf-8", "replace"), record)
            except Exception:
                # Nobody could do anything with a table's bad row in a DLQ: say it, keep what was.
                log.exception(
                    "a row of a table is left out",
                    extra={"topic": self._topic, "offset": record.offset},
                )

    def _take_row(self, key: str, record: Any) -> None:  # noqa: ANN401 - aiokafka's record
        if record.value is None:
            self._on_change(key, None)
            return
        self._on_change(key, read(self._parse, raw_of(record, self._topic)))
