"""How far consumer groups have read: what they committed, beside what their topics hold.

Asked from outside the groups, so that it holds for all their members, wherever they run.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from yizhan_contracts.topics import partitions_of
from yizhan_runtime.bounded import bounded
from yizhan_runtime.errors import Misconfigured, Retryable
from yizhan_runtime.kafka import connection
from yizhan_runtime.settings import RuntimeSettings

_ASK_TIMEOUT_S = 5.0
_STOP_TIMEOUT_S = 5.0

Place = tuple[str, str, int]
"""A group, one of its topics (with the namespace) and a partition."""


class Progress(NamedTuple):
    """Where topics ended, and what had been committed a moment later. In offsets."""

    ends: Mapping[Place, int]
    committed: Mapping[Place, int]
    """Of a partition that nothing was ever committed of: where it begins."""


class GroupProgress:
    """Asks Kafka for the progress of some groups, over two connections that it keeps."""

    def __init__(self, settings: RuntimeSettings, groups: Mapping[str, Collection[str]]) -> None:
        """Ask for these groups, each with the topics that it reads, both without the namespace."""
        self._settings = settings
        self._tps = {
            group: [
                TopicPartition(settings.namespace + topic, partition)
                for topic in topics
                for partition in range(partitions_of(topic))
            ]
            for group, topics in groups.items()
        }
        self._begun: set[str] = set()
        """Groups that have committed something."""
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def ask(self) -> Progress:
        """Ask for ends, then for what is committed. Raises Retryable while Kafka is away."""
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_S):
                return await self._ask(*await self._connected())
        except (KafkaError, TimeoutError, OSError, Misconfigured) as error:
            # Misconfigured: a certificate has gone, which is nothing to end a running service for.
            await self.close()
            raise Retryable(f"Kafka does not answer: {type(error).__name__}") from error

    async def close(self) -> None:
        """Let go of both connections, bounded; the next question connects anew."""
        admin, self._admin = self._admin, None
        consumer, self._consumer = self._consumer, None
        if admin is not None:
            await bounded("progress", admin.close(), _STOP_TIMEOUT_S)
        if consumer is not None:
            await bounded("progress", consumer.stop(), _STOP_TIMEOUT_S)

    async def _connected(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._admin is None or self._consumer is None:
            self._admin = AIOKafkaAdminClient(**connection(self._settings))
            self._consumer = AIOKafkaConsumer(**connection(self._settings), group_id=None)
            await self._admin.start()
            await self._consumer.start()
        return self._admin, self._consumer

    async def _ask(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> Progress:
        every = sorted({tp for tps in self._tps.values() for tp in tps})
        ends = await consumer.end_offsets(every)
        its_ends: dict[Place, int] = {}
        committed: dict[Place, int] = {}
        for group, tps in self._tps.items():
            told = await admin.list_consumer_group_offsets(self._settings.namespace + group)
            if told:
                self._begun.add(group)
            elif group in self._begun:
                # aiokafka drops the error of a whole group, such as of a coordinator that moves.
                raise Retryable(f"Kafka does not tell what the group {group} has committed")
            unknown = [tp for tp in tps if tp not in told or told[tp].offset < 0]
            begins = await consumer.beginning_offsets(unknown) if unknown else {}
            for tp in tps:
                place = (group, tp.topic, tp.partition)
                its_ends[place] = ends[tp]
                committed[place] = begins[tp] if tp in begins else told[tp].offset
        return Progress(its_ends, committed)
