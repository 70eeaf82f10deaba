"""Concurrent reservations against one package, from several processes, on a real MongoDB.

    python -m services.ingest.tests.bench_quota [reservations] [processes]

``YIZHAN_MONGO_URL`` names the server. Prints what was reserved, what was refused, what is left.
Ends with 1 unless left is exactly what was bought minus what was reserved.
"""

import asyncio
import multiprocessing
import os
import secrets
import sys
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry
from services.ingest.tests.unit.fakes import FakeInputs, FakePublisher

from ingest.metrics import IngestMetrics
from ingest.quota.keeper import Keeper
from ingest.quota.mongo import MongoWallets
from ingest.quota.purse import Purse
from ingest.quota.wallet import Package, PackageKind, Wallet
from yizhan_runtime.clock import SystemClock
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.mongo import Mongo

KIND = PackageKind.DOMESTIC


def mongo(database: str) -> Mongo:
    url = os.environ.get("YIZHAN_MONGO_URL", "mongodb://127.0.0.1:27017")
    return Mongo(url, database, 30.0, RuntimeMetrics(CollectorRegistry()), SystemClock())


class Process:
    """One process's purse. What it reserved is counted here, as inputs would be in the store."""

    def __init__(self, wallets: MongoWallets) -> None:
        self.purse = Purse(
            wallets,
            FakeInputs(),
            SystemClock(),
            owner=str(os.getpid()),
            draw_id=lambda: secrets.token_hex(8),
        )
        self.reserved, self.refused = 0, 0

    async def reserve(self, name: str, units: int) -> None:
        """Reserve as one request does that has a round to itself."""
        with self.purse.open_till() as till:
            while True:
                paid = till.pay(name, "bench", KIND, units)
                if not await till.refill():
                    break
            till.storing()
            await asyncio.sleep(0)
            await till.settle(())
        if isinstance(paid, str):
            self.reserved += units
        else:
            self.refused += 1


@asynccontextmanager
async def opened(database: str) -> Any:
    store = mongo(database)
    wallets = MongoWallets(store, SystemClock())
    await wallets.feed.load()
    try:
        yield wallets
    finally:
        store.close()


async def work(database: str, number: int, count: int) -> tuple[int, int, float]:
    """Make ``count`` reservations at once; give reserved units, refusals and seconds."""
    async with opened(database) as wallets:
        process = Process(wallets)
        wallets.watch(process.purse.put_wallet)
        keeper = Keeper(
            process.purse,
            wallets,
            FakeInputs(),
            FakePublisher(),
            clock=SystemClock(),
            metrics=IngestMetrics(CollectorRegistry()),
        )
        begun = time.perf_counter()
        await asyncio.gather(*(process.reserve(f"{number}-{n}", n % 3 + 1) for n in range(count)))
        seconds = time.perf_counter() - begun
        await keeper.close_all()
        return process.reserved, process.refused, seconds


def run_work(database: str, number: int, count: int) -> tuple[int, int, float]:
    return asyncio.run(work(database, number, count))


async def prepare(database: str, bought: int) -> None:
    async with opened(database) as wallets:
        one = Wallet("bench", 1, packages={KIND: Package(bought=bought)})
        await wallets.open([one], "bench", "bench")


async def outcome(database: str) -> tuple[Package, int]:
    async with opened(database) as wallets:
        wallet = await wallets.find("bench")
        assert wallet is not None
        (document,) = await wallets._mongo.find("wallets", {"_id": "bench"})
        await wallets._mongo._client.drop_database(database)
        return wallet.package(KIND), document["version"]


def main(arguments: Sequence[str]) -> int:
    count = int(arguments[0]) if arguments else 100_000
    processes = int(arguments[1]) if len(arguments) > 1 else 4
    each, database = count // processes, f"bench_quota_{secrets.token_hex(3)}"
    bought = count * 3 // 2  # three quarters of what is asked for
    asyncio.run(prepare(database, bought))
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as workers:
        futures = [workers.submit(run_work, database, n, each) for n in range(processes)]
        done: Collection[tuple[int, int, float]] = [future.result() for future in futures]
    reserved, refused = sum(one[0] for one in done), sum(one[1] for one in done)
    package, updates = asyncio.run(outcome(database))
    is_exact = package.left == bought - reserved == bought - package.spent >= 0
    sys.stdout.write(
        f"{each * processes} reservations at once from {processes} processes, "
        f"{max(one[2] for one in done):.1f} s: bought {bought}, reserved {reserved}, "
        f"left {package.left}, open leases {len(package.leases)}, {refused} refused, "
        f"{updates} updates of the wallet. {'Exact' if is_exact else 'NOT EXACT'}\n"
    )
    return 0 if is_exact and not package.leases else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
