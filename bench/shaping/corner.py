"""Carrier-adapters as processes of their own, one simulated carrier, and what both say."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from yizhan_contracts import ids, topics
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptPlanned,
    ChannelConfigured,
    CountryRoute,
    Decision,
    Event,
    Lane,
    MessageAccepted,
    Origin,
    OriginKind,
    Policy,
    Protocol,
)
from yizhan_local.servers import choose_servers
from yizhan_runtime import RuntimeSettings, Service
from yizhan_runtime.publisher import Publisher

CHANNEL = "a"
SECRETS = {"SHAPING_SECRET": secrets.token_hex(8), "SHAPING_TOKEN": secrets.token_hex(8)}
_PUBLISHED_AT_ONCE = 500


class Corner:
    """A namespace of its own, a carrier ``a``, and the channel to it."""

    def __init__(
        self,
        kafka_url: str,
        mongo_url: str,
        simulators_url: str,
        namespace: str,
        publisher: Publisher,
        http: aiohttp.ClientSession,
    ) -> None:
        self._kafka_url = kafka_url
        self._mongo_url = mongo_url
        self._simulators_url = simulators_url
        self._publisher = publisher
        self._http = http
        self.namespace = namespace
        self._adapters: list[asyncio.subprocess.Process] = []
        self._ports: list[int] = []

    async def begin(self, behaviour: Mapping[str, Any], **channel: float) -> None:
        """Configure the carrier and the channel to it."""
        await self._call("PUT", f"/control/carriers/{CHANNEL}", dict(behaviour))
        await self.publish([_configured(f"{self._simulators_url}/{CHANNEL}", channel)])

    async def behave(self, **behaviour: bool) -> None:
        await self._call("PUT", f"/control/carriers/{CHANNEL}", behaviour)

    async def publish(self, events: Sequence[Event]) -> None:
        for at in range(0, len(events), _PUBLISHED_AT_ONCE):
            await self._publisher.publish(events[at : at + _PUBLISHED_AT_ONCE])

    async def start(self, **settings: str) -> asyncio.subprocess.Process:
        """Start one more adapter and wait until it is ready."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            **os.environ,
            **SECRETS,
            "YIZHAN_KAFKA_URL": self._kafka_url,
            "YIZHAN_MONGO_URL": self._mongo_url,
            "YIZHAN_NAMESPACE": self.namespace,
            "YIZHAN_HTTP_PORT": str(port),
            "YIZHAN_ADAPTER_CHANNELS": CHANNEL,
            "YIZHAN_ADAPTER_CALLBACK_URL": f"http://127.0.0.1:{port}",
            "YIZHAN_LOG_LEVEL": "ERROR",
            **settings,
        }
        adapter = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "carrier_adapter", env=environment
        )
        self._adapters.append(adapter)
        self._ports.append(port)
        await until(lambda: self._is_ready(port), 60, 0.2)
        return adapter

    async def channels(self) -> list[dict[str, Any]]:
        """Ask each adapter how the channel stands there."""
        found = []
        for port in self._ports:
            async with self._http.get(f"http://127.0.0.1:{port}/v1/channels") as response:
                found += (await response.json())["channels"]
        return found

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End all adapters."""
        for adapter in self._adapters:
            if adapter.returncode is None:
                adapter.send_signal(how)
        for adapter in self._adapters:
            await adapter.wait()
        self._adapters.clear()
        self._ports.clear()

    async def handed(self) -> int:
        """Count what the carrier was handed, by its own record."""
        found = await self._call("GET", f"/records/carriers/{CHANNEL}")
        return int(found["handed"])

    async def records(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._call("GET", f"/records/carriers/{CHANNEL}?detail=1")
        return found

    async def outcomes(self) -> dict[str, Counter[str]]:
        """Read attempt.finished whole: outcomes by attempt."""
        found: dict[str, Counter[str]] = {}
        consumer = AIOKafkaConsumer(
            self.namespace + topics.ATTEMPT_FINISHED.name,
            bootstrap_servers=self._kafka_url,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=300)).values():
                    for record in records:
                        fact = AttemptFinished.model_validate_json(record.value)
                        found.setdefault(fact.attempt_id, Counter())[fact.outcome.value] += 1
        finally:
            await consumer.stop()
        return found

    async def _is_ready(self, port: int) -> bool:
        try:
            async with self._http.get(f"http://127.0.0.1:{port}/ready") as response:
                return response.status == HTTPStatus.OK
        except aiohttp.ClientError:
            return False

    async def _call(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON
        async with self._http.request(method, self._simulators_url + path, json=body) as response:
            return json.loads(await response.read() or b"{}")


@asynccontextmanager
async def open_corner() -> AsyncIterator[Corner]:
    """Start a simulated carrier, and servers where the environment names none."""
    async with AsyncExitStack() as rest:
        servers = choose_servers()
        await rest.enter_async_context(servers)
        kafka_url, mongo_url = servers.kafka_url, servers.mongo_url
        http = await rest.enter_async_context(aiohttp.ClientSession())
        simulators = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "yizhan_simulators", "--port", "0", stdout=asyncio.subprocess.PIPE
        )
        rest.push_async_callback(simulators.wait)
        rest.callback(simulators.terminate)
        assert simulators.stdout is not None  # noqa: S101
        url = json.loads(await asyncio.wait_for(simulators.stdout.readline(), 20))["url"]
        namespace = f"shaping{secrets.token_hex(3)}."
        await _create_topics(kafka_url, namespace)
        settings = RuntimeSettings(kafka_url=kafka_url, namespace=namespace)
        publisher = Service("bench", settings).publisher
        await publisher.start()
        rest.push_async_callback(publisher.stop)
        corner = Corner(kafka_url, mongo_url, url, namespace, publisher, http)
        rest.push_async_callback(corner.stop, signal.SIGKILL)
        yield corner


async def until(is_so: Callable[[], Awaitable[bool]], within_s: float, pause_s: float) -> None:
    """Wait, ``within_s`` at most."""
    async with asyncio.timeout(within_s):
        while not await is_so():  # noqa: ASYNC110 - it happens in other processes
            await asyncio.sleep(pause_s)


async def _create_topics(kafka_url: str, namespace: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        wanted = topics.all_topics([CHANNEL])
        await admin.create_topics([NewTopic(namespace + t.name, t.partitions, 1) for t in wanted])
    finally:
        await admin.close()


def _configured(url: str, values: Mapping[str, Any]) -> ChannelConfigured:
    return ChannelConfigured.model_validate(
        {
            "channel": CHANNEL,
            "carrier": CHANNEL,
            "carrier_account": CHANNEL,
            "protocol": Protocol.HTTP_JSON,
            "url": url,
            "secret_ref": "SHAPING_SECRET",
            "webhook_token_ref": "SHAPING_TOKEN",
            "countries": {"*": CountryRoute()},
            "configured_at": datetime.now(UTC),
            **values,
        }
    )


def plans(count: int, lane: Lane = Lane.STANDARD) -> list[AttemptPlanned]:
    """Plan messages to as many recipients: they spread over the partitions as real ones do."""
    return [_plan(lane) for _ in range(count)]


def _plan(lane: Lane) -> AttemptPlanned:
    recipient, now = f"+336{secrets.randbelow(10**8):08}", datetime.now(UTC)
    message = MessageAccepted(
        message_id=ids.new_message_id(recipient, int(now.timestamp() * 1000)),
        account_id="bench",
        lane=lane,
        recipient=recipient,
        country="FR",
        sender="YIZHAN",
        text="Votre colis est arrivé.",
        charging_num=1,
        policy=Policy(),
        origin=Origin(kind=OriginKind.API, arrived_at=now),
        accepted_at=now,
        valid_until=now + timedelta(hours=1),
    )
    return AttemptPlanned(
        attempt_id=ids.attempt_id(message.message_id, 1),
        n=1,
        channel=CHANNEL,
        message=message,
        decision=Decision(why="bench"),
        planned_at=now,
    )
