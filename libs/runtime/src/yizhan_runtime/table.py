"""Compacted topics read whole, without a group: every instance sees every key, also what came before its start."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Poison, Retryable
from yizhan_runtime.kafka import connection
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import Parse, raw_of
from yizhan_runtime.settings import RuntimeSettings

log = get_logger(__name__)

_POLL_MS = 1_000
_RETRY_S = 1.0

OnChange = Callable[[str, Any], None]


class TableReader:
    """Follows one compacted topic. ``on_change(key, event)`` gets the newest of each key, None when it is gone."""

    def __init__(
        self,
        settings: RuntimeSettings,
        clock: Clock,
        topic: str,
        parse: Parse[Any],
        on_change: OnChange,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._topic = topic
        self._parse = parse
        self._on_change = on_change
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Read all there is. Raises Retryable while Kafka is away or slow."""
        consumer = AIOKafkaConsumer(
            self._settings.namespace + self._topic,  # without a group: all partitions are ours
            **connection(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                await consumer.start()
                await self._catch_up(consumer)
        except (KafkaError, TimeoutError, OSError) as error:
            await consumer.stop()
            raise Retryable(
                f"the table {self._topic} cannot be read: {type(error).__name__}"
            ) from error
        self._consumer = consumer

    async def _catch_up(self, consumer: AIOKafkaConsumer) -> None:
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
        if self._consumer is None:
            raise Retryable("follow before start")
        while True:
            try:
                self._take(await self._consumer.getmany(timeout_ms=_POLL_MS))
            except KafkaError as error:
                log.warning(
                    "a table cannot be read",
                    extra={"topic": self._topic, "why": type(error).__name__},
                )
                await self._clock.sleep(_RETRY_S)

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    def _take(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        newest = {record.key: record for records in fetched.values() for record in records}
        for key, record in newest.items():
            name = (key or b"").decode("utf-8", "replace")
            if record.value is None:
                self._on_change(name, None)
                continue
            try:
                event = self._parse(raw_of(record, self._settings.namespace))
            except Poison as error:
                # Nobody could do anything with a table's bad row in a DLQ: say it, keep the row before it.
                log.error(
                    "a row of a table cannot be read",
                    extra={"topic": self._topic, "code": error.code},
                )
                continue
            self._on_change(name, event)
