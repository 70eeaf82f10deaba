"""Ingest alone on a real Kafka and MongoDB: events a second, requests a second, and their CPU.

    python -m services.ingest.tests.bench_servers [events] [seconds of requests] [connections]

Kafka, mongod, ingest and this client share the machine: the figures are a floor.
"""

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

import aiohttp
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr
from services.ingest.tests.bench_events import ACCOUNTS, records
from services.ingest.tests.integration.conftest import ANSWERED, UPDATED, Corner
from services.ingest.tests.unit.making import SECRET, SECRET_SHA256

from ingest.settings import IngestSettings
from yizhan_contracts import topics
from yizhan_local.namespaces import drop_namespace, new_namespace
from yizhan_local.servers import choose_servers

PORT = 18_765
BODY = {
    "to": "+12015550123",
    "template": "exam-score",
    "variables": {"name": "张三", "code": "2026001", "subject": "数学", "score": "99"},
}


class Process:
    """Ingest in a process of its own, and its CPU."""

    def __init__(self, role: str, settings: IngestSettings) -> None:
        self._role = role
        self._environ = {
            **os.environ,
            "YIZHAN_KAFKA_URL": settings.kafka_url,
            "YIZHAN_MONGO_URL": settings.mongo_url.get_secret_value(),
            "YIZHAN_NAMESPACE": settings.namespace,
            "YIZHAN_HTTP_PORT": str(PORT),
            "YIZHAN_LOG_LEVEL": "WARNING",
            "YIZHAN_INGEST_ACCOUNTS_FILE": str(ACCOUNTS),
            "DEMO_KEY": "demo",
            "DEMO_SECRET_SHA256": SECRET_SHA256,
        }

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest", self._role, env=self._environ
        )
        async with aiohttp.ClientSession() as http, asyncio.timeout(30):
            while self._process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"http://127.0.0.1:{PORT}/ready") as answer:
                        if answer.status == 200:
                            return self
                await asyncio.sleep(0.1)
        raise RuntimeError("ingest did not start: see above")

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()

    def cpu_s(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system


async def bench_events(corner: Corner, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=corner.settings.kafka_url, acks="all")
    await producer.start()
    async with Process("events", corner.settings) as process:
        await _feed(producer, corner, count // 10)
        await _answered(corner, count // 10)
        cpu, begun = process.cpu_s(), time.monotonic()
        await _feed(producer, corner, count)
        fed = time.monotonic() - begun
        await _answered(corner, count // 10 + count)
        wall, cpu = time.monotonic() - begun, process.cpu_s() - cpu
    await producer.stop()
    sys.stdout.write(
        f"events: {count / wall:.0f}/s (fed in {fed:.1f} s, all answered after {wall:.1f} s), "
        f"{cpu / count * 1e6:.0f} us CPU each\n"
    )


async def _feed(producer: AIOKafkaProducer, corner: Corner, count: int) -> None:
    salt = os.urandom(4).hex()
    for record in records(count):
        event = json.loads(record.value or b"{}")
        event["event_id"] += salt
        event["shipment_id"] += salt
        event["occurred_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        key = event["shipment_id"].encode()
        await producer.send(
            corner.settings.namespace + UPDATED, json.dumps(event).encode(), key=key
        )
    await producer.flush()


async def _answered(corner: Corner, count: int) -> None:
    name = corner.settings.namespace + ANSWERED
    consumer = AIOKafkaConsumer(bootstrap_servers=corner.settings.kafka_url)
    await consumer.start()
    try:
        partitions = [TopicPartition(name, p) for p in range(topics.PARTITIONS)]
        while sum((await consumer.end_offsets(partitions)).values()) < count:
            await asyncio.sleep(0.05)
    finally:
        await consumer.stop()


async def bench_requests(corner: Corner, seconds: float, connections: int) -> None:
    latencies: list[float] = []
    failures = 0
    body = json.dumps(BODY).encode()
    headers = {"Authorization": f"Bearer demo-bench.{SECRET}", "Content-Type": "application/json"}
    async with Process("api", corner.settings) as process, aiohttp.ClientSession() as http:
        until = time.monotonic() + seconds + 2

        async def client(number: int) -> None:
            nonlocal failures
            turn = 0
            while (begun := time.monotonic()) < until:
                turn += 1
                keyed = headers | {"Idempotency-Key": f"{number}-{turn}"}
                url = f"http://127.0.0.1:{PORT}/v1/messages"
                async with http.post(url, data=body, headers=keyed) as answer:
                    failures += answer.status != 202
                if begun > until - seconds:
                    latencies.append(time.monotonic() - begun)

        clients = [asyncio.create_task(client(number)) for number in range(connections)]
        await asyncio.sleep(2)
        cpu = process.cpu_s()
        await asyncio.gather(*clients)
        cpu = process.cpu_s() - cpu
    latencies.sort()
    at = {q: latencies[int(len(latencies) * q)] * 1000 for q in (0.5, 0.95, 0.99)}
    sys.stdout.write(
        f"requests, {connections} connections: {len(latencies) / seconds:.0f}/s, "
        f"p50 {at[0.5]:.1f} ms, p95 {at[0.95]:.1f} ms, p99 {at[0.99]:.1f} ms, "
        f"{cpu / len(latencies) * 1e6:.0f} us CPU each, {failures} failed\n"
    )


async def bench(kafka_url: str, mongo_url: str, namespace: str) -> None:
    arguments = [*sys.argv[1:], *("20000", "10", "32")[len(sys.argv) - 1 :]]
    settings = IngestSettings(
        kafka_url=kafka_url,
        mongo_url=SecretStr(mongo_url),
        namespace=namespace,
        ingest_accounts_file=Path(ACCOUNTS),
    )
    async with AsyncExitStack() as stack:
        corner = Corner(settings, stack)
        await corner.provision(list(topics.all_topics(())))
        await bench_events(corner, int(arguments[0]))
        await bench_requests(corner, float(arguments[1]), int(arguments[2]))


def main() -> None:
    with choose_servers() as servers:
        namespace = new_namespace("bench")
        try:
            asyncio.run(bench(servers.kafka_url, servers.mongo_url, namespace))
        finally:
            drop_namespace(servers.kafka_url, servers.mongo_url, namespace)


if __name__ == "__main__":
    main()
