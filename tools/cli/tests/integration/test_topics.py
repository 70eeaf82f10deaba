"""Provisioning on a real Kafka."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from yizhan_cli.errors import Exit
from yizhan_contracts.topics import all_topics

from .conftest import Yizhan

pytestmark = pytest.mark.integration

CHANNELS = ["acme-eu", "dragon-cn"]
OPTIONS = ("--channels", ",".join(CHANNELS), "--json")


async def create(kafka_url: str, topic: NewTopic) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        answer = await admin.create_topics([topic])
        assert all(code == 0 for _, code, _ in answer.topic_errors)
    finally:
        await admin.close()


async def test_topics_are_created_as_declared_and_only_once(
    yizhan: Yizhan, kafka_url: str, namespace: str
) -> None:
    declared = {namespace + topic.name: topic for topic in all_topics(CHANNELS)}

    missing = yizhan("topics", "check", *OPTIONS)
    assert missing.code == Exit.NOT_FOUND
    assert missing.json["counts"] == {"missing": len(declared)}

    created = yizhan("topics", "apply", *OPTIONS)
    assert created.code == 0
    assert created.json["counts"] == {"created": len(declared)}

    repeated = yizhan("topics", "apply", *OPTIONS)
    assert repeated.json["counts"] == {"present": len(declared)}
    assert not any(topic["differs"] for topic in repeated.json["topics"])
    assert yizhan("topics", "check", *OPTIONS).code == 0

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        there = {one["topic"]: one for one in await admin.describe_topics()}
        for name, topic in declared.items():
            partitions = there[name]["partitions"]
            assert len(partitions) == topic.partitions
            assert all(partition["leader"] >= 0 for partition in partitions)
        [answer] = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, f"{namespace}channel.reported.v1")]
        )
        config = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    finally:
        await admin.close()
    assert config["max.message.bytes"] == "1048588"
    assert config["segment.ms"] == "600000"
    assert set(config["cleanup.policy"].split(",")) == {"compact", "delete"}


def test_the_topics_of_twelve_channels_are_made_in_one_go(yizhan: Yizhan) -> None:
    channels = [f"c{n}" for n in range(12)]
    created = yizhan("topics", "apply", "--channels", ",".join(channels), "--json")
    assert created.json["counts"] == {"created": len(list(all_topics(channels)))}


async def test_a_wrong_partition_count_is_told_and_left_alone(
    yizhan: Yizhan, kafka_url: str, namespace: str
) -> None:
    name = f"{namespace}message.settled.v1"
    await create(kafka_url, NewTopic(name, 3, 1))

    applied = yizhan("topics", "apply", "--json")
    assert applied.code == Exit.WRONG_TOPICS
    assert "never changed in place" in applied.err
    assert f"{name}: 3 partitions, declared 6" in applied.err
    assert applied.json["counts"]["wrong-partitions"] == 1
    assert applied.json["counts"]["created"] == len(list(all_topics(()))) - 1

    checked = yizhan("topics", "check", "--json")
    assert checked.code == Exit.WRONG_TOPICS
    assert checked.json["counts"]["wrong-partitions"] == 1


async def test_a_topic_that_takes_smaller_records_is_wrong(
    yizhan: Yizhan, kafka_url: str, namespace: str
) -> None:
    # A record that the broker refuses poisons its producer for every record after it.
    name = f"{namespace}message.settled.v1"
    await create(kafka_url, NewTopic(name, 6, 1, topic_configs={"max.message.bytes": "10000"}))
    applied = yizhan("topics", "apply")
    assert applied.code == Exit.WRONG_TOPICS
    assert "max.message.bytes is 10000, declared 1048588" in applied.err


async def test_an_operators_own_retention_is_told_and_left_alone(
    yizhan: Yizhan, kafka_url: str, namespace: str
) -> None:
    name = f"{namespace}shipment.updated.v1"
    await create(kafka_url, NewTopic(name, 6, 1, topic_configs={"retention.ms": "3600000"}))
    applied = yizhan("topics", "apply", "--json")
    assert applied.code == 0
    [topic] = [one for one in applied.json["topics"] if one["name"] == name]
    assert "retention.ms is 3600000, declared 604800000" in topic["differs"]
    assert topic["state"] == "present"


def test_namespaces_do_not_see_each_other(yizhan: Yizhan, namespace: str) -> None:
    assert yizhan("topics", "apply").code == 0
    other = f"{namespace[:-1]}-other."
    checked = yizhan("topics", "check", "--namespace", other, "--json")
    assert checked.code == Exit.NOT_FOUND
    assert set(checked.json["counts"]) == {"missing"}
