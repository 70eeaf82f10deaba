"""``python -m bench.endpoints``: do dead and slow endpoints cost the others anything?

The service as it runs, on a real Kafka and a real mongod; customers on loopback in a process of
their own. A round without bad endpoints, a round with them, in turns: the good ones get the same
in both.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.api.__main__ import provision
from bench.endpoints.world import Ports, Receipts, Settled, Sizes, write_endpoints
from bench.stages import quantile
from yizhan_local.namespaces import drop_namespace, new_namespace
from yizhan_local.servers import choose_servers

_HEARD_WITHIN_S = 60


@dataclass(frozen=True)
class Round:
    """What one round came to; seconds."""

    waited: list[float]
    """From the publish on Kafka until a good customer had it, sorted."""
    missing: int
    cpu_s: float
    megabytes: int

    def at(self, q: float) -> float:
        return quantile(self.waited, q)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.endpoints", description=__doc__)
    parser.add_argument("--good", type=int, default=900)
    parser.add_argument("--dead", type=int, default=50)
    parser.add_argument("--slow", type=int, default=50)
    parser.add_argument("--per-s", type=float, default=0.25, help="results for each endpoint")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=2, help="of each kind")
    return parser.parse_args()


@asynccontextmanager
async def customers() -> AsyncIterator[Ports]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.endpoints.customers", stdout=asyncio.subprocess.PIPE
    )
    try:
        line = await process.stdout.readline() if process.stdout else b"{}"
        yield Ports(**json.loads(line))
    finally:
        process.kill()
        await process.wait()


async def play(sizes: Sizes, kafka_url: str, mongo_url: str, namespace: str) -> Round:
    await provision(kafka_url, namespace)
    with tempfile.TemporaryDirectory() as folder:
        async with customers() as ports:
            file = Path(folder) / "endpoints.yaml"
            settled = Settled(write_endpoints(file, sizes, ports), sizes)
            await settled.store(mongo_url, namespace)
            async with Receipts(kafka_url, mongo_url, namespace, file) as receipts:
                before, _ = receipts.spent()
                await settled.publish(kafka_url, namespace)
                heard = await hear(ports, settled)
                after, megabytes = receipts.spent()
    waited = sorted(heard[one] - at for one, at in settled.published.items() if one in heard)
    return Round(waited, len(settled.published) - len(waited), after - before, megabytes)


async def hear(ports: Ports, settled: Settled) -> dict[str, float]:
    """Ask the customers until the good ones have heard everything."""
    heard: dict[str, float] = {}
    async with aiohttp.ClientSession() as http:
        for _ in range(_HEARD_WITHIN_S * 2):
            async with http.get(f"http://127.0.0.1:{ports.port}/heard") as answer:
                heard |= await answer.json()
            if len(heard) >= len(settled.published):
                break
            await asyncio.sleep(0.5)
    return heard


def tell(title: str, one: Round) -> None:
    at = {q: one.at(q) * 1000 for q in (0.5, 0.95, 0.99)}
    print(
        f"{title}: p50 {at[0.5]:.0f} ms, p95 {at[0.95]:.0f} ms, p99 {at[0.99]:.0f} ms, "
        f"most {one.waited[-1] * 1000:.0f} ms; {len(one.waited)} heard, {one.missing} missing; "
        f"receipts {one.cpu_s:.1f} s of CPU, {one.megabytes} MB",
        flush=True,
    )


def main() -> None:
    arguments = _arguments()
    rounds: dict[bool, list[Round]] = {False: [], True: []}
    with choose_servers() as servers:
        for number in range(2 * arguments.rounds):
            with_bad, namespace = number % 2 == 1, new_namespace("bench")
            dead, slow = (arguments.dead, arguments.slow) if with_bad else (0, 0)
            sizes = Sizes(arguments.good, dead, slow, arguments.per_s, arguments.seconds)
            try:
                played = asyncio.run(play(sizes, servers.kafka_url, servers.mongo_url, namespace))
            finally:
                drop_namespace(servers.kafka_url, servers.mongo_url, namespace)
            rounds[with_bad].append(played)
            tell(f"{arguments.good} good, {dead} dead, {slow} slow", played)
    for q in (0.5, 0.95, 0.99):
        without, with_bad_ = (
            statistics.median(one.at(q) for one in rounds[kind]) for kind in (False, True)
        )
        print(f"p{q * 100:.0f} with the bad ones / without: {with_bad_ / without:.2f}")


if __name__ == "__main__":
    main()
