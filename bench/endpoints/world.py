"""One round's world: the receipts process, what is settled, and when each customer was to hear."""

import asyncio
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil
import yaml
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from bench.endpoints.customers import SLOW_S
from receipts.ledger.adapters.mongo import MongoLedger
from yizhan_contracts import ids
from yizhan_contracts.events import Lane, MessageSettled, Origin, OriginKind, Status
from yizhan_contracts.topics import address_of
from yizhan_local.process import free_port
from yizhan_runtime import Mongo, RuntimeSettings, SystemClock
from yizhan_runtime.metrics import RuntimeMetrics

_START_S = 60
_TIMEOUT_S = SLOW_S + 2.0
_TICK_S = 0.02


@dataclass(frozen=True)
class Sizes:
    """How many endpoints there are, and how fast results come to each."""

    good: int
    dead: int
    slow: int
    per_s: float
    """Results a second for each endpoint."""
    seconds: float

    @property
    def all(self) -> int:
        return self.good + self.dead + self.slow


@dataclass(frozen=True)
class Ports:
    """Where the customers are."""

    port: int
    hole: int


def write_endpoints(file: Path, sizes: Sizes, ports: Ports) -> list[str]:
    """Write the endpoints' file; give the accounts. Half of the dead refuse, half never answer."""
    base, refusing = f"http://127.0.0.1:{ports.port}", free_port()
    urls = {f"good-{n}": f"{base}/good/{n}" for n in range(sizes.good)}
    urls |= {f"slow-{n}": f"{base}/slow/{n}" for n in range(sizes.slow)}
    urls |= {
        f"dead-{n}": f"http://127.0.0.1:{refusing if n % 2 else ports.hole}/dead/{n}"
        for n in range(sizes.dead)
    }
    endpoints = {account: {"url": url, "timeout_s": _TIMEOUT_S} for account, url in urls.items()}
    file.write_text(yaml.safe_dump({"allow_private": ["127.0.0.0/8"], "endpoints": endpoints}))
    return list(urls)


class Receipts:
    """The service in a process of its own."""

    def __init__(self, kafka_url: str, mongo_url: str, namespace: str, file: Path) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        self._environment = {
            **os.environ,
            "YIZHAN_KAFKA_URL": kafka_url,
            "YIZHAN_MONGO_URL": mongo_url,
            "YIZHAN_NAMESPACE": namespace,
            "YIZHAN_HTTP_PORT": self._url.rpartition(":")[2],
            "YIZHAN_LOG_LEVEL": "ERROR",
            "YIZHAN_INTERNAL_TOKEN": "bench",
            "YIZHAN_RECEIPTS_ENDPOINTS_FILE": str(file),
        }

    async def __aenter__(self) -> Self:
        command = [sys.executable, "-O", "-m", "receipts"]
        self._process = await asyncio.create_subprocess_exec(*command, env=self._environment)
        async with aiohttp.ClientSession() as http, asyncio.timeout(_START_S):
            while not await self._is_ready(http):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        if self._process.returncode is not None:
            raise RuntimeError("receipts did not start: see above")
        with suppress(aiohttp.ClientError):
            async with http.get(f"{self._url}/ready") as answer:
                return answer.status == 200
        return False

    def spent(self) -> tuple[float, int]:
        """Give its CPU seconds and resident megabytes."""
        process = psutil.Process(self._process.pid)
        times = process.cpu_times()
        return times.user + times.system, process.memory_info().rss // 2**20


@dataclass
class Settled:
    """What is settled in a round: known to MongoDB before, published on Kafka at a steady rate."""

    accounts: Sequence[str]
    sizes: Sizes
    message_ids: list[str] = field(default_factory=list)
    published: dict[str, float] = field(default_factory=dict)
    """When each was published, of good customers'."""

    def _account_of(self, number: int) -> str:
        return self.accounts[number % len(self.accounts)]

    async def store(self, mongo_url: str, namespace: str) -> None:
        count, now = int(self.sizes.all * self.sizes.per_s * self.sizes.seconds), datetime.now(UTC)
        begin = int(now.timestamp() * 1000)
        self.message_ids = [
            ids.new_message_id(f"+86138{number:08}", begin + number) for number in range(count)
        ]
        name = RuntimeSettings(namespace=namespace).database("receipts")
        metrics = RuntimeMetrics(CollectorRegistry())
        mongo = Mongo(mongo_url, name, 30.0, metrics, SystemClock())
        ledger = MongoLedger(mongo, SystemClock())
        await ledger.prepare()
        for page in _pages(range(count), 1000):
            await ledger.insert_settled([self._document(n, now) for n in page])
        mongo.close()

    def _document(self, number: int, now: datetime) -> dict[str, Any]:
        return {
            "_id": self.message_ids[number],
            "account_id": self._account_of(number),
            "recipient": f"+86138{number:08}",
            "charging_num": 1,
            "time_zone": "Asia/Shanghai",
            "status": "delivered",
            "settled_by": "record",
            "settled_at": now,
            "sms": {"status": "delivered", "delivered_at": now},
        }

    async def publish(self, kafka_url: str, namespace: str) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka_url, linger_ms=2)
        await producer.start()
        begun, rate, done = time.monotonic(), self.sizes.all * self.sizes.per_s, 0
        try:
            while done < len(self.message_ids):
                due = min(len(self.message_ids), int((time.monotonic() - begun) * rate))
                for number in range(done, due):
                    await self._send(producer, namespace, number)
                done = due
                await asyncio.sleep(_TICK_S)
            await producer.flush()
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, namespace: str, number: int) -> None:
        account, now = self._account_of(number), datetime.now(UTC)
        event = MessageSettled(
            message_id=self.message_ids[number],
            account_id=account,
            status=Status.DELIVERED,
            country="CN",
            lane=Lane.STANDARD,
            charging_num=1,
            origin=Origin(kind=OriginKind.API, arrived_at=now),
            accepted_at=now,
            settled_at=now,
        )
        at = address_of(event)
        if account.startswith("good"):
            self.published[event.message_id] = time.time()
        await producer.send(
            namespace + at.topic, event.model_dump_json().encode(), at.key, partition=at.partition
        )


def _pages(numbers: range, size: int) -> Iterable[range]:
    return (numbers[i : i + size] for i in range(0, len(numbers), size))
