"""What groups have not read yet, on a real Kafka."""

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from yizhan_cli.lag import read_lags
from yizhan_cli.settings import KafkaSettings

pytestmark = pytest.mark.integration


async def test_lag_is_told_by_group_and_topic_of_this_deployment_only(
    kafka_url: str, namespace: str
) -> None:
    topic, group = f"{namespace}t", f"{namespace}receipts"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka_url) as producer:
        for _ in range(5):
            await producer.send_and_wait(topic, b"x", partition=0)
    for name, taken in ((group, 2), (f"{namespace}done", 5), (f"x{namespace}other", 1)):
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka_url, group_id=name, enable_auto_commit=False
        )
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): taken})
        await consumer.stop()
    assert await read_lags(KafkaSettings(kafka_url, namespace)) == {"receipts": {"t": 3}}
