"""One test's corner of a Kafka: its topics, the means to feed and read them, its services."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from pydantic import SecretStr

from yizhan_contracts.topics import Topic
from yizhan_runtime import RuntimeSettings, Service


class Corner:
    """A namespace with all topics, a producer, and services that end with the test."""

    def __init__(
        self, kafka_url: str, mongo_url: str, namespace: str, stack: AsyncExitStack
    ) -> None:
        self.kafka_url = kafka_url
        self.mongo_url = mongo_url
        self.namespace = namespace
        self._stack = stack
        self._producer: AIOKafkaProducer | None = None

    def settings(self, **values: Any) -> RuntimeSettings:
        return RuntimeSettings(
            kafka_url=self.kafka_url,
            mongo_url=SecretStr(self.mongo_url),
            namespace=self.namespace,
            **{"drain_timeout_s": 5.0, **values},
        )

    async def provision(self, topics: Iterable[Topic]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka_url)
        await admin.start()
        try:
            await admin.create_topics(
                [
                    NewTopic(
                        self.namespace + topic.name,
                        topic.partitions,
                        1,
                        topic_configs={"max.message.bytes": str(topic.max_message_bytes)},
                    )
                    for topic in topics
                ]
            )
        finally:
            await admin.close()

    async def configure(self, topic: str, **values: str) -> None:
        """Change a topic's settings."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka_url)
        await admin.start()
        try:
            name = self.namespace + topic
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, values)])
        finally:
            await admin.close()

    async def start(self, service: Service) -> Service:
        await service.start()
        self._stack.push_async_callback(service.stop)
        return service

    async def send(self, topic: str, values: Iterable[bytes | None], **options: Any) -> None:
        producer = await self._connected()
        for value in values:
            await producer.send(self.namespace + topic, value, **options)
        await producer.flush()

    async def send_batch(self, topic: str, batch: bytes, partition: int = 0) -> None:
        """Write a batch of records as it is."""
        producer = await self._connected()
        builder = producer.create_batch()
        builder.append(key=b"k", value=b"v", timestamp=None)
        builder.close()
        builder._build()
        builder._buffer = bytearray(batch)
        sent = await producer.send_batch(builder, self.namespace + topic, partition=partition)
        await sent

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self.kafka_url, acks="all", max_request_size=3_000_000
            )
            await self._producer.start()
            self._stack.push_async_callback(self._producer.stop)
        return self._producer

    async def read(self, topic: str) -> list[Any]:
        """Everything that stands in a topic now."""
        consumer = AIOKafkaConsumer(
            self.namespace + topic,
            bootstrap_servers=self.kafka_url,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            tps = consumer.assignment()
            ends = await consumer.end_offsets(tps)
            found: list[Any] = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                fetched = await consumer.getmany(timeout_ms=500)
                found.extend(record for records in fetched.values() for record in records)
            return found
        finally:
            await consumer.stop()

    async def committed(self, group: str, topic: str) -> int:
        """The sum of a group's committed offsets over a topic's partitions."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka_url)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.namespace + group)
        finally:
            await admin.close()
        return sum(at.offset for tp, at in offsets.items() if tp.topic == self.namespace + topic)
