"""``python -m bench.growth.removing``: what it costs mongod to take a week out, way by way.

The ledger's documents and indexes: dropping the week's collections, deleting by ids, taking numbers
out by ids and by writing the collections anew; and inserting with 1 and with 20 weeks there.
"""

import argparse
import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from bench.growth.filling import Filling, SimulatedClock
from bench.processes import spent_by
from receipts.ledger.adapters.collections import CONTENTS, FACTS, MESSAGES, SETTLED
from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.weeks import Week
from yizhan_local.mongod import MongoServer
from yizhan_runtime import Mongo
from yizhan_runtime.metrics import RuntimeMetrics

WORK = Path(".local/bench-removing")
_KINDS: Final = (CONTENTS, FACTS, MESSAGES, SETTLED)


class Bench:
    """One ledger; weeks are put into it one after the other."""

    def __init__(self, mongo: Mongo, pid: int) -> None:
        self.clock = SimulatedClock()
        self.mongo = mongo
        self.ledger = MongoLedger(mongo, self.clock)
        self.eraser = LedgerEraser(self.ledger, mongo)
        self._pid = pid

    async def fill(self, count: int) -> tuple[Week, list[list[str]], float]:
        """Fill the next week; give it, the ids batch by batch, and mongod's us a message."""
        before = spent_by(self._pid).cpu_s
        week, batches = await Filling(self.ledger, self.clock).fill_week(count)
        return week, batches, (spent_by(self._pid).cpu_s - before) / count * 1e6

    async def cost(self, count: int, work: Callable[[], Awaitable[object]]) -> dict[str, float]:
        """Give mongod's us a message, and the seconds, of some work. A checkpoint is in it."""
        before, begun = spent_by(self._pid).cpu_s, time.monotonic()
        await work()
        await asyncio.sleep(2)
        spent = spent_by(self._pid).cpu_s - before
        return {
            "mongod_us": round(spent / count * 1e6, 1),
            "seconds": round(time.monotonic() - begun - 2, 2),
        }


async def _insert_in_turns(
    full: Bench, fresh: Bench, count: int, weeks: int
) -> dict[str, list[int]]:
    """Insert a week here and there, in turns: other work on the machine is alike for both."""
    await fresh.ledger.prepare()
    costs: dict[str, list[int]] = {}
    for _ in range(3):
        for name, bench in (("a few weeks", fresh), (f"{weeks} weeks and more", full)):
            _, _, cost = await bench.fill(count)
            costs.setdefault(f"insert_us with {name}", []).append(round(cost))
    return costs


async def measure(bench: Bench, fresh: Bench, count: int, weeks: int) -> dict[str, Any]:
    """Take weeks out, each in another way."""
    await bench.ledger.prepare()
    week, _, _ = await bench.fill(count)
    seen: dict[str, Any] = {"messages_a_week": count}

    async def drop() -> None:
        for kind in _KINDS:
            await bench.eraser.drop(kind, week)

    seen["drop all of a week"] = await bench.cost(count, drop)
    _, batches, _ = await bench.fill(count)

    async def each(work: Callable[[list[str]], Awaitable[object]]) -> None:
        for batch in batches:
            await work(batch)

    seen["delete contents by ids"] = await bench.cost(
        count, lambda: each(bench.eraser.remove_contents)
    )
    seen["take numbers out by ids"] = await bench.cost(
        count, lambda: each(lambda ids: bench.eraser.remove_numbers(ids, bench.clock.time))
    )
    seen["delete all by ids"] = await bench.cost(
        count, lambda: each(lambda ids: bench.eraser.remove_all(ids, bench.clock.time))
    )
    week, _, _ = await bench.fill(count)

    seen["take numbers out by writing anew"] = await bench.cost(
        count, lambda: bench.eraser.remove_numbers_of_week(week, bench.clock.time)
    )
    for _ in range(weeks - 3):
        await bench.fill(count)
    seen |= await _insert_in_turns(bench, fresh, count, weeks)
    return seen


async def main(arguments: argparse.Namespace) -> int:
    """Measure, print and keep."""
    shutil.rmtree(WORK, ignore_errors=True)
    server = MongoServer(WORK / "mongo")
    server.start()
    mongos = [
        Mongo(server.url, name, 300.0, RuntimeMetrics(CollectorRegistry()), SimulatedClock())
        for name in ("full", "fresh")
    ]
    try:
        full, fresh = (Bench(mongo, int(server.details()["pid"])) for mongo in mongos)
        seen = await measure(full, fresh, arguments.messages, arguments.weeks)
    finally:
        for mongo in mongos:
            mongo.close()
        server.stop()
    print(json.dumps(seen, indent=2))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth.removing", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="a week")
    parser.add_argument("--weeks", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
