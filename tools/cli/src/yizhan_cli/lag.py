"""How far the consumer groups of a deployment are behind: what the ledger has not counted yet."""

from aiokafka import AIOKafkaConsumer, TopicPartition

from yizhan_cli.kafka import admin_client, connection
from yizhan_cli.settings import KafkaSettings

Lags = dict[str, dict[str, int]]
"""Records not yet taken, by group and topic, both without the namespace."""


async def read_lags(settings: KafkaSettings) -> Lags:
    """Compare what each group has committed with where its partitions end; only what is behind."""
    committed: dict[str, dict[TopicPartition, int]] = {}
    async with admin_client(settings) as admin:
        for name, *_ in await admin.list_consumer_groups():
            if name.startswith(settings.namespace):
                offsets = await admin.list_consumer_group_offsets(name)
                committed[name] = {tp: known.offset for tp, known in offsets.items()}
    ends = await _ends(settings, {tp for its in committed.values() for tp in its})
    lags: Lags = {}
    for name, its in committed.items():
        for tp, offset in its.items():
            behind = ends.get(tp, offset) - max(offset, 0)
            if behind > 0:
                group = lags.setdefault(name.removeprefix(settings.namespace), {})
                topic = tp.topic.removeprefix(settings.namespace)
                group[topic] = group.get(topic, 0) + behind
    return lags


async def _ends(
    settings: KafkaSettings, partitions: set[TopicPartition]
) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(**connection(settings))
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(partitions))
    finally:
        await consumer.stop()
    return ends
