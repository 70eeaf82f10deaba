"""The records of topics as they lie there, dead letters too."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.topics import all_topics

Record = Any
"""aiokafka's ConsumerRecord, which publishes no types."""


@asynccontextmanager
async def consumer_of(world: World) -> AsyncIterator[AIOKafkaConsumer]:
    """Read as nobody's group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=world.stack.servers.kafka_url,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=8 * 1_048_576,
    )
    await consumer.start()
    try:
        # All at once: one by one, as it comes to need them, it takes seconds.
        topics = [topic.name for topic in all_topics(world.channels())]
        await consumer._client.set_topics([world.namespace + topic for topic in topics])
        yield consumer
    finally:
        await consumer.stop()


async def partitions(world: World, *topics: str) -> list[TopicPartition]:
    """Give the partitions of topics; their names are without the namespace."""
    names = [world.namespace + topic for topic in topics]
    return [
        TopicPartition(name, partition)
        for name in names
        for partition in await world.producer.partitions_for(name)
    ]


async def read_all(consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> list[Record]:
    """Read what stands in these partitions now."""
    ends = {tp: end for tp, end in (await consumer.end_offsets(tps)).items() if end}
    if not ends:
        return []
    consumer.assign(list(ends))
    await consumer.seek_to_beginning()
    found: list[Record] = []
    while any([await consumer.position(tp) < end for tp, end in ends.items()]):
        fetched = await consumer.getmany(timeout_ms=200)
        found += (record for records in fetched.values() for record in records)
    return found


async def dead_letter(
    world: World, service: str, is_it: Callable[[Record], bool], *, within_s: float = 20
) -> Record:
    """Wait for a record in a service's DLQ."""
    async with consumer_of(world) as consumer:
        tps = await partitions(world, f"{service}.dlq")

        async def look() -> Record | None:
            return next((r for r in await read_all(consumer, tps) if is_it(r)), None)

        return await until(look, f"a dead letter of {service}", within_s=within_s)
