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
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from bench.growth.__main__ import SimulatedClock
from bench.ledger.records import say
from bench.processes import spent_by
from receipts.ledger import documents as docs
from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.ledger.adapters.mongo import CONTENTS, FACTS, MESSAGES, SETTLED, MongoLedger
from receipts.ledger.adapters.weekly import part_name
from receipts.ledger.decisions import SmsVerdict, Verdict
from receipts.ledger.weeks import Week
from yizhan_contracts.events import Medium, Status
from yizhan_contracts.reasons import Reason
from yizhan_local.mongod import MongoServer
from yizhan_runtime import Mongo
from yizhan_runtime.metrics import RuntimeMetrics

WORK = Path(".local/bench-removing")
_BATCH: Final = 1000
_KINDS: Final = (CONTENTS, FACTS, MESSAGES, SETTLED)
_SMS: Final = SmsVerdict(Status.DELIVERED, Reason.NONE, "000", None)
_VERDICT: Final = Verdict(Status.DELIVERED, Medium.SMS, Reason.NONE, "000", "alpha", 1, None, _SMS)


class Bench:
    """One ledger; weeks are put into it one after the other."""

    def __init__(self, mongo: Mongo, pid: int) -> None:
        self.clock = SimulatedClock()
        self.mongo = mongo
        self.ledger = MongoLedger(mongo, self.clock)
        self.eraser = LedgerEraser(self.ledger)
        self._pid = pid

    async def fill(self, count: int) -> tuple[Week, list[list[str]], float]:
        """Fill the next week; give it, the ids batch by batch, and mongod's us a message."""
        self.clock.time += timedelta(days=7)
        before = spent_by(self._pid).cpu_s
        batches = [await self._insert(first) for first in range(0, count, _BATCH)]
        cost = (spent_by(self._pid).cpu_s - before) / count * 1e6
        return Week.of_time(self.clock.time), batches, cost

    async def _insert(self, first: int) -> list[str]:
        said = say(_BATCH, seed=first, plain=True, now=self.clock.time)
        contents, messages, facts, settled = [], [], [], []
        for event in said.accepted:
            message = docs.message_document(event, event.valid_until)  # type: ignore[arg-type, attr-defined]
            raw = event.model_dump_json().encode()
            contents.append(docs.content_document(event, raw))  # type: ignore[arg-type]
            messages.append(message)
            accepted = docs.accepted_of(message)
            settled.append(docs.settled_document(accepted, _VERDICT, self.clock.time, "record"))
        for finished, receipt in zip(said.finished, said.receipts, strict=True):
            facts.append(docs.attempt_fact(finished, self.clock.time, 60.0))  # type: ignore[arg-type]
            facts.append(docs.receipt_fact(receipt, finished.attempt_id))  # type: ignore[arg-type, attr-defined]
        await self.ledger.insert_contents(contents)
        await self.ledger.insert_messages(messages)
        await self.ledger.insert_facts(facts)
        await self.ledger.insert_settled(settled)
        return [message["_id"] for message in messages]

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


async def measure(bench: Bench, count: int, weeks: int) -> dict[str, Any]:
    """Take weeks out, each in another way."""
    await bench.ledger.prepare()
    week, _, first_cost = await bench.fill(count)
    seen: dict[str, Any] = {"messages_a_week": count, "insert_us_with_1_week": round(first_cost)}

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

    async def write_anew() -> None:
        gone = {"$set": {"recipient": "", "erased_at": bench.clock.time}}
        for kind in (SETTLED, MESSAGES):
            name = part_name(kind, week)
            await bench.mongo.aggregate(name, [gone, {"$out": name}])

    seen["take numbers out by writing anew"] = await bench.cost(count, write_anew)
    for _ in range(weeks - 3):
        _, _, last_cost = await bench.fill(count)
    seen[f"insert_us_with_{weeks}_weeks"] = round(last_cost)
    return seen


async def main(arguments: argparse.Namespace) -> int:
    """Measure, print and keep."""
    shutil.rmtree(WORK, ignore_errors=True)
    server = MongoServer(WORK / "mongo")
    server.start()
    clock = SimulatedClock()
    mongo = Mongo(server.url, "receipts", 300.0, RuntimeMetrics(CollectorRegistry()), clock)
    try:
        bench = Bench(mongo, int(server.details()["pid"]))
        seen = await measure(bench, arguments.messages, arguments.weeks)
    finally:
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
