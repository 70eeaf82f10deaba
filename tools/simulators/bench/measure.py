"""Measures what the simulators cost: messages a second and CPU time a message, receipts on.

    python tools/simulators/bench/measure.py --rate 2000 --seconds 10 --batch 50

Starts the simulators as a process of their own, posts messages at a rate (0: as fast as they go),
takes the receipts, and reads the process's CPU time from /proc.
"""  # noqa: INP001 - a program, not a package

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

_TEXT = "【驿站】您的包裹 {0} 已到达 {0} 号柜，请凭取件码 {0} 领取。Your parcel {0} is waiting."
_COUNTRIES = ("+86138", "+3361234", "+4915112", "+12025", "+81901234", "+447400", "+91981234")


@dataclass
class Tally:
    """What the load saw."""

    posts: int = 0
    accepted: int = 0
    receipts: int = 0
    receipt_posts: int = 0
    latencies: list[float] = field(default_factory=list)


def cpu_s(pid: int) -> tuple[float, float]:
    """Return the CPU seconds a process has used, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    own, kernel = int(fields[11]), int(fields[12])
    return own / os.sysconf("SC_CLK_TCK"), kernel / os.sysconf("SC_CLK_TCK")


def bytes_in(directory: str) -> int:
    """Return the size of the files in a directory."""
    return sum(file.stat().st_size for file in Path(directory).iterdir())


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def simulators(record_dir: str) -> Iterator[tuple[int, str]]:
    """Run the simulators, yield process id and URL."""
    command = [sys.executable, "-m", "yizhan_simulators", "--port", "0", "--record-dir", record_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None  # noqa: S101
            yield process.pid, json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


async def receiver(tally: Tally) -> tuple[web.AppRunner, str]:
    """Take receipts, as cheaply as can be."""

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        tally.receipts += body.count(b'"state"')
        tally.receipt_posts += 1
        return web.Response()

    app = web.Application()
    app.router.add_post("/{tail:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/receipts/token"


def bodies(callback: str, batch: int) -> Iterator[bytes]:
    """Return submits without end, each ref new."""
    number = 0
    while True:
        messages = []
        for _ in range(batch):
            number += 1
            prefix = _COUNTRIES[number % len(_COUNTRIES)]
            message = {
                "ref": f"{number:032x}-1",
                "to": f"{prefix}{number % 10**6:06d}",
                "from": "YIZHAN",
                "text": _TEXT.format(number),
                "validity_s": 300,
                "callback": callback,
            }
            messages.append(message)
        yield json.dumps({"messages": messages}, ensure_ascii=False).encode()


async def submit(session: aiohttp.ClientSession, url: str, body: bytes, tally: Tally) -> None:
    """Post one submit."""
    started = time.perf_counter()
    headers = {"Authorization": "Bearer x"}
    async with session.post(f"{url}/bench/messages", data=body, headers=headers) as response:
        answer = await response.read()
    tally.latencies.append(time.perf_counter() - started)
    tally.posts += 1
    tally.accepted += answer.count(b'"accepted"')


async def load(url: str, options: argparse.Namespace, tally: Tally, callback: str) -> None:
    """Post at the rate asked for, at most 32 submits at a time."""
    source = bodies(callback, options.batch)
    pace_s = options.batch / options.rate if options.rate else 0
    started = time.monotonic()
    gate = asyncio.Semaphore(32)
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:

        async def one(body: bytes) -> None:
            try:
                await submit(session, url, body, tally)
            finally:
                gate.release()

        posted = 0
        while time.monotonic() - started < options.seconds:
            await asyncio.sleep(max(0, started + posted * pace_s - time.monotonic()))
            await gate.acquire()
            group.create_task(one(next(source)))
            posted += 1


async def measure(options: argparse.Namespace) -> None:
    """Run the load once and print the figures."""
    tally = Tally()
    runner, callback = await receiver(tally)
    with tempfile.TemporaryDirectory() as records, simulators(records) as (pid, url):
        before, started = cpu_s(pid), time.monotonic()
        await load(url, options, tally, callback)
        seconds = time.monotonic() - started
        await asyncio.sleep(2)  # the receipts of the last submits
        own, kernel = (now - then for now, then in zip(cpu_s(pid), before, strict=True))
        written = bytes_in(records)
        latencies = sorted(tally.latencies)
        print(
            f"messages {tally.accepted}  {tally.accepted / seconds:.0f}/s  "
            f"receipts {tally.receipts} in {tally.receipt_posts} posts  "
            f"CPU {(own + kernel) / tally.accepted * 1e6:.1f} us/message "
            f"({kernel / tally.accepted * 1e6:.1f} of it the kernel's)  "
            f"{written / tally.accepted:.0f} B/message recorded  RSS {resident_mb(pid):.0f} MB  "
            f"submit p50 {latencies[len(latencies) // 2] * 1e3:.1f} ms "
            f"p99 {latencies[int(len(latencies) * 0.99)] * 1e3:.1f} ms"
        )
    await runner.cleanup()


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--rate", type=float, default=2000, help="messages a second; 0: all it takes"
    )
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--batch", type=int, default=50)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
