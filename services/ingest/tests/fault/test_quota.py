"""Ingest killed under load: what is left is what was bought minus what was accepted, exactly.

``YIZHAN_TEST_KILLS=20`` kills more often than the suite has time for.
"""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from services.ingest.tests.integration.conftest import UPDATED, Corner
from services.ingest.tests.unit.making import AUTHORIZATION, event

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("YIZHAN_TEST_KILLS", "4"))
CALLERS = 16
BOUGHT = 1_000_000
LEASE_S, GRACE_S = 2, 4
HEADERS = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}


class Ingest:
    """The real process, that can be killed and comes back at the same address."""

    def __init__(self, corner: Corner, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        settings = corner.settings
        self._env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("YIZHAN_")},
            "YIZHAN_KAFKA_URL": settings.kafka_url,
            "YIZHAN_MONGO_URL": settings.mongo_url.get_secret_value(),
            "YIZHAN_NAMESPACE": settings.namespace,
            "YIZHAN_INTERNAL_TOKEN": settings.internal_token.get_secret_value(),
            "YIZHAN_HTTP_PORT": str(self.port),
            "YIZHAN_INSTANCE": "ingest-1",
            "YIZHAN_INGEST_ACCOUNTS_FILE": str(settings.ingest_accounts_file),
            "YIZHAN_INGEST_LEASE_S": str(LEASE_S),
            "YIZHAN_INGEST_LEASE_GRACE_S": str(GRACE_S),
            "YIZHAN_INGEST_REQUEST_TIMEOUT_S": "2",
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ingest", env=self._env, stdout=log, stderr=log
            )

    async def end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
        if self._process is not None:
            await self._process.wait()


class Load:
    """Requests, each repeated under its key until it is accepted, and events."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self._random = random.Random(7)
        self.accepted: dict[str, int] = {}
        self.events = 0
        self.is_over = False

    async def request(self, caller: int) -> None:
        number = 0
        while not self.is_over:
            number += 1
            name = "名" * self._random.randint(1, 75)  # one to two units
            variables = {"name": name, "code": "1", "subject": "数学", "score": "9"}
            body = {"to": "+8613800138000", "template": "score", "variables": variables}
            key = f"{caller}-{number}"
            while not await self._try(body, key):
                await asyncio.sleep(0.1)

    async def _try(self, body: dict[str, Any], key: str) -> bool:
        headers = HEADERS | {"Idempotency-Key": key}
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(
                self._url + "/v1/messages", json=body, headers=headers
            ) as answer:
                found = await answer.json(content_type=None)
                if answer.status == 202:
                    self.accepted[found["message_id"]] = found["charging_num"]
                    return True
                assert answer.status in {409, 503}, found
        return False

    async def publish(self, producer: AIOKafkaProducer, topic: str) -> None:
        while not self.is_over:
            now = datetime.now(UTC).isoformat()
            for _ in range(20):
                self.events += 1
                given = event(
                    f"+121255501{self.events % 100:02d}",
                    event_id=f"e{self.events}",
                    shipment_id=f"S{self.events}",
                    occurred_at=now,
                )
                await producer.send(topic, json.dumps(given).encode(), key=b"%d" % self.events)
            await producer.flush()
            await asyncio.sleep(0.1)

    async def until_more(self, count: int) -> None:
        goal = len(self.accepted) + count
        async with asyncio.timeout(120):
            while len(self.accepted) < goal:
                await asyncio.sleep(0.01)


@pytest.fixture
async def ingest(corner: Corner, tmp_path: Path) -> AsyncIterator[Ingest]:
    process = Ingest(corner, tmp_path / "ingest.log")
    await process.start()
    yield process
    await process.end(signal.SIGTERM)


async def test_kills_under_load_leave_every_package_exact(corner: Corner, ingest: Ingest) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=corner.settings.kafka_url, acks="all")
    await producer.start()
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            load = Load(ingest.url, session)
            topic = corner.settings.namespace + UPDATED
            tasks.create_task(load.publish(producer, topic))
            for caller in range(CALLERS):
                tasks.create_task(load.request(caller))
            for kill in range(KILLS):
                await load.until_more(50 + kill * 13 % 100)
                await ingest.end(signal.SIGKILL)
                await ingest.start()
            await load.until_more(50)
            load.is_over = True
    finally:
        await producer.stop()
    await corner.until_answered(load.events)
    async with aiohttp.ClientSession() as session:
        packages = await _settled(session, ingest.url)
    units: dict[str, dict[str, int]] = {"CN": {}, "US": {}}
    for message in await corner.messages():
        units[message.country][message.message_id] = message.charging_num
    assert load.accepted.items() <= units["CN"].items()
    assert len(units["US"]) == load.events
    domestic, abroad = sum(units["CN"].values()), sum(units["US"].values())
    note = (
        f"{KILLS} kills: {len(units['CN'])} requests and {load.events} events accepted; domestic "
        f"{BOUGHT} - {domestic} = {packages['domestic']['left']}, international "
        f"{BOUGHT} - {abroad} = {packages['international']['left']}"
    )
    sys.stderr.write(note + "\n")
    assert packages["domestic"]["left"] == BOUGHT - domestic
    assert packages["international"]["left"] == BOUGHT - abroad


async def _settled(session: aiohttp.ClientSession, url: str) -> Any:
    """Wait until no lease is open; give the packages."""
    async with asyncio.timeout(120):
        while True:
            async with session.get(url + "/v1/usage", headers=HEADERS) as answer:
                usage = await answer.json()
            if not any(one["leased"] for one in usage["packages"].values()):
                return usage["packages"]
            await asyncio.sleep(0.2)
