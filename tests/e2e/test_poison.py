"""What cannot be read is set aside with its original bytes, and blocks nothing."""

import json
from functools import partial

import pytest

from tests.support.records import Record, dead_letter
from tests.support.world import World
from yizhan_contracts.events import Answer, Status
from yizhan_contracts.topics import (
    ATTEMPT_FINISHED,
    MESSAGE_SETTLED,
    RECEIPT_RECEIVED,
    SHIPMENT_UPDATED,
    VOICE_REQUESTED,
    attempt_planned,
    message_accepted,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="session")]

GARBAGE = b"\xff\xfe\x00 not json \x80"
NULL_HEADER = ("trace", None)
BAD_HEADER = ("trace", b"\xff\xfe\xfd")
PLANNED = attempt_planned("borealis-eu", "standard").name

INTERNAL = {
    message_accepted("standard").name: {"router", "receipts"},
    PLANNED: {"carrier-adapter"},
    ATTEMPT_FINISHED.name: {"receipts", "router"},
    RECEIPT_RECEIVED.name: {"receipts"},
    MESSAGE_SETTLED.name: {"receipts"},
    VOICE_REQUESTED.name: {"voice-fallback", "receipts"},
}


@pytest.mark.parametrize("topic", INTERNAL)
async def test_poison_on_an_internal_topic_is_set_aside_and_blocks_nothing(
    world: World, topic: str
) -> None:
    """In every partition: garbage with broken headers, and a tombstone."""
    name = world.namespace + topic
    partitions = await world.producer.partitions_for(name)
    marks = [f"{topic}-{partition}".encode() for partition in partitions]
    for partition, mark in zip(partitions, marks, strict=True):
        headers = [NULL_HEADER, BAD_HEADER]
        await world.publish(GARBAGE + mark, mark, headers, topic, partition)
        await world.publish(None, mark, (), topic, partition)
    for service in INTERNAL[topic]:
        for mark in marks:
            garbage = await dead_letter(world, service, partial(_is, GARBAGE + mark, mark))
            assert garbage.key == mark
            assert garbage.headers[:2] == (NULL_HEADER, BAD_HEADER)
            assert dict(garbage.headers)["dlq-origin"].decode().startswith(topic)
            await dead_letter(world, service, partial(_is, None, mark))
    await _all_is_well(world)


def _is(value: bytes | None, key: bytes, record: Record) -> bool:
    return bool(record.value == value and record.key == key)


Headers = list[tuple[str, bytes | None]]
FOREIGN: dict[str, tuple[bytes | None, Headers]] = {
    "garbage": (GARBAGE, []),
    "a null header": (GARBAGE, [NULL_HEADER]),
    "a header that is not UTF-8": (GARBAGE, [BAD_HEADER, ("ce_id", b"\xff")]),
    "a tombstone": (None, []),
    "an empty record": (b"", []),
    "no object": (b"[]", []),
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_poison_from_upstream_is_answered_and_set_aside(world: World, what: str) -> None:
    value, headers = FOREIGN[what]
    shipment = f"POISON-{what.replace(' ', '-')}"
    await world.publish(value, shipment.encode(), headers)
    answer = await world.answer(shipment)
    assert (answer.answer, answer.code) == (Answer.REJECTED, "malformed")
    kept = await dead_letter(world, "ingest", lambda r: r.key == shipment.encode())
    assert kept.value == value
    assert kept.headers[: len(headers)] == tuple(headers)


async def test_a_header_that_means_nothing_to_us_costs_nobody_his_message(world: World) -> None:
    event = world.event(world.number("DE"))
    key = event["shipment_id"].encode()
    await world.publish(json.dumps(event).encode(), key, [NULL_HEADER, BAD_HEADER])
    message_id = (await world.answer(event["shipment_id"])).messages[0].message_id
    assert message_id
    assert (await world.settled(message_id)).status is Status.DELIVERED


async def test_the_largest_record_that_kafka_takes_is_set_aside_and_blocks_nothing(
    world: World,
) -> None:
    large = b"x" * 1_048_000
    await world.publish(large, b"LARGE")
    assert (await world.answer("LARGE")).code == "malformed"
    kept = await dead_letter(world, "ingest", lambda r: r.key == b"LARGE")
    assert kept.value == large
    topic = ATTEMPT_FINISHED.name
    await world.publish(large, b"LARGE", (), topic, 0)
    for service in INTERNAL[topic]:
        kept = await dead_letter(world, service, lambda r: r.key == b"LARGE")
        assert kept.value == large
    await _all_is_well(world)


async def test_a_large_event_that_can_be_read_is_taken(world: World) -> None:
    event = world.event(world.number("DE"))
    event["padding"] = "x" * 900_000
    message_id = await world.tell(event)
    assert (await world.settled(message_id)).status is Status.DELIVERED


async def _all_is_well(world: World) -> None:
    """An event for each shard there may be goes all the way."""
    event = world.event(world.number("DE"))
    event["recipients"] = [{"phone": world.number("DE"), "language": "de"} for _ in range(20)]
    await world.publish(json.dumps(event).encode(), event["shipment_id"].encode())
    answer = await world.answer(event["shipment_id"])
    ids = [m.message_id for m in answer.messages if m.message_id]
    assert len(ids) >= 19, answer
    for message_id in ids:
        assert (await world.settled(message_id)).status is Status.DELIVERED
        await world.pushed(message_id)
    assert SHIPMENT_UPDATED.name not in world.topics.unreadable
