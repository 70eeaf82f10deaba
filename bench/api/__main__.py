"""``python -m bench.api``: requests a second of ingest's API process alone, each one signed.

Real Kafka and MongoDB; nobody reads what is accepted. Servers, ingest and this client share the
machine, so the figures are a floor. Requests are made and signed before the clock starts.
"""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.api.client import Load, Signer, drive, many_bodies, single_bodies
from yizhan_contracts import topics
from yizhan_local.namespaces import drop_namespace, new_namespace
from yizhan_local.process import free_port
from yizhan_local.servers import choose_servers

ACCOUNTS = Path("deploy/config/accounts.yaml")
KEY, SECRET = "bench-api", secrets.token_urlsafe(24)
_START_S = 60


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.api", description=__doc__)
    parser.add_argument("--requests", type=int, default=15_000)
    parser.add_argument("--connections", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--many", type=int, default=60, help="requests with many recipients")
    parser.add_argument("--recipients", type=int, default=1_000, help="of each of those")
    parser.add_argument("--profile", type=Path, help="where cProfile writes what ingest did")
    return parser.parse_args()


class Ingest:
    """The API in a process of its own."""

    def __init__(
        self, kafka_url: str, mongo_url: str, namespace: str, profile: Path | None
    ) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._profile = ["-m", "cProfile", "-o", str(profile)] if profile else []
        self._environment = {
            **os.environ,
            "YIZHAN_KAFKA_URL": kafka_url,
            "YIZHAN_MONGO_URL": mongo_url,
            "YIZHAN_NAMESPACE": namespace,
            "YIZHAN_HTTP_PORT": self.url.rpartition(":")[2],
            "YIZHAN_LOG_LEVEL": "WARNING",
            "YIZHAN_INGEST_ACCOUNTS_FILE": str(ACCOUNTS),
            "YIZHAN_INGEST_VAULT_KEYS": secrets.token_hex(16),
            "DEMO_KEY": KEY,
            "DEMO_SECRET_SHA256": sha256(SECRET.encode()).hexdigest(),
        }

    async def __aenter__(self) -> Self:
        command = [sys.executable, *self._profile, "-m", "ingest", "api"]
        self._process = await asyncio.create_subprocess_exec(*command, env=self._environment)
        async with aiohttp.ClientSession() as http, asyncio.timeout(_START_S):
            while not await self._is_ready(http):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        if self._process.returncode is not None:
            raise RuntimeError("ingest did not start: see above")
        with suppress(aiohttp.ClientError):
            async with http.get(f"{self.url}/ready") as answer:
                return answer.status == 200
        return False

    def cpu_s(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    async def signer(self) -> Signer:
        """Make a key that signs."""
        headers = {"Authorization": f"Bearer {KEY}-bench.{SECRET}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{self.url}/v1/keys", json={"name": "bench"}) as answer,
        ):
            made: dict[str, Any] = await answer.json()
        return Signer(made["key"], made["secret"])


@dataclass
class Bench:
    """Drives one process."""

    ingest: Ingest
    signer: Signer

    async def requests(self, count: int, connections: int, title: str) -> None:
        """One message per request."""
        bodies = single_bodies(count)
        await self._drive("/v1/messages", bodies, connections, title, messages=1)

    async def many(self, count: int, recipients: int, connections: int) -> None:
        """Many messages per request."""
        bodies = many_bodies(count, recipients)
        title = f"{recipients} recipients a request, {connections} connections"
        await self._drive("/v1/messages/many", bodies, connections, title, messages=recipients)

    async def _drive(
        self, path: str, bodies: Sequence[bytes], connections: int, title: str, *, messages: int
    ) -> None:
        signed = [self.signer.request(path, body) for body in bodies]
        before, own = self.ingest.cpu_s(), psutil.Process().cpu_times()
        load = await drive(self.ingest.url, signed, connections)
        used, mine = self.ingest.cpu_s() - before, psutil.Process().cpu_times()
        client_s = mine.user + mine.system - own.user - own.system
        if title:
            _tell(title, load, messages, used, client_s)


def _tell(title: str, load: Load, messages: int, cpu_s: float, client_s: float) -> None:
    count = len(load.seconds)
    at = {q: load.seconds[int(count * q)] * 1000 for q in (0.5, 0.95, 0.99)}
    rate = f"{count / load.wall_s:.0f} requests/s"
    if messages > 1:
        rate = f"{load.accepted / load.wall_s:.0f} messages/s, {rate}"
    print(
        f"{title}: {rate}; p50 {at[0.5]:.1f} ms, p95 {at[0.95]:.1f} ms, p99 {at[0.99]:.1f} ms; "
        f"{cpu_s / count / messages * 1e6:.0f} us of ingest's CPU a message "
        f"({client_s / count * 1e6:.0f} us of the client's a request); "
        f"accepted {load.accepted} of {count * messages}, refused {load.refused or 'none'}",
        flush=True,
    )


async def provision(kafka_url: str, namespace: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        wanted = topics.all_topics(())
        await admin.create_topics([NewTopic(namespace + t.name, t.partitions, 1) for t in wanted])
    finally:
        await admin.close()


async def bench(arguments: argparse.Namespace, kafka_url: str, mongo_url: str, name: str) -> None:
    await provision(kafka_url, name)
    async with Ingest(kafka_url, mongo_url, name, arguments.profile) as ingest:
        driver = Bench(ingest, await ingest.signer())
        await driver.requests(2_000, 32, "")
        for connections in arguments.connections:
            title = f"one message a request, signed, {connections} connections"
            await driver.requests(arguments.requests, connections, title)
        if arguments.many:
            await driver.many(arguments.many, arguments.recipients, 4)


def main() -> None:
    arguments = _arguments()
    with choose_servers() as servers:
        namespace = new_namespace("bench")
        try:
            asyncio.run(bench(arguments, servers.kafka_url, servers.mongo_url, namespace))
        finally:
            drop_namespace(servers.kafka_url, servers.mongo_url, namespace)


if __name__ == "__main__":
    main()
