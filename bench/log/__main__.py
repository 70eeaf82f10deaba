"""``python -m bench.log``: how long searches of the message log take over 1,000,000 messages.

A ledger of its own (``bench.ledger_data``), receipts as a process, every search over HTTP with
other numbers, references, batches and times. The data stays: another run searches at once.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from prometheus_client import CollectorRegistry

from bench.api.__main__ import provision
from bench.ledger_data import fill_ledger
from bench.log.searches import Drawn, searches
from bench.stages import quantile
from receipts.ledger.adapters.mongo import MongoLedger
from yizhan_local.process import free_port
from yizhan_local.servers import PrivateServers
from yizhan_runtime import Mongo, SystemClock
from yizhan_runtime.metrics import RuntimeMetrics

OUT: Final = Path("bench/out")
TOKEN: Final = secrets.token_urlsafe(24)
_START_S: Final = 60
_EVERY: Final = 50_000
_SAMPLED_AT: Final = 40
"""Places in the ledger where messages are drawn that are searched for."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.log", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=60, help="requests of each kind of search")
    parser.add_argument("--folder", type=Path, default=Path(".local/bench/log"))
    return parser.parse_args()


class Receipts:
    """The service in a process of its own."""

    def __init__(self, servers: PrivateServers) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        self._environment = {
            **os.environ,
            "YIZHAN_KAFKA_URL": servers.kafka_url,
            "YIZHAN_MONGO_URL": servers.mongo_url,
            "YIZHAN_NAMESPACE": "",
            "YIZHAN_HTTP_PORT": self._url.rpartition(":")[2],
            "YIZHAN_LOG_LEVEL": "WARNING",
            "YIZHAN_INTERNAL_TOKEN": TOKEN,
            # What is in flight has been so for weeks: nobody is to settle it.
            "YIZHAN_RECEIPTS_START_GRACE_S": "86400",
        }

    async def __aenter__(self) -> Self:
        command = [sys.executable, "-m", "receipts"]
        self._process = await asyncio.create_subprocess_exec(*command, env=self._environment)
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"})
        async with asyncio.timeout(_START_S):
            while not await self._is_ready():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def _is_ready(self) -> bool:
        if self._process.returncode is not None:
            raise RuntimeError("receipts did not start: see above")
        with suppress(aiohttp.ClientError):
            async with self._http.get(f"{self._url}/ready") as answer:
                return answer.status == 200
        return False

    async def ask(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask; any refusal ends the bench."""
        async with self._http.get(f"{self._url}{path}?{urlencode(asked)}") as answer:
            if answer.status != 200:
                raise RuntimeError(f"{path} answers {answer.status}: {await answer.text()}")
            found: dict[str, Any] = await answer.json()
            return found


async def ensure_filled(mongo_url: str, count: int) -> None:
    """Fill the ledger, unless it is full from another run."""
    clock = SystemClock()
    mongo = Mongo(mongo_url, "receipts", 120.0, RuntimeMetrics(CollectorRegistry()), clock)
    try:
        parts = [name for name in await mongo.collection_names() if name.startswith("messages.")]
        there = sum([await mongo.count(part, {}) for part in parts])
        if there >= count:
            return
        if there:
            raise SystemExit(f"a ledger of {there} messages is there: remove it, or --messages")
        ledger = MongoLedger(mongo, clock)
        await ledger.prepare()
        begun = time.monotonic()
        await fill_ledger(ledger, count, datetime.now(UTC), tell=_telling(count, begun))
    finally:
        mongo.close()


def _telling(count: int, begun: float) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if done % _EVERY == 0 or done == count:
            print(f"{done} messages in {time.monotonic() - begun:.0f} s", flush=True)

    return tell


async def draw(receipts: Receipts) -> Drawn:
    """Draw messages from all over the ledger, to be searched for."""
    rows: list[dict[str, Any]] = []
    now = datetime.now(UTC)
    for place in range(_SAMPLED_AT):
        until = now - Drawn.SPAN * place / _SAMPLED_AT
        asked = {"account_id": "exams", "until": until.isoformat(), "limit": 5, "unmasked": "true"}
        rows += (await receipts.ask("/v1/log", asked))["messages"]
    return Drawn(rows, now)


async def measure(receipts: Receipts, each: int) -> list[dict[str, Any]]:
    """Run every kind of search; prints a line of each."""
    print(f"{'search':44}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}{'rows':>7}{'complete':>10}")
    drawn = await draw(receipts)
    results = []
    for search in searches():
        taken: list[float] = []
        rows: list[int] = []
        complete = 0
        for number in range(each):
            asked = await search.prepare(receipts.ask, drawn, number)
            begun = time.perf_counter()
            answer = await receipts.ask(search.path, asked)
            taken.append((time.perf_counter() - begun) * 1000)
            rows.append(len(answer[search.rows]))
            complete += answer.get("complete", True)
        taken.sort()
        result = {
            "search": search.title,
            "p50_ms": round(quantile(taken, 0.5), 1),
            "p95_ms": round(quantile(taken, 0.95), 1),
            "max_ms": round(taken[-1], 1),
            "rows": round(sum(rows) / each, 1),
            "complete": round(complete / each, 2),
        }
        results.append(result)
        _tell(result)
    return results


def _tell(result: dict[str, Any]) -> None:
    times = "".join(f"{result[name]:9.1f}" for name in ("p50_ms", "p95_ms", "max_ms"))
    share = f"{result['complete']:.0%}"
    print(f"{result['search']:44}{times}{result['rows']:7.1f}{share:>10}", flush=True)


async def bench(arguments: argparse.Namespace) -> None:
    """Fill, start, measure."""
    async with PrivateServers(arguments.folder) as servers:
        await ensure_filled(servers.mongo_url, arguments.messages)
        await provision(servers.kafka_url, "")
        async with Receipts(servers) as receipts:
            results = await measure(receipts, arguments.each)
    OUT.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("log-%Y%m%dT%H%M%S")
    (OUT / f"{name}.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    asyncio.run(bench(_arguments()))
