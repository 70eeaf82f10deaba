"""A router on the real Kafka of the run, with the test as every one of its neighbours."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from router.app import build
from router.settings import RouterSettings
from yizhan_contracts.events import AttemptPlanned, ChannelConfigured, Event
from yizhan_contracts.topics import CHANNEL_CONFIGURED, address_of, all_topics
from yizhan_runtime.http import make_server
from yizhan_runtime.publisher import to_json
from yizhan_runtime.service import Service

WITHIN_S = 20.0
TOKEN = "let me in"
E = TypeVar("E", bound=Event)


class Stage:
    """One test's corner of Kafka."""

    def __init__(
        self, kafka_url: str, namespace: str, file: Path, producer: AIOKafkaProducer
    ) -> None:
        self.kafka_url = kafka_url
        self.namespace = namespace
        self.file = file
        self._producer = producer

    def settings(self) -> RouterSettings:
        return RouterSettings(
            kafka_url=self.kafka_url,
            namespace=self.namespace,
            router_channels_file=self.file,
            router_reload_s=0.2,
            internal_token=SecretStr(TOKEN),
            drain_timeout_s=5.0,
        )

    def write_table(self, *names: str, **values: object) -> None:
        lines = "".join(f", {key}: {value}" for key, value in values.items())
        self.file.write_text(
            "channels:\n"
            + "".join(
                f"  - {{ channel: {name}, carrier: {name}, carrier_account: {name}, protocol: "
                f"http-json, url: 'http://127.0.0.1:9/{name}'{lines}, countries: "
                f"{{ '*': {{ price: 0.1, priority: {10 + at} }} }} }}\n"
                for at, name in enumerate(names)
            )
        )

    async def provision(self, *channels: str, fresh: bool = True) -> None:
        topics = list(all_topics(channels))
        if not fresh:
            topics = [topic for topic in topics if any(f".{c}." in topic.name for c in channels)]
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka_url)
        await admin.start()
        try:
            await admin.create_topics(
                [NewTopic(self.namespace + topic.name, topic.partitions, 1) for topic in topics]
            )
        finally:
            await admin.close()

    @asynccontextmanager
    async def router(self) -> AsyncIterator[Service]:
        service = build(self.settings(), environ={})
        try:
            await service.start()
            yield service
        finally:
            await service.stop()

    @asynccontextmanager
    async def http(self, service: Service) -> AsyncIterator[str]:
        """Serve a router's HTTP edge; gives its address."""
        server = make_server(service.http, self.settings())
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.create_task(server.serve([listening]))
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving

    async def send(self, *events: Event) -> None:
        for event in events:
            at = address_of(event)
            await self._producer.send(
                self.namespace + at.topic, to_json(event), at.key, at.partition
            )
        await self._producer.flush()

    async def send_raw(self, topic: str, value: bytes | None) -> None:
        await self._producer.send_and_wait(self.namespace + topic, value, b"0000")

    async def plans(
        self, *channels: str, until: Callable[[list[AttemptPlanned]], bool]
    ) -> list[AttemptPlanned]:
        names = [topic.name for topic in all_topics(channels) if topic.event is AttemptPlanned]
        return await self._read(AttemptPlanned, names, until)

    async def configured(
        self, until: Callable[[dict[str, ChannelConfigured | None]], bool]
    ) -> dict[str, ChannelConfigured | None]:
        """Read the compacted table until it is as it should be."""
        table: dict[str, ChannelConfigured | None] = {}
        async for key, value in self._records([CHANNEL_CONFIGURED.name]):
            table[key.decode()] = (
                ChannelConfigured.model_validate_json(value) if value is not None else None
            )
            if until(table):
                break
        return table

    async def _read(
        self, model: type[E], names: Iterable[str], until: Callable[[list[E]], bool]
    ) -> list[E]:
        found: list[E] = []
        async for _, value in self._records(names):
            found.append(model.model_validate_json(value or b""))
            if until(found):
                break
        return found

    async def _records(self, names: Iterable[str]) -> AsyncIterator[tuple[bytes, bytes | None]]:
        consumer = AIOKafkaConsumer(
            *(self.namespace + name for name in names),
            bootstrap_servers=self.kafka_url,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            async with asyncio.timeout(WITHIN_S):
                async for record in consumer:
                    yield record.key or b"", record.value
        finally:
            await consumer.stop()


@asynccontextmanager
async def open_stage(kafka_url: str, namespace: str, folder: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(bootstrap_servers=kafka_url, acks="all")
        await producer.start()
        stack.push_async_callback(producer.stop)
        yield Stage(kafka_url, namespace, folder / "channels.yaml", producer)
