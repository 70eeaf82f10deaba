"""Ingest in this process on the run's real Kafka and MongoDB, and the means to feed and read it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.making import ACCOUNTS, AUTHORIZATION

from ingest.app import ALL, Role, build
from ingest.settings import IngestSettings
from yizhan_contracts import topics
from yizhan_contracts.events import MessageAccepted, ShipmentAnswered
from yizhan_contracts.topics import Topic
from yizhan_runtime.service import Service

ANSWERED = topics.SHIPMENT_ANSWERED.name
UPDATED = topics.SHIPMENT_UPDATED.name
ACCEPTED = tuple(topic.name for topic in topics.MESSAGE_ACCEPTED)
DLQ = topics.dlq_topic("ingest").name


class Corner:
    """One test's corner of the servers; what it starts ends with it."""

    def __init__(self, settings: IngestSettings, stack: AsyncExitStack) -> None:
        self.settings = settings
        self._stack = stack
        self._producer: AIOKafkaProducer | None = None

    async def provision(self, wanted: Collection[Topic]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_url)
        await admin.start()
        try:
            prefix = self.settings.namespace
            await admin.create_topics([NewTopic(prefix + t.name, t.partitions, 1) for t in wanted])
        finally:
            await admin.close()

    async def start(self, roles: Collection[Role] = ALL) -> Service:
        """Start ingest without its socket; requests go straight to the application."""
        service = build(self.settings, roles=roles)
        await service.start()
        self._stack.push_async_callback(service.stop)
        return service

    async def send(
        self,
        values: Sequence[dict[str, Any] | bytes | None],
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """Write shipment events as upstream does: keyed by shipment where they have one."""
        if self._producer is None:
            self._producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka_url, acks="all")
            await self._producer.start()
            self._stack.push_async_callback(self._producer.stop)
        for value in values:
            is_event = isinstance(value, dict)
            body = json.dumps(value).encode() if is_event else value
            key = value.get("shipment_id", "").encode() if isinstance(value, dict) else b"garbage"
            await self._producer.send(
                self.settings.namespace + UPDATED, body, key=key, headers=list(headers)
            )
        await self._producer.flush()

    async def read(self, *names: str) -> list[Any]:
        """Read everything that stands in topics now."""
        consumer = AIOKafkaConsumer(
            *(self.settings.namespace + name for name in names),
            bootstrap_servers=self.settings.kafka_url,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            partitions = consumer.assignment()
            ends = await consumer.end_offsets(partitions)
            found: list[Any] = []
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                fetched = await consumer.getmany(timeout_ms=500)
                found.extend(record for records in fetched.values() for record in records)
            return found
        finally:
            await consumer.stop()

    async def answers(self) -> list[ShipmentAnswered]:
        records = await self.read(ANSWERED)
        return [ShipmentAnswered.model_validate_json(record.value) for record in records]

    async def messages(self) -> list[MessageAccepted]:
        records = await self.read(*ACCEPTED)
        return [MessageAccepted.model_validate_json(record.value) for record in records]

    async def until_answered(self, events: int, timeout_s: float = 60) -> None:
        """Wait until so many different events have their answer."""
        async with asyncio.timeout(timeout_s):
            while len({answer.event_id for answer in await self.answers()}) < events:
                await asyncio.sleep(0.5)

    async def answered(self, count: int) -> list[ShipmentAnswered]:
        return await until(self.answers, count)


async def until(
    read: Callable[[], Awaitable[list[Any]]], count: int, timeout_s: float = 30
) -> list[Any]:
    """Read until there are so many; gives what there is."""
    found: list[Any] = []
    async with asyncio.timeout(timeout_s):
        while len(found) < count:
            found = await read()
            await asyncio.sleep(0.1)
    return found


async def post(service: Service, body: dict[str, Any], key: str | None = None) -> Reply:
    headers = {"Authorization": AUTHORIZATION} | ({"Idempotency-Key": key} if key else {})
    given = json.dumps(body).encode()
    return await call(service.http, "POST", "/v1/messages", headers=headers, body=given)


@pytest.fixture
async def corner(
    kafka_url: str, mongo_url: str, namespace: str, tmp_path: Path
) -> AsyncIterator[Corner]:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNTS, encoding="utf-8")
    settings = IngestSettings(
        kafka_url=kafka_url,
        mongo_url=SecretStr(mongo_url),
        namespace=namespace,
        ingest_accounts_file=accounts,
        internal_token=SecretStr("the-operators-token"),
        drain_timeout_s=5.0,
    )
    async with AsyncExitStack() as stack:
        corner = Corner(settings, stack)
        retries = [topics.retry_topic("ingest", delay) for delay in topics.RETRY_DELAYS_S]
        await corner.provision(
            [
                topics.SHIPMENT_UPDATED,
                topics.REPLY_RECEIVED,
                topics.SHIPMENT_ANSWERED,
                topics.HOLD_CHANGED,
                topics.ACCOUNT_NOTIFIED,
                topics.BATCH_CLOSED,
                topics.MESSAGE_SETTLED,
                *topics.MESSAGE_ACCEPTED,
                *retries,
                topics.dlq_topic("ingest"),
            ]
        )
        yield corner
