"""``python -m bench.exports``: rows a second of an export, CSV and XLSX, and what it does beside.

The service's own code over a mongod of its own: the job until its last part is stored, then its
file until its last byte. Prints rows/s, CPU of mongod and of this process, the largest memory, and
how late the event loop was, which everything else of an instance shares.
"""

import argparse
import asyncio
import json
import resource
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from prometheus_client import CollectorRegistry

from bench.growth.filling import Filling
from bench.growth.removing import Bench as Ledger
from bench.ledger.house import ACCOUNT
from bench.processes import spent_by
from receipts.exports.adapters.mongo import MongoExports
from receipts.exports.adapters.rows import LedgerRows
from receipts.exports.domain import Export, ExportQuery, Format, Shown
from receipts.exports.runner import ExportRunner, ExportTerms
from receipts.exports.service import Exports
from receipts.metrics import Metrics
from yizhan_local.mongod import MongoServer
from yizhan_runtime import Mongo, SystemClock
from yizhan_runtime.metrics import RuntimeMetrics

WORK = Path(".local/bench-exports")
OUT = Path("bench/out")
_TICK_S: Final = 0.01


class Lateness:
    """How much later than it asked a task of the event loop is woken."""

    def __init__(self) -> None:
        self._late: list[float] = []

    async def watch(self) -> None:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(_TICK_S)
            self._late.append(time.monotonic() - begun - _TICK_S)

    def told(self) -> dict[str, float]:
        cuts = quantiles([*self._late, 0.0, 0.0], n=100)  # it may be over before a tick
        return {
            "p50_ms": round(cuts[49] * 1000, 1),
            "p99_ms": round(cuts[98] * 1000, 1),
            "max_ms": round(max(self._late, default=0.0) * 1000, 1),
        }


class Bench:
    """Exports over a ledger that is full."""

    def __init__(self, ledger: Ledger, pid: int) -> None:
        self._ledger = ledger
        self._pid = pid
        self._store = MongoExports(ledger.mongo)
        self._rows = LedgerRows(ledger.ledger)
        self._metrics = Metrics(CollectorRegistry())
        self._clock = SystemClock()

    async def export(self, file_format: Format, share: float) -> dict[str, Any]:
        """Make one export and read its file."""
        await self._store.prepare()
        exports = Exports(self._store, self._rows, self._clock, timedelta(days=1))
        query = ExportQuery(
            account_id=ACCOUNT,
            since=datetime(2025, 1, 1, tzinfo=UTC),
            until=self._ledger.clock.now() + timedelta(days=1),
        )
        shown = Shown(format=file_format, personal=True, text=True)
        export = await exports.begin(query, shown, f"{file_format}{share}", key_stays=False)
        terms = ExportTerms(share=share)
        runner = ExportRunner(self._store, self._rows, self._clock, self._metrics, "b", terms)
        made, rows = await self._measured(self._turns(runner))
        done = await exports.load(export.export_id) or export
        target = WORK / f"messages.{file_format}"
        read, size = await self._measured(self._read(exports, done, target))
        return {
            "format": file_format,
            "share": share,
            "rows": done.rows,
            "rows_per_s": round(done.rows / made["seconds"]),
            "parts": rows,
            "stored_mb": round(done.size / 1e6, 1),
            "made": made,
            "file_mb": round(size / 1e6, 1),
            "read": read,
            "read_rows_per_s": round(done.rows / read["seconds"]),
            "largest_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }

    async def _turns(self, runner: ExportRunner) -> int:
        turns = 0
        while await runner.turn():
            turns += 1
        return turns

    async def _read(self, exports: Exports, export: Export, target: Path) -> int:
        size = 0
        with await asyncio.to_thread(target.open, "wb") as file:
            async for piece in exports.file(export):
                await asyncio.to_thread(file.write, piece)
                size += len(piece)
        return size

    async def _measured(self, work: Any) -> tuple[dict[str, Any], int]:  # noqa: ANN401 - awaited
        late = Lateness()
        watching = asyncio.create_task(late.watch())
        mongod, own, begun = spent_by(self._pid).cpu_s, time.process_time(), time.monotonic()
        result = await work
        told = {
            "seconds": round(time.monotonic() - begun, 2),
            "own_cpu_s": round(time.process_time() - own, 2),
            "mongod_cpu_s": round(spent_by(self._pid).cpu_s - mongod, 2),
            "loop_late": late.told(),
        }
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        return told, result


async def main(arguments: argparse.Namespace) -> int:
    """Fill a ledger, export it in both formats, print and keep what was seen."""
    shutil.rmtree(WORK, ignore_errors=True)
    server = MongoServer(WORK / "mongo")
    server.start()
    mongo = Mongo(server.url, "receipts", 60.0, RuntimeMetrics(CollectorRegistry()), SystemClock())
    try:
        ledger = Ledger(mongo, int(server.details()["pid"]))
        await ledger.ledger.prepare()
        await Filling(ledger.ledger, ledger.clock).fill(arguments.messages, 200_000)
        bench = Bench(ledger, int(server.details()["pid"]))
        wanted = [(Format.CSV, 1.0), (Format.XLSX, 1.0), (Format.CSV, 0.5)]
        seen = [await bench.export(file_format, share) for file_format, share in wanted]
    finally:
        mongo.close()
        server.stop()
    print(json.dumps(seen, indent=2))
    _keep(seen)
    return 0


def _keep(seen: list[dict[str, Any]]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"exports-{datetime.now(UTC):%Y%m%dT%H%M%S}.json").write_text(json.dumps(seen, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.exports", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
