"""Receipts in this process, on the Kafka and MongoDB of the run, with a customer on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from services.receipts.tests.unit.asking import ask_app

from receipts.app import build
from receipts.settings import ReceiptsSettings
from yizhan_contracts.events import Event
from yizhan_contracts.topics import all_topics
from yizhan_runtime import Mongo, RuntimeSettings, Service, SystemClock
from yizhan_runtime.metrics import RuntimeMetrics

TOKEN = "a-token-for-tests"


class Customer:
    """A receiver of pushes that can be told to misbehave."""

    def __init__(self) -> None:
        self.bodies: list[list[dict[str, str]]] = []
        self.raw: list[tuple[bytes, Mapping[str, str]]] = []
        """Every push of results as it came: its body and headers."""
        self.events: list[dict[str, Any]] = []
        self.resp_code = "00000"
        self.takes_s = 0.0

    async def hear_event(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        return web.Response(status=204)

    async def receive(self, request: web.Request) -> web.Response:
        self.raw.append((await request.read(), request.headers))
        await asyncio.sleep(self.takes_s)
        body = await request.json()
        if self.resp_code == "00000":
            self.bodies.append(body["smsResult"])
        return web.json_response({"respCode": self.resp_code})

    @property
    def heard(self) -> dict[str, list[str]]:
        heard: dict[str, list[str]] = {}
        for body in self.bodies:
            for result in body:
                heard.setdefault(result["smsId"], []).append(result["status"])
        return heard


class Corner:
    """One test's own topics, database and services."""

    def __init__(self, settings: Mapping[str, Any], stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self.customer = Customer()
        self.url = ""
        """The customer's, without a path."""

    def environment(self, **changes: str) -> dict[str, str]:
        """Say the settings to a process of its own."""
        told = {
            f"YIZHAN_{name.upper()}": str(
                value.get_secret_value() if isinstance(value, SecretStr) else value
            )
            for name, value in self._settings.items()
        }
        return told | changes

    async def start(self, **changes: Any) -> Service:
        """Start one more instance of receipts; it is stopped with the test, if not before."""
        service = build(ReceiptsSettings(**(dict(self._settings) | changes)))
        await service.start()
        self._stack.push_async_callback(service.stop)
        return service

    def mongo(self) -> Mongo:
        """Give the database that the instances share; whoever asks closes it."""
        url = self._settings["mongo_url"].get_secret_value()
        name = RuntimeSettings(namespace=self._settings["namespace"]).database("receipts")
        return Mongo(url, name, 10.0, RuntimeMetrics(CollectorRegistry()), SystemClock())

    async def read(self, topic: str) -> list[bytes]:
        """Everything that stands in a topic now."""
        name = f"{self._settings['namespace']}{topic}"
        consumer = AIOKafkaConsumer(
            name, bootstrap_servers=self._settings["kafka_url"], auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found: list[bytes] = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                fetched = await consumer.getmany(timeout_ms=500)
                found += (record.value for records in fetched.values() for record in records)
            return found
        finally:
            await consumer.stop()


async def provision(kafka_url: str, namespace: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(namespace + topic.name, topic.partitions, 1) for topic in all_topics(())]
        )
    finally:
        await admin.close()


@pytest.fixture
async def corner(
    kafka_url: str, mongo_url: str, namespace: str, tmp_path: Path
) -> AsyncIterator[Corner]:
    await provision(kafka_url, namespace)
    async with AsyncExitStack() as stack:
        file = tmp_path / "endpoints.yaml"
        settings = {
            "kafka_url": kafka_url,
            "mongo_url": SecretStr(mongo_url),
            "namespace": namespace,
            "internal_token": SecretStr(TOKEN),
            "receipts_endpoints_file": file,
            "receipts_vault_keys": SecretStr("material-of-the-test"),
            "receipts_start_grace_s": 0.0,
            "drain_timeout_s": 5.0,
        }
        corner = Corner(settings, stack)
        app = web.Application()
        app.router.add_post("/receipts", corner.customer.receive)
        app.router.add_post("/events", corner.customer.hear_event)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        corner.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        wishes = f"{{url: '{corner.url}/receipts', events_url: '{corner.url}/events'}}"
        file.write_text(f"allow_private: ['127.0.0.0/8']\nendpoints: {{acme: {wishes}}}\n")
        yield corner


async def until(is_so: Callable[[], Awaitable[bool]], within_s: float = 30.0) -> None:
    """Poll until it is so."""
    clock = SystemClock()
    deadline = clock.monotonic() + within_s
    while not await is_so():
        assert clock.monotonic() < deadline, "it did not come to be in time"
        await clock.sleep(0.05)


async def publish(service: Service, *events: Event) -> None:
    await service.publisher.publish(events)


async def count(mongo: Mongo, collection: str, **query: Any) -> int:
    """Count in a collection and in all of its parts."""
    parts = [n for n in await mongo.collection_names() if n.partition(".")[0] == collection]
    return sum([await mongo.count(part, query) for part in parts])


async def ask(
    service: Service, method: str, path: str, body: object = None, token: str = TOKEN
) -> tuple[int, Any]:
    """Ask a service's HTTP edge, without a socket; give status and document."""
    return await ask_app(service.http, method, path, body, token)
