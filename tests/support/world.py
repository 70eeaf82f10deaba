"""A stack that runs, and the ends of it that tests hold in their hands."""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.support.parties import OtherEnds
from tests.support.settling import until
from tests.support.watch import Topics
from yizhan_contracts.events import NO_CHANNEL, MessageSettled, ShipmentAnswered
from yizhan_contracts.topics import SHIPMENT_UPDATED
from yizhan_demo.upstream import SOURCE, number_in
from yizhan_local.servers import Servers
from yizhan_local.stack import Stack

SERVICES = ("ingest", "router", "carrier-adapter", "receipts", "voice-fallback")
CUSTOMERS = ("demo", "demo-sms")


class Response(NamedTuple):
    """What ingest answered to a request."""

    status: int
    body: dict[str, Any]


class World:
    """One stack, with upstream's, the carriers' and the customers' ends of it."""

    def __init__(
        self, stack: Stack, topics: Topics, ends: OtherEnds, producer: AIOKafkaProducer
    ) -> None:
        self.stack = stack
        self.topics = topics
        self.ends = ends
        self.producer = producer
        self.namespace = stack.plan.namespace
        self.posted: dict[str, str] = {}
        """Message ids that ingest answered to requests, by idempotency key."""
        self.dripping: list[str] = []
        self.late = ""
        """Messages that were sent at the start, for whoever waits long."""
        self._http = ends._session
        self._random = random.Random(secrets.randbits(64))

    @property
    def accepted(self) -> set[str]:
        """All message ids that anybody was ever told of."""
        return {*self.topics.accepted, *self.posted.values()}

    def number(self, country: str) -> str:
        """Draw a mobile number of a country."""
        return number_in(country, self._random)

    # Upstream

    def event(self, phone: str, **changes: Any) -> dict[str, Any]:
        """Make a shipment event of a shipment of its own."""
        shipment_id = changes.pop("shipment_id", None) or f"SHP-{secrets.token_hex(6)}"
        body = {
            "event_id": f"{shipment_id}-1",
            "source": SOURCE,
            "account_id": "demo-sms",
            "shipment_id": shipment_id,
            "milestone": "picked-up",
            "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "recipients": [{"phone": phone, "language": "en"}],
            "attributes": {"tracking_number": shipment_id.replace("-", "")},
        }
        return body | changes

    async def publish(
        self,
        value: bytes | None,
        key: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] = (),
        topic: str = SHIPMENT_UPDATED.name,
        partition: int | None = None,
    ) -> None:
        """Write a record, again until Kafka has acknowledged it."""
        while True:
            try:
                await self.producer.send_and_wait(
                    self.namespace + topic, value, key, partition, headers=list(headers) or None
                )
            except KafkaError:
                await asyncio.sleep(0.2)
            else:
                return

    async def tell(self, event: Mapping[str, Any]) -> str:
        """Publish an event that is to be accepted, and give the id of its one message."""
        await self.publish(json.dumps(event).encode(), event["shipment_id"].encode())
        answer = await self.answer(event["shipment_id"], event["event_id"])
        (message,) = answer.messages
        assert message.message_id is not None, answer
        return message.message_id

    async def answer(self, shipment_id: str, event_id: str = "") -> ShipmentAnswered:
        """Wait for upstream's answer."""

        def look() -> list[ShipmentAnswered]:
            answers = self.topics.answered.get(shipment_id, [])
            return [a for a in answers if not event_id or a.event_id == event_id]

        return (await until(look, f"an answer for {shipment_id}"))[0]

    async def post(
        self, body: Mapping[str, Any], key: str | None = None, account: str = ""
    ) -> Response:
        """Post one message as an institution would; `account` is the suffix of its key."""
        who = self.stack.account
        headers = {"Authorization": f"Bearer {who.key}{account}.{who.secret}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        url = f"{self.stack.url('ingest')}/v1/messages"
        timeout = aiohttp.ClientTimeout(total=15)
        async with self._http.post(url, json=body, headers=headers, timeout=timeout) as answer:
            response = Response(answer.status, await answer.json())
        if response.status == 202:
            message_id = response.body["message_id"]
            self.posted[key or message_id] = message_id
        return response

    async def send(self, to: str, account: str = "-sms", **changes: Any) -> str:
        """Post a message that is to be accepted, and give its id."""
        body = {
            "to": to,
            "template": "picked-up",
            "language": "en",
            "variables": {"tracking_number": secrets.token_hex(6)},
        }
        response = await self.post(body | changes, account=account)
        assert response.status == 202, response
        return str(response.body["message_id"])

    # The other end

    async def settled(
        self, message_id: str, *, revision: int = 1, within_s: float = 30
    ) -> MessageSettled:
        """Wait for the last word on a message."""

        def look() -> MessageSettled | None:
            last = self.topics.last(message_id)
            return last if last and last.revision >= revision else None

        return await until(look, f"revision {revision} of {message_id}", within_s=within_s)

    async def pushed(
        self, message_id: str, customer: str = "demo-sms", *, times: int = 1, within_s: float = 20
    ) -> list[dict[str, Any]]:
        """Wait for a customer to be pushed about a message so many times."""

        async def look() -> list[dict[str, Any]]:
            arrivals = await self.ends.arrivals(customer, message_id)
            return arrivals if len(arrivals) >= times else []

        return await until(look, f"{times} pushes of {message_id}", within_s=within_s)

    async def metrics(self, service: str) -> dict[str, float]:
        """Read a service's metrics, each with its labels as it is written."""
        async with self._http.get(f"{self.stack.url(service)}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = (line.rpartition(" ")[::2] for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    async def get(self, service: str, path: str) -> Any:
        """Ask a service's own API, as an operator would."""
        return await self._ask("GET", service, path)

    async def operate(self, service: str, path: str, body: object = None) -> Any:
        """Tell a service something over its own API, as an operator would."""
        return await self._ask("POST", service, path, body)

    async def _ask(self, method: str, service: str, path: str, body: object = None) -> Any:
        running = self.stack.state()["services"].values()
        env = next(one["env"] for one in running if one["service"] == service)
        bearer = f"Bearer {env.get('YIZHAN_INTERNAL_TOKEN', '')}"
        async with self._http.request(
            method, self.stack.url(service) + path, json=body, headers={"Authorization": bearer}
        ) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def story(self, message_id: str) -> Any:
        """Ask receipts for all it knows of a message."""
        return await self.get("receipts", f"/v1/messages/{message_id}")

    def channels(self) -> list[str]:
        """Name the channels of the table in force."""
        return channels_of(self.stack)


def channels_of(stack: Stack) -> list[str]:
    return [channel["channel"] for channel in stack.state()["channels"]["channels"]]


@asynccontextmanager
async def open_world(
    config: Path,
    work: Path,
    *,
    servers: Servers,
    namespace: str,
    overrides: Mapping[str, Mapping[str, str]] | None = None,
    instances: Mapping[str, int] | None = None,
) -> AsyncIterator[World]:
    """Start a stack and take its ends in hand."""
    stack = Stack(
        config,
        work,
        servers=servers,
        namespace=namespace,
        overrides=overrides,
        instances=instances,
    )
    async with AsyncExitStack() as rest:
        await rest.enter_async_context(stack)
        kafka = servers.kafka_url, namespace
        # Shorter than servers keep a connection: one that they close as we write is lost.
        connector = aiohttp.TCPConnector(keepalive_timeout=2)
        http = await rest.enter_async_context(aiohttp.ClientSession(connector=connector))
        topics = Topics(*kafka, [*channels_of(stack), NO_CHANNEL])
        await rest.enter_async_context(topics)
        producer = AIOKafkaProducer(bootstrap_servers=servers.kafka_url, acks="all", linger_ms=2)
        await producer.start()
        rest.push_async_callback(producer.stop)
        yield World(stack, topics, OtherEnds(stack.simulators_url, http), producer)
