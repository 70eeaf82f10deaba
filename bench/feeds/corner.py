"""Receipts by themselves: real processes, Kafka, mongod, and a customer over HTTP."""

import asyncio
import secrets
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiokafka import AIOKafkaConsumer
from pymongo import MongoClient

from bench.feeds.story import ACCOUNT
from yizhan_contracts.events import MessageSettled, VoiceRequested
from yizhan_contracts.topics import MESSAGE_SETTLED, VOICE_REQUESTED, Topic
from yizhan_demo.parties import Parties
from yizhan_local.servers import PrivateServers
from yizhan_local.stack import Stack
from yizhan_runtime import RuntimeSettings

WORK = Path(".local/feeds")
CONFIG = Path("deploy/config")
_LOOK_S = 0.5


class Late(Exception):
    """Something did not come to be in time."""


@dataclass
class Corner:
    """A running stack of receipts alone, and its ends."""

    stack: Stack
    customer: Parties
    http: aiohttp.ClientSession
    database: Any

    @property
    def kafka(self) -> tuple[str, str]:
        return self.stack.servers.kafka_url, self.stack.plan.namespace

    async def count(self, collection: str, **query: object) -> int:
        """Count documents of the ledger."""
        return await asyncio.to_thread(self._count, collection, query)

    def _count(self, collection: str, query: dict[str, Any]) -> int:
        """Count in a collection and in all of its weeks."""
        names = self.database.list_collection_names()
        parts = [name for name in names if name.partition(".")[0] == collection]
        return sum(self.database[part].count_documents(query) for part in parts)

    async def pushed(self) -> int:
        """Count the messages that the customer has heard of."""
        return int((await self._customer())["sms_ids"])

    async def heard(self) -> Counter[tuple[str, ...]]:
        """Count the messages by all that the customer was pushed of them, in order."""
        detail = (await self._customer("?detail=1"))["by_sms_id"]
        return Counter(
            tuple(arrival["status"] for arrival in story["arrivals"]) for story in detail.values()
        )

    async def _customer(self, query: str = "") -> dict[str, Any]:
        url = f"{self.stack.simulators_url}/records/customers/{ACCOUNT}{query}"
        async with self.http.get(url) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found

    async def feeds(self) -> list[dict[str, Any]]:
        """Ask every instance how it sees the channels."""
        found = []
        for name in self.stack.names:
            if name.startswith("receipts"):
                found += (await self._ask(name, "/v1/feeds"))["feeds"]
        return found

    async def balance(self) -> dict[str, Any]:
        return await self._ask("receipts-1", "/v1/conservation")

    async def _ask(self, name: str, path: str) -> dict[str, Any]:
        env = self.stack.state()["services"][name]["env"]
        headers = {"Authorization": f"Bearer {env['YIZHAN_INTERNAL_TOKEN']}"}
        async with self.http.get(self.stack.url(name) + path, headers=headers) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found

    async def read(self, topic: Topic) -> list[bytes]:
        """Give every record of a topic."""
        url, namespace = self.kafka
        consumer = AIOKafkaConsumer(
            namespace + topic.name, bootstrap_servers=url, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found: list[bytes] = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += (record.value for record in records)
            return found
        finally:
            await consumer.stop()

    async def calls(self) -> int:
        """Count the messages for which a call was asked; a sweep that repeats asks again."""
        asked = map(VoiceRequested.model_validate_json, await self.read(VOICE_REQUESTED))
        return len({event.message_id for event in asked})

    async def revisions(self) -> dict[int, int]:
        """Count the messages by the last revision that was published of them."""
        last: dict[str, int] = {}
        for value in await self.read(MESSAGE_SETTLED):
            event = MessageSettled.model_validate_json(value)
            last[event.message_id] = max(event.revision, last.get(event.message_id, 0))
        return dict(Counter(last.values()))


async def until(is_so: Callable[[], Awaitable[bool]], what: str, within: timedelta) -> float:
    """Poll until it is so; give the seconds that took. Raises Late."""
    begun = time.monotonic()
    while not await is_so():
        if time.monotonic() - begun > within.total_seconds():
            raise Late(what)
        await asyncio.sleep(_LOOK_S)
    return round(time.monotonic() - begun, 1)


@asynccontextmanager
async def open_corner(waiting: Mapping[str, Any], instances: int) -> AsyncIterator[Corner]:
    """Start everything afresh."""
    shutil.rmtree(WORK, ignore_errors=True)
    async with AsyncExitStack() as rest:
        servers = PrivateServers(WORK / "servers")
        await rest.enter_async_context(servers)
        stack = Stack(
            _configuration(waiting), WORK, servers=servers,
            namespace=f"feeds-{secrets.token_hex(3)}.",
            instances={"receipts": instances}, only=["receipts"],
        )  # fmt: skip
        await rest.enter_async_context(stack)
        http = await rest.enter_async_context(aiohttp.ClientSession())
        client: MongoClient[dict[str, Any]] = MongoClient(servers.mongo_url)
        rest.callback(client.close)
        name = RuntimeSettings(namespace=stack.plan.namespace).database("receipts")
        yield Corner(stack, Parties(stack.simulators_url, http), http, client[name])


def _configuration(waiting: Mapping[str, Any]) -> Path:
    source = WORK / "source"
    source.mkdir(parents=True)
    for file in CONFIG.glob("*.yaml"):
        shutil.copy(file, source)
    (source / "waiting.yaml").write_text(yaml.safe_dump(dict(waiting)))
    return source
