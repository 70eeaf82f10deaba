"""A duplicate of any record on any topic changes nothing."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from tests.e2e.configuration import NO_ROUTE
from tests.support.notes import note
from tests.support.records import consumer_of, partitions, read_all
from tests.support.settling import until
from tests.support.world import SERVICES, World
from yizhan_contracts.topics import all_topics

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_duplicate_of_every_record_of_every_topic_changes_nothing(world: World) -> None:
    await _all_kinds_of_messages(world)
    await _nothing_left_to_read(world)
    before = await _state(world)
    copied = await _copy_everything(world)
    assert len(copied) > 20, "most topics hold something"
    await _nothing_left_to_read(world)
    after = await _state(world)
    note(f"{copied.total()} records of {len(copied)} topics copied")
    for what in before:
        assert after[what] == before[what], f"{what} changed"


async def _all_kinds_of_messages(world: World) -> None:
    """Have every topic hold something, whichever tests ran before."""
    await world.ends.carrier(
        "borealis-eu",
        by_country={
            "FR": {"refuse_ratio": 1, "refuse_code": "balance"},
            "IT": {"receipt": {"delivered_ratio": 0, "fail_code": "REJECTD"}},
            "PT": {"lose_answer_ratio": 1},
        },
        receipt={"early_ratio": 0.5, "duplicate_ratio": 0.5, "echo_ref": False},
    )
    await world.ends.carrier(
        "apex-global",
        by_country={"AU": {"receipt": {"delivered_ratio": 0, "fail_code": "UNDELIV"}}},
    )
    countries = ["FR", "IT", "PT", "DE", "ES", NO_ROUTE] * 3
    ids = [await world.send(world.number(country)) for country in countries]
    ids += [await world.tell(world.event(world.number("DE"))) for _ in range(3)]
    held = {"template": "customs-held", "variables": {"tracking_number": "AU1"}}
    ids += [await world.send(world.number("AU"), account="-quick", **held) for _ in range(2)]
    await asyncio.gather(*(world.settled(message_id, within_s=45) for message_id in ids))
    # What was sent at the start, too: see test_waiting.py.
    await asyncio.gather(*(world.settled(message_id, within_s=60) for message_id in world.accepted))
    await world.settled(world.late, revision=2, within_s=60)
    await world.ends.calm()


async def _nothing_left_to_read(world: World) -> None:
    """Wait until every group has read everything, and nothing more is written for a while."""
    tps = await partitions(world, *_topics(world))
    # Reports follow load, not messages.
    told = [tp for tp in tps if not tp.topic.endswith("reported.v1")]
    same, last = 0, None
    admin = AIOKafkaAdminClient(bootstrap_servers=world.stack.servers.kafka_url)
    await admin.start()
    try:
        async with consumer_of(world) as consumer:

            async def is_quiet() -> bool:
                nonlocal same, last
                ends = await consumer.end_offsets(told)
                same, last = (same + 1 if ends == last else 0), ends
                return same >= 6 and not await _lag(admin, consumer, world.namespace)

            await until(is_quiet, "all records read", within_s=60, every_s=0.5)
    finally:
        await admin.close()


async def _lag(
    admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, namespace: str
) -> dict[str, int]:
    """Give what each group has still to read; one that has read nothing of a topic is left out."""
    lag: dict[str, int] = {}
    for group, _ in await admin.list_consumer_groups():
        if group.startswith(namespace):
            committed = await admin.list_consumer_group_offsets(group)
            ends = await consumer.end_offsets(list(committed))
            left = sum(ends[tp] - at.offset for tp, at in committed.items())
            lag |= {group: left} if left else {}
    return lag


def _topics(world: World) -> list[str]:
    return [topic.name for topic in all_topics(world.channels())]


async def _copy_everything(world: World) -> Counter[str]:
    """Write every record once more: its bytes, key and headers, to its own partition, in order."""
    async with consumer_of(world) as consumer:
        records = await read_all(consumer, await partitions(world, *_topics(world)))
    copied: Counter[str] = Counter()
    acknowledged = []
    for r in records:
        if r.key is None and r.value is None:
            continue  # aiokafka cannot write it
        copied[r.topic] += 1
        acknowledged.append(
            await world.producer.send(
                r.topic, r.value, r.key, r.partition, headers=list(r.headers) or None
            )
        )
    await asyncio.gather(*acknowledged)
    return copied


async def _state(world: World) -> dict[str, Any]:
    """All that must stay as it is."""
    customers = ["demo", "demo-sms", "quick", "hold", "tester"]
    settled = {
        message_id: sorted({(s.revision, s.status, s.via, s.reason) for s in said})
        for message_id, said in world.topics.settled.items()
    }
    handed = Counter(one.ref for one in await world.ends.all_handed())
    pushed = {
        sms_id: [(a["status"], a["answer"]) for a in story["arrivals"]]
        for name in customers
        for sms_id, story in (await world.ends.customer(name))["by_sms_id"].items()
    }
    calls = await world.ends.calls("lyra-voice")
    accepted = {
        m for answers in world.topics.answered.values() for a in answers for m in a.messages
    }
    return {
        "what was accepted": {m.message_id for m in accepted},
        "what settled": settled,
        "what carriers were handed": handed,
        "what customers were pushed": pushed,
        "who was called": {ref: len(rings) for ref, rings in calls["by_ref"].items()},
        "services that ended": {name: world.stack.restarts(name) for name in SERVICES},
    }
