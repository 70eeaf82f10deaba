"""The whole service on real Kafka and MongoDB, and the simulated carriers over real HTTP."""

import asyncio
import json
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr
from pymongo import MongoClient

from carrier_adapter.app import build
from carrier_adapter.settings import AdapterSettings
from yizhan_contracts import ids, topics
from yizhan_contracts.events import (
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
    SmppOptions,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime import RuntimeSettings, Service
from yizhan_runtime.http import make_server
from yizhan_runtime.publisher import Publisher

SECRETS = {"SECRET_A": "the-secret", "TOKEN_A": "the-token"}


def now() -> datetime:
    return datetime.now(UTC)


class Simulators:
    """The simulators' own process."""

    def __init__(self, url: str, smpp_port: int, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.smpp_url = f"smpp://127.0.0.1:{smpp_port}"
        self._http = http

    async def set(self, carrier: str, **behaviour: Any) -> None:
        url = f"{self.url}/control/carriers/{carrier}"
        async with self._http.put(url, json=behaviour) as response:
            assert response.status == 200, await response.text()

    async def cut(self, carrier: str) -> None:
        """Break off every bind of a carrier."""
        async with self._http.post(f"{self.url}/control/carriers/{carrier}/cut") as response:
            assert response.status == 200, await response.text()

    async def replies(self, carrier: str, sender: str, text: str) -> None:
        """Have a recipient write."""
        url = f"{self.url}/control/carriers/{carrier}/replies"
        body = {"from": sender, "to": "72345", "text": text}
        async with self._http.post(url, json=body) as response:
            assert response.status < 300, await response.text()

    async def reply(self, carrier: str, **what: str) -> None:
        """Have a recipient write."""
        url = f"{self.url}/control/carriers/{carrier}/replies"
        async with self._http.post(url, json=what) as response:
            assert response.status < 300, await response.text()

    async def records(self, carrier: str) -> dict[str, Any]:
        async with self._http.get(f"{self.url}/records/carriers/{carrier}") as response:
            found: dict[str, Any] = await response.json()
            return found


@asynccontextmanager
async def simulators() -> AsyncIterator[Simulators]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "yizhan_simulators", "--port", "0", "--smpp-port", "0"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        async with aiohttp.ClientSession() as http:
            yield Simulators(said["url"], said["smpp"], http)
    finally:
        process.terminate()
        await process.wait()


class World:
    """One test's corner of Kafka and MongoDB."""

    def __init__(
        self, kafka_url: str, mongo_url: str, namespace: str, stack: AsyncExitStack
    ) -> None:
        self._kafka_url = kafka_url
        self._mongo_url = mongo_url
        self._namespace = namespace
        self._stack = stack
        self.publisher: Publisher

    def settings(self, **values: Any) -> AdapterSettings:
        return AdapterSettings(
            kafka_url=self._kafka_url,
            mongo_url=SecretStr(self._mongo_url),
            namespace=self._namespace,
            **{"drain_timeout_s": 5.0, **values},
        )

    async def begin(self, *channels: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka_url)
        await admin.start()
        try:
            await admin.create_topics(
                [
                    NewTopic(self._namespace + topic.name, topic.partitions, 1)
                    for topic in topics.all_topics(channels)
                ]
            )
        finally:
            await admin.close()
        quiet = Service(
            "test", RuntimeSettings(kafka_url=self._kafka_url, namespace=self._namespace)
        )
        self.publisher = quiet.publisher
        await self.publisher.start()
        self._stack.push_async_callback(self.publisher.stop)

    async def publish(self, events: Sequence[Event]) -> None:
        await self.publisher.publish(events)

    @asynccontextmanager
    async def adapter(self, **values: Any) -> AsyncIterator[Service]:
        """Run the service with its HTTP edge on a free port."""
        port = free_port()
        settings = self.settings(
            http_port=port, adapter_callback_url=f"http://127.0.0.1:{port}", **values
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

    async def read(self, model: type[Any]) -> list[Any]:
        """Give everything that stands in an event's topic now."""
        consumer = AIOKafkaConsumer(
            self._namespace + model.TOPIC,
            bootstrap_servers=self._kafka_url,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            tps = consumer.assignment()
            ends = await consumer.end_offsets(tps)
            found = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                fetched = await consumer.getmany(timeout_ms=300)
                found += [record for records in fetched.values() for record in records]
        finally:
            await consumer.stop()
        return [model.model_validate_json(record.value) for record in found if record.value]

    async def until(self, model: type[Any], count: int, timeout_s: float = 30) -> list[Any]:
        """Read an event's topic until there are so many."""
        async with asyncio.timeout(timeout_s):
            while len(found := await self.read(model)) < count:
                await asyncio.sleep(0.2)
        return found

    def documents(self, collection: str) -> list[dict[str, Any]]:
        name = f"{self._namespace}carrier-adapter".replace(".", "_").replace("-", "_")
        with MongoClient[dict[str, Any]](self._mongo_url) as client:
            return list(client[name][collection].find())

    async def committed(self) -> int:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka_url)
        await admin.start()
        try:
            group = self._namespace + topics.Service.CARRIER_ADAPTER
            offsets = await admin.list_consumer_group_offsets(group)
        finally:
            await admin.close()
        return sum(at.offset for at in offsets.values() if at.offset > 0)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def configured(name: str, url: str, **values: Any) -> ChannelConfigured:
    return ChannelConfigured.model_validate(
        {
            "channel": name,
            "carrier": name,
            "carrier_account": f"account-{name}",
            "protocol": Protocol.HTTP_JSON,
            "url": f"{url}/{name}",
            "secret_ref": "SECRET_A",
            "webhook_token_ref": "TOKEN_A",
            "countries": {"*": CountryRoute()},
            "tps": 5_000.0,
            "window": 500,
            "batch_max": 50,
            "submit_timeout_s": 3.0,
            "configured_at": now(),
            **values,
        }
    )


def over_smpp(name: str, sims: Simulators, **values: Any) -> ChannelConfigured:
    options = SmppOptions(system_id=name, reference_tag=0x1400)
    smpp = {"protocol": Protocol.SMPP, "smpp": options, "batch_max": 100, **values}
    return configured(name, sims.url, **smpp).model_copy(update={"url": sims.smpp_url})


def plans(count: int, channel: str, **values: Any) -> list[AttemptPlanned]:
    lanes = list(Lane)
    return [_plan(number, channel, lanes[number % 3], **values) for number in range(count)]


def _plan(
    number: int,
    channel: str,
    lane: Lane,
    *,
    valid_for_s: float = 600,
    reason: Reason = Reason.NONE,
    batch_id: str = "",
) -> AttemptPlanned:
    recipient = f"+336{number:08d}"
    at = now()
    message = MessageAccepted(
        message_id=ids.new_message_id(recipient, int(at.timestamp() * 1000)),
        account_id="demo",
        lane=lane,
        recipient=recipient,
        country="FR",
        sender="YIZHAN",
        text="Votre colis est arrivé. 您的包裹已送达。",
        charging_num=1,
        policy=Policy(),
        origin=Origin(kind=OriginKind.API, arrived_at=at, batch_id=batch_id),
        accepted_at=at,
        valid_until=at + timedelta(seconds=valid_for_s),
    )
    return AttemptPlanned(
        attempt_id=ids.attempt_id(message.message_id, 1),
        n=1,
        channel=channel,
        message=message,
        decision=Decision(why="test"),
        reason=reason,
        planned_at=at,
    )


def count(found: Iterable[Any]) -> Counter[str]:
    return Counter(one.outcome.value for one in found)
