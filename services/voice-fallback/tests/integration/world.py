"""The whole service on real Kafka and MongoDB, the simulated provider and a ledger over HTTP."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr
from pymongo import MongoClient

from voice_fallback.app import build
from voice_fallback.settings import VoiceSettings
from yizhan_contracts import ids, topics
from yizhan_contracts.events import Event, VoiceFinished, VoiceRequested
from yizhan_contracts.reasons import Reason
from yizhan_runtime import RuntimeSettings, Service
from yizhan_runtime.http import make_server
from yizhan_runtime.publisher import Publisher

SECRETS = {"SECRET": "the-secret", "TOKEN": "the-token"}
INTERNAL = "internal"


class Simulators:
    """The simulators' own process."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def set(self, **behaviour: Any) -> None:
        url = f"{self.url}/control/providers/vox"
        async with self._http.put(url, json=behaviour) as response:
            assert response.status == 200, await response.text()

    async def records(self) -> dict[str, Any]:
        async with self._http.get(f"{self.url}/records/providers/vox?detail=1") as response:
            found: dict[str, Any] = await response.json()
            return found


@asynccontextmanager
async def simulators() -> AsyncIterator[Simulators]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "yizhan_simulators", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        async with aiohttp.ClientSession() as http:
            yield Simulators(said["url"], http)
    finally:
        process.terminate()
        await process.wait()


class Ledger:
    """receipts' one route, as it speaks."""

    def __init__(self) -> None:
        self.url = ""
        self.settled: set[str] = set()
        self.asked: list[str] = []
        self.is_away = False

    async def handle(self, request: web.Request) -> web.Response:
        message_id = request.match_info["message_id"]
        self.asked.append(message_id)
        assert request.headers["Authorization"] == f"Bearer {INTERNAL}"
        if self.is_away:
            return web.json_response({"detail": "the ledger cannot be read now"}, status=503)
        if message_id in self.settled:
            return web.json_response({"open": False, "status": "delivered"})
        return web.json_response({"open": True, "status": None})


@asynccontextmanager
async def ledger() -> AsyncIterator[Ledger]:
    one = Ledger()
    app = web.Application()
    app.router.add_get("/internal/v1/messages/{message_id}/state", one.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


class World:
    """One test's corner of Kafka and MongoDB."""

    def __init__(
        self, kafka_url: str, mongo_url: str, namespace: str, folder: Path, stack: AsyncExitStack
    ) -> None:
        self._kafka_url = kafka_url
        self._mongo_url = mongo_url
        self._namespace = namespace
        self._folder = folder
        self._stack = stack
        self.publisher: Publisher

    async def begin(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka_url)
        await admin.start()
        try:
            await admin.create_topics(
                [
                    NewTopic(self._namespace + topic.name, topic.partitions, 1)
                    for topic in topics.all_topics(())
                ]
            )
        finally:
            await admin.close()
        settings = RuntimeSettings(kafka_url=self._kafka_url, namespace=self._namespace)
        self.publisher = Service("test", settings).publisher
        await self.publisher.start()
        self._stack.push_async_callback(self.publisher.stop)

    def environment(self, sims: Simulators, asked: Ledger, port: int) -> dict[str, str]:
        """What a process of the service is told."""
        path = self._folder / "voice.yaml"
        path.write_text(
            f"""
max_rings: 2
ring_again_after_s: 0.2
providers:
  - name: vox
    url: {sims.url}/vox
    secret_ref: SECRET
    webhook_token_ref: TOKEN
    ring_timeout_s: 3
    report_timeout_s: 2
    max_concurrent: 50
"""
        )
        return {
            **SECRETS,
            "YIZHAN_KAFKA_URL": self._kafka_url,
            "YIZHAN_MONGO_URL": self._mongo_url,
            "YIZHAN_NAMESPACE": self._namespace,
            "YIZHAN_HTTP_PORT": str(port),
            "YIZHAN_INTERNAL_TOKEN": INTERNAL,
            "YIZHAN_VOICE_PROVIDERS_FILE": str(path),
            "YIZHAN_VOICE_RECEIPTS_URL": asked.url,
            "YIZHAN_VOICE_CALLBACK_URL": f"http://127.0.0.1:{port}",
        }

    @asynccontextmanager
    async def voice(self, sims: Simulators, asked: Ledger) -> AsyncIterator[Service]:
        """Run the service with its HTTP edge on a free port."""
        told = self.environment(sims, asked, free_port())
        settings = VoiceSettings(
            kafka_url=self._kafka_url,
            mongo_url=SecretStr(self._mongo_url),
            namespace=self._namespace,
            http_port=int(told["YIZHAN_HTTP_PORT"]),
            internal_token=SecretStr(INTERNAL),
            voice_providers_file=Path(told["YIZHAN_VOICE_PROVIDERS_FILE"]),
            voice_receipts_url=asked.url,
            voice_callback_url=told["YIZHAN_VOICE_CALLBACK_URL"],
            drain_timeout_s=8.0,
        )
        service = build(settings, environment=SECRETS)
        server = make_server(service.http, settings)
        serving = asyncio.ensure_future(server.serve())
        await service.start()
        try:
            yield service
        finally:
            await service.stop()
            server.should_exit = True
            await serving

    async def publish(self, events: Sequence[Event]) -> None:
        await self.publisher.publish(events)

    async def finished(self, count: int, timeout_s: float = 30) -> list[VoiceFinished]:
        """Read what became of calls until there are so many."""
        async with asyncio.timeout(timeout_s):
            while len(found := await self.read()) < count:
                await asyncio.sleep(0.2)
        return found

    async def read(self) -> list[VoiceFinished]:
        consumer = AIOKafkaConsumer(
            self._namespace + VoiceFinished.TOPIC,
            bootstrap_servers=self._kafka_url,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            tps = consumer.assignment()
            ends = await consumer.end_offsets(tps)
            found: list[Any] = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                fetched = await consumer.getmany(timeout_ms=300)
                found += [record for records in fetched.values() for record in records]
        finally:
            await consumer.stop()
        return [VoiceFinished.model_validate_json(record.value) for record in found]

    def documents(self) -> set[str]:
        name = f"{self._namespace}voice-fallback".replace(".", "_").replace("-", "_")
        with MongoClient[dict[str, Any]](self._mongo_url) as client:
            return {str(document["_id"]) for document in client[name]["calls"].find()}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def requests(count: int, *, wait_s: float = 120) -> list[VoiceRequested]:
    now = datetime.now(UTC)
    numbers = [f"+86138{number:08d}" for number in range(count)]
    return [
        VoiceRequested(
            message_id=ids.new_message_id(number, int(now.timestamp() * 1000)),
            account_id="demo",
            recipient=number,
            country="CN",
            language="zh",
            script="您的包裹已送达。",
            reason=Reason.NUMBER_SUSPENDED,
            sms_failed=True,
            wait_until=now + timedelta(seconds=wait_s),
            requested_at=now,
        )
        for number in numbers
    ]
