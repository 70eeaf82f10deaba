"""``python -m bench.growth``: what a message costs while the ledger grows, and weeks are dropped.

The ledger's own code on a mongod of its own: each message accepted, submitted, delivered. Time is
simulated, so that so many of them make a week; retention runs beside the inserts once a day of that
time. Every so often the same is done with an empty ledger beside it: on a busy machine only the
ratio of the two says whether a message costs the same. Prints mongod's and this process's CPU a
message, p95 of the handlers' batches, and the sizes of what is kept.
"""

import argparse
import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from prometheus_client import CollectorRegistry

from bench.growth.filling import BATCH, Filling, SimulatedClock
from bench.ledger.records import say
from bench.processes import spent_by
from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.consequences import Consequences
from receipts.ledger.deliveries import Deliveries
from receipts.ledger.service import Ledger, Terms
from receipts.metrics import Metrics
from receipts.retention.adapters.mongo import MongoRetention
from receipts.retention.policy import Policies, Policy
from receipts.retention.service import Retention, RetentionTerms
from yizhan_contracts.events import Event
from yizhan_local.mongod import MongoServer
from yizhan_runtime import Mongo
from yizhan_runtime.metrics import RuntimeMetrics

WORK = Path(".local/bench-growth")
OUT = Path("bench/out")
_WINDOW: Final = 10
"""Batches that are measured together."""
_WEEK_S: Final = 7 * 86_400


class NoKafka:
    """Takes what is published: here only the store is measured."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Do nothing."""


@dataclass
class Bench:
    """A ledger, and how much of it is kept."""

    mongo: Mongo
    clock: SimulatedClock
    mongod_pid: int
    ledger: Ledger
    retention: Retention
    per_week: int
    sent: int = 0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    retaining: asyncio.Task[bool] | None = None
    retains: bool = True

    async def prepare(self) -> None:
        await MongoLedger(self.mongo, self.clock).prepare()

    async def fill_to(self, count: int) -> None:
        """Fill it, without the service, until it holds so many."""
        filling = Filling(MongoLedger(self.mongo, self.clock), self.clock)
        await filling.fill(count - self.sent, self.per_week)
        self.sent = count

    async def settle_down(self) -> None:
        """Wait for retention, and for what mongod does behind."""
        if self.retaining is not None:
            await self.retaining
            self.retaining = None

    async def clear(self) -> None:
        for name in await self.mongo.collection_names():
            await self.mongo.drop(name)
        self.mongo.close()

    async def window(self, *, retains: bool = True) -> dict[str, Any]:
        """Take ten batches through all of their stages, and say what they cost."""
        self.seconds, self.retains = {}, retains
        mongod, own, begun = spent_by(self.mongod_pid).cpu_s, time.process_time(), time.monotonic()
        for _ in range(_WINDOW):
            await self._batch()
        seconds, count = time.monotonic() - begun, _WINDOW * BATCH
        return {
            "sent": self.sent,
            "day": self.clock.time.date().isoformat(),
            "messages_per_s": round(count / seconds),
            "mongod_us": round((spent_by(self.mongod_pid).cpu_s - mongod) / count * 1e6),
            "own_us": round((time.process_time() - own) / count * 1e6),
            "p95_ms": {name: _p95_ms(took) for name, took in self.seconds.items()},
            "retention_runs": self.retaining is not None and not self.retaining.done(),
        }

    async def _batch(self) -> None:
        passed_s = _WEEK_S * BATCH / self.per_week
        before, self.clock.time = self.clock.time, self.clock.time + timedelta(seconds=passed_s)
        said = say(BATCH, seed=self.sent, plain=True, now=self.clock.time)
        raw = [(event, event.model_dump_json().encode()) for event in said.accepted]
        await self._timed("accepted", self.ledger.record_accepted(raw))  # type: ignore[arg-type]
        await self._timed("attempts", self.ledger.record_attempts(said.finished))  # type: ignore[arg-type]
        await self._timed("receipts", self.ledger.record_receipts(said.receipts))  # type: ignore[arg-type]
        self.sent += BATCH
        if self.retains and before.day != self.clock.time.day:
            await self._retain()

    async def _retain(self) -> None:
        """Begin a run of retention, unless one is still at work."""
        if self.retaining is not None and self.retaining.done():
            self.retaining.result()
            self.retaining = None
        if self.retaining is None:
            self.retaining = asyncio.create_task(self.retention.turn())

    async def _timed(self, name: str, work: Awaitable[None]) -> None:
        begun = time.monotonic()
        await work
        self.seconds.setdefault(name, []).append(time.monotonic() - begun)

    async def sizes(self) -> dict[str, Any]:
        """Give what is kept, by kind: documents, and megabytes of data and of indexes on disk."""
        kept: dict[str, list[float]] = {}
        for name in sorted(await self.mongo.collection_names()):
            stats = await self.mongo.aggregate(name, [{"$collStats": {"storageStats": {}}}])
            storage = stats[0]["storageStats"]
            figures = (
                storage["count"],
                storage["storageSize"] / 1e6,
                storage["totalIndexSize"] / 1e6,
            )
            before = kept.get(name.partition(".")[0], [0, 0, 0, 0])
            kept[name.partition(".")[0]] = [
                round(old + new) for old, new in zip(before, (*figures, 1), strict=True)
            ]
        names = ("documents", "storage_mb", "index_mb", "parts")
        return {kind: dict(zip(names, figures, strict=True)) for kind, figures in kept.items()}


def _p95_ms(seconds: list[float]) -> float:
    return round(quantiles(seconds, n=20)[18] * 1000, 1)


def _make(mongo: Mongo, clock: SimulatedClock, pid: int, arguments: argparse.Namespace) -> Bench:
    metrics = Metrics(CollectorRegistry())
    store = MongoLedger(mongo, clock)
    deliveries = Deliveries("bench", "bench")
    consequences = Consequences(store, NoKafka(), clock, metrics, 10.0)
    policies = Policies(
        default=Policy(contents_days=10, numbers_days=arguments.numbers, all_days=arguments.days)
    )
    eraser, beside = LedgerEraser(store, mongo), MongoRetention(mongo)
    return Bench(
        mongo,
        clock,
        pid,
        Ledger(store, consequences, clock, metrics, deliveries, Terms()),
        Retention(eraser, beside, policies, clock, metrics, "bench", RetentionTerms(share=0.3)),
        arguments.per_week,
    )


async def main(arguments: argparse.Namespace) -> int:
    """Grow, and print each window; keep them all."""
    shutil.rmtree(WORK, ignore_errors=True)
    server = MongoServer(WORK / "mongo")
    server.start()
    clock = SimulatedClock()
    pid = int(server.details()["pid"])

    def connect(name: str) -> Mongo:
        return Mongo(server.url, name, 60.0, RuntimeMetrics(CollectorRegistry()), clock)

    mongo = connect("receipts")
    try:
        seen = await _grow(
            _make(mongo, clock, pid, arguments),
            lambda: _make(connect("empty"), clock, pid, arguments),
            arguments,
        )
    finally:
        mongo.close()
        server.stop()
    _keep(seen)
    return 0


def _keep(seen: list[dict[str, Any]]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"growth-{datetime.now(UTC):%Y%m%dT%H%M%S}.json").write_text(json.dumps(seen, indent=2))


async def _grow(
    bench: Bench, beside: Callable[[], Bench], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Compare at each point; then go on, with retention beside, until weeks have been dropped."""
    seen: list[dict[str, Any]] = []
    await bench.prepare()
    for point in arguments.points:
        await bench.fill_to(point)
        seen.append(_told(await _compare(bench, beside())))
    seen += [_told(await bench.window()) for _ in range(arguments.on)]
    await bench.settle_down()
    seen.append(_told(await _compare(bench, beside())))
    return seen


def _told(seen: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(seen), flush=True)
    return seen


async def _compare(bench: Bench, empty: Bench) -> dict[str, Any]:
    """Do the same with the ledger, with an empty one and with the ledger again, undisturbed."""
    await bench.settle_down()
    await empty.prepare()
    kept = await bench.sizes()
    both = [await one.window(retains=False) for one in (bench, empty, bench)]
    await empty.clear()
    full_us = (both[0]["mongod_us"] + both[2]["mongod_us"]) / 2
    return {
        "kept": kept,
        "compared": both,
        "to_an_empty_one": round(full_us / both[1]["mongod_us"], 2),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument(
        "--points", type=int, nargs="*", default=[10_000, 100_000, 1_000_000], help="messages"
    )
    parser.add_argument("--on", type=int, default=10, help="windows after the last point")
    parser.add_argument("--per-week", type=int, default=200_000)
    parser.add_argument("--numbers", type=int, default=35, help="days that numbers are kept")
    parser.add_argument("--days", type=int, default=35, help="days that all the rest is kept")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
