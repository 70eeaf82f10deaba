"""The two ways in: shipment events on Kafka, and one message per HTTP request."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from yizhan_contracts.events import ShipmentUpdated
from yizhan_contracts.topics import MESSAGE_SETTLED

ACCOUNT = "bench"
_STEP_S = 0.02


def shipment_events(
    count: int, run: str, drawn: random.Random, milestone: str = "picked-up"
) -> list[tuple[bytes, bytes, str]]:
    """Make events: key, value, event id. Recipients are German numbers, a million of them."""
    occurred_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    made = []
    for number in range(count):
        shipment = f"B{run}{number:07d}"
        event_id = f"{shipment}-1"
        body = {
            "event_id": event_id,
            "source": "/bench",
            "account_id": ACCOUNT,
            "shipment_id": shipment,
            "milestone": milestone,
            "occurred_at": occurred_at,
            "recipients": [{"phone": f"+4915123{drawn.randrange(10**6):06d}", "language": "de"}],
            "attributes": {"tracking_number": shipment},
        }
        made.append((shipment.encode(), json.dumps(body).encode(), event_id))
    return made


async def publish_events(
    kafka_url: str, namespace: str, events: Sequence[tuple[bytes, bytes, str]], rate: float
) -> dict[str, int]:
    """Publish, at ``rate`` a second or as fast as Kafka takes them (0); give when, by event id."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_url, acks="all", linger_ms=5, compression_type="zstd",
        max_batch_size=131_072,
    )  # fmt: skip
    await producer.start()
    published: dict[str, int] = {}
    topic, begun = namespace + ShipmentUpdated.TOPIC, time.monotonic()
    try:
        for number, (key, value, event_id) in enumerate(events):
            published[event_id] = int(time.time() * 1000)
            await producer.send(topic, value, key)
            ahead_s = (begun + number / rate - time.monotonic()) if rate else 0.0
            if ahead_s > _STEP_S:
                await asyncio.sleep(ahead_s)
        await producer.flush()
    finally:
        await producer.stop()
    return published


@dataclass
class HttpLoad:
    """What a client of the API saw."""

    accepted: int = 0
    refused: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


async def post_messages(
    url: str, key: str, secret: str, count: int, connections: int, drawn: random.Random
) -> HttpLoad:
    """Post one message per request over ``connections`` connections.

    Each as fast as it is answered.
    """
    load = HttpLoad()
    headers = {"Authorization": f"Bearer {key}.{secret}"}
    left = iter(range(count))
    run = f"{drawn.getrandbits(40):010x}"

    async def client(session: aiohttp.ClientSession) -> None:
        for number in left:
            body = {
                "to": f"+4915123{drawn.randrange(10**6):06d}",
                "template": "picked-up",
                "language": "de",
                "variables": {"tracking_number": f"H{run}{number:07d}"},
                "reference": f"{number}",
            }
            begun = time.perf_counter()
            async with session.post(
                f"{url}/v1/messages", json=body, headers={"Idempotency-Key": f"{run}-{number}"}
            ) as answer:
                await answer.read()
            load.seconds.append(time.perf_counter() - begun)
            if answer.status == 202:
                load.accepted += 1
            else:
                load.refused[answer.status] = load.refused.get(answer.status, 0) + 1

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await asyncio.gather(*(client(session) for _ in range(connections)))
    load.seconds.sort()
    return load


class SettledCounter:
    """Counts what settles from now on, by the end offsets of its topic.

    That costs the system nothing.
    """

    def __init__(self, kafka_url: str, namespace: str) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=kafka_url, enable_auto_commit=False)
        self._partitions = [
            TopicPartition(namespace + MESSAGE_SETTLED.name, partition)
            for partition in range(MESSAGE_SETTLED.partitions)
        ]
        self._before = 0

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._before = await self._total()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def wait_for(self, count: int, within_s: float) -> int:
        """Wait until ``count`` have settled; give how many have."""
        deadline = time.monotonic() + within_s
        while (settled := await self._total() - self._before) < count:
            if time.monotonic() > deadline:
                return settled
            await asyncio.sleep(0.1)
        return settled

    async def _total(self) -> int:
        ends = await self._consumer.end_offsets(self._partitions)
        return sum(ends.values())
