"""Receipts alone on servers of its own, with the simulated customers that it pushes to."""

import secrets
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiokafka import AIOKafkaProducer
from pymongo import MongoClient
from pymongo.database import Database

from bench.configuration import CONFIG, configuration
from receipts.ledger.adapters.collections import PUSHES
from yizhan_contracts.events import Event
from yizhan_contracts.topics import address_of
from yizhan_local.servers import PrivateServers
from yizhan_local.stack import Stack

ACCOUNT = "bench"
WORK = Path(".local/bench-ledger")


class Record(NamedTuple):
    """What a producer sends: as ``AIOKafkaProducer.send`` takes it."""

    topic: str
    value: bytes
    key: bytes
    partition: int


@dataclass
class House:
    """A running stack of receipts and customers."""

    stack: Stack
    servers: PrivateServers
    http: aiohttp.ClientSession
    database: Database[dict[str, Any]]
    producer: AIOKafkaProducer

    @property
    def instances(self) -> list[str]:
        return [name for name in self.stack.names if name.startswith("receipts")]

    def pids(self) -> dict[str, int]:
        """Give what runs: instances, customers, servers."""
        found = {name: self.stack.pid(name) for name in self.stack.names}
        found |= {name: one.get("pid") for name, one in self.servers.details().items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    def parts(self, kind: str) -> list[str]:
        """Name the collections of a kind, one for each week."""
        return [n for n in self.database.list_collection_names() if n.partition(".")[0] == kind]

    def count(self, kind: str, **query: object) -> int:
        return sum(self.database[part].count_documents(query) for part in self.parts(kind))

    def record_of(self, event: Event) -> Record:
        """Write an event down as the record that its readers look for."""
        to = address_of(event)
        topic = self.stack.plan.namespace + to.topic
        return Record(topic, event.model_dump_json().encode(), to.key, to.partition)

    async def publish(self, records: Iterable[Record]) -> None:
        """Hand records to Kafka in order; it has them all after ``producer.flush``."""
        for record in records:
            await self.producer.send(*record)

    def count_pushed(self) -> int:
        """Count the words that were written down as acknowledged."""
        counting = [{"$group": {"_id": None, "n": {"$sum": {"$size": "$message_ids"}}}}]
        found = [
            one for part in self.parts(PUSHES) for one in self.database[part].aggregate(counting)
        ]
        return sum(one["n"] for one in found)

    async def customer(self, name: str = ACCOUNT, *, detail: bool = False) -> dict[str, Any]:
        """Give what a customer was pushed, by its own records."""
        url = f"{self.stack.simulators_url}/records/customers/{name}?detail={int(detail)}"
        async with self.http.get(url) as answer:
            answer.raise_for_status()
            body: dict[str, Any] = await answer.json()
            return body


@asynccontextmanager
async def open_house(
    instances: int = 1, settings: Mapping[str, str] | None = None
) -> AsyncIterator[House]:
    """Start everything afresh."""
    shutil.rmtree(WORK, ignore_errors=True)
    async with AsyncExitStack() as rest:
        servers = await rest.enter_async_context(_private())
        stack = Stack(
            configuration(WORK, CONFIG / "bench"),
            WORK,
            servers=servers,
            namespace=f"ledger-{secrets.token_hex(3)}.",
            instances={"receipts": instances},
            only=["receipts"],
            overrides={"receipts": settings or {}},
        )
        await rest.enter_async_context(stack)
        http = await rest.enter_async_context(aiohttp.ClientSession())
        client = rest.enter_context(MongoClient[dict[str, Any]](servers.mongo_url, tz_aware=True))
        producer = AIOKafkaProducer(
            bootstrap_servers=servers.kafka_url, acks="all", linger_ms=5, compression_type="zstd"
        )
        await producer.start()
        rest.push_async_callback(producer.stop)
        name = _database_of(client)
        yield House(stack, servers, http, client[name], producer)


@asynccontextmanager
async def _private() -> AsyncIterator[PrivateServers]:
    servers = PrivateServers(WORK / "servers")
    async with servers:
        yield servers


def _database_of(client: MongoClient[dict[str, Any]]) -> str:
    return next(name for name in client.list_database_names() if name.endswith("receipts"))
