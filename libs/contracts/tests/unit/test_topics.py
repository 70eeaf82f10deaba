"""The registry: whole, without contradictions, and every event has its place in it."""

import itertools
import re

import pytest

from yizhan_contracts import ids, topics
from yizhan_contracts.events import EVENTS, NO_CHANNEL, AttemptPlanned, Lane, MessageAccepted
from yizhan_contracts.topics import Service, Topic

from .golden import load

CHANNELS = ("acme-eu", "dragon-cn")
ALL = list(topics.all_topics(CHANNELS))
BY_NAME = {topic.name: topic for topic in ALL}
OUTSIDE = {topics.UPSTREAM, topics.ANYONE, topics.OPERATORS}


def test_names_are_unique_and_kafka_takes_them() -> None:
    assert len(BY_NAME) == len(ALL)
    for name in BY_NAME:
        assert re.fullmatch(r"[a-z0-9.-]{1,200}", name), name


def test_every_event_has_a_topic_and_no_topic_a_strange_event() -> None:
    assert {topic.event for topic in ALL if topic.event} == set(EVENTS)
    for topic in ALL:
        if topic.event:
            assert topic.name.startswith(topic.event.TOPIC)


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_producers_and_consumers_are_known(topic: Topic) -> None:
    known = OUTSIDE | set(Service)
    assert topic.producers
    assert topic.consumers
    assert {*topic.producers, *topic.consumers} <= known


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_a_topic_says_how_it_is_kept(topic: Topic) -> None:
    config = topic.config()
    assert topic.partitions >= 1
    assert topic.summary.endswith(".")
    assert topic.max_message_bytes >= 1_048_588
    assert config["max.message.bytes"] == str(topic.max_message_bytes)
    assert config["retention.ms"] == str(topic.retention_ms)
    assert ("compact" in config["cleanup.policy"]) == topic.compacted
    if not topic.compacted:
        assert topic.retention_ms >= 3 * topics.DAY_MS, "the longest validity"


def test_tables_are_compacted_in_one_partition_and_kept() -> None:
    for topic in (topics.CHANNEL_CONFIGURED, topics.HOLD_CHANGED):
        assert topic.partitions == 1
        assert topic.config()["cleanup.policy"] == "compact"


def test_reports_of_instances_long_gone_are_dropped() -> None:
    for topic in (topics.CHANNEL_REPORTED, topics.DELIVERY_REPORTED):
        assert topic.config()["cleanup.policy"] == "compact,delete"
        assert topic.retention_ms > 0


def test_a_compacted_topic_is_compacted_soon() -> None:
    # Kafka leaves the open segment alone; by default it stays open for a week.
    for topic in ALL:
        if topic.compacted:
            assert int(topic.config()["segment.ms"]) <= topics.HOUR_MS


@pytest.mark.parametrize("service", Service)
def test_every_service_has_its_retries_and_its_dlq(service: Service) -> None:
    retries = {f"{service}.retry.{delay}" for delay in topics.RETRY_DELAYS_S}
    assert {f"{service}.dlq", *retries} <= BY_NAME.keys()
    dlq = BY_NAME[f"{service}.dlq"]
    assert dlq.retention_ms > max(BY_NAME[name].retention_ms for name in retries)
    assert dlq.max_message_bytes > topics.MAX_RECORD_BYTES, "an oversized record must fit in"


@pytest.mark.parametrize("service", Service)
def test_every_service_reads_something(service: Service) -> None:
    assert any(service in topic.consumers for topic in ALL if topic.event)


def test_every_channel_has_its_lanes_and_none_is_among_them() -> None:
    for channel, lane in itertools.product((*CHANNELS, NO_CHANNEL), Lane):
        assert f"attempt.planned.v1.{channel}.{lane}" in BY_NAME
    assert list(topics.all_topics(())) == list(topics.all_topics([NO_CHANNEL]))


def test_only_upstream_writes_what_may_be_anything() -> None:
    assert [topic for topic in ALL if topic.foreign] == [topics.SHIPMENT_UPDATED]


def test_partition_counts_are_found_by_name() -> None:
    for topic in ALL:
        assert topics.partitions_of(topic.name) == topic.partitions


@pytest.mark.parametrize(
    "name",
    ["", "unknown.v1", "attempt.planned.v1", "attempt.planned.v1.x", "attempt.planned.v1.x.slow"],
)
def test_an_unknown_topic_has_no_partitions(name: str) -> None:
    with pytest.raises(KeyError):
        topics.partitions_of(name)


def test_an_attempt_is_placed_by_channel_lane_and_shard() -> None:
    planned = AttemptPlanned.model_validate(load(AttemptPlanned, "first-attempt-france"))
    address = topics.address_of(planned)
    assert address.topic == "attempt.planned.v1.acme-eu.standard"
    shard = ids.shard_of(planned.message.message_id)
    assert address.partition == shard % topics.CHANNEL_PARTITIONS
    assert address.key == ids.key_of_shard(shard)


def test_a_message_is_placed_by_lane_and_shard() -> None:
    message = MessageAccepted.model_validate(load(MessageAccepted, "exam-score-china"))
    address = topics.address_of(message)
    assert address.topic == "message.accepted.v1.bulk"
    assert address.partition == ids.shard_of(message.message_id) % topics.PARTITIONS


def test_every_topic_is_in_the_documents_once() -> None:
    patterns = [
        re.compile(re.sub(r"\\{\w+\\}", r"[a-z0-9-]+", re.escape(one.name)))
        for one in (*topics.SINGLE, *topics.FAMILIES)
    ]
    for name in BY_NAME:
        assert sum(bool(pattern.fullmatch(name)) for pattern in patterns) == 1, name
