"""Kannel's side: HTTP in, SMPP out, receipts out by HTTP; every message until its receipt."""

import asyncio
import random
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.kannel.gateway import Kannel
from bench.kannel.http import Requests, Sink
from bench.kannel.load import Load
from bench.processes import Spent, spent_by_all

CONNECTIONS = 64  # 8 are slower by a fifth; 256 overrun smsbox, which resets some
TEXT = "[Yizhan] Ihre Sendung {0} wurde abgeholt und ist unterwegs zu Ihnen."


class Receipts:
    """What came back: each message counts once."""

    def __init__(self) -> None:
        self.numbers: set[bytes] = set()
        self.twice = 0
        self._wanted = 0
        self._all = asyncio.Event()

    def expect(self, count: int) -> None:
        """Count from the start, up to this many."""
        self.numbers.clear()
        self.twice, self._wanted = 0, count
        self._all.clear()

    def took(self, path: bytes) -> None:
        """Take one receipt: its path ends with the number of the message."""
        number = path.rpartition(b"=")[2]
        self.twice += number in self.numbers
        self.numbers.add(number)
        if len(self.numbers) >= self._wanted:
            self._all.set()

    async def wait(self, within_s: float) -> None:
        """Wait for the last one, or until the time is over."""
        try:
            async with asyncio.timeout(within_s):
                await self._all.wait()
        except TimeoutError:
            return


async def kannel_round(work: Path, smsc_port: int, smsc_pid: int, load: Load) -> dict[str, Any]:
    """Run Kannel once against the message centre."""
    receipts, count = Receipts(), load.count
    gateway = Kannel(work, smsc_port, load.window, is_stored=load.is_stored)
    async with Sink(receipts.took) as sink, gateway as kannel:
        await _bound(kannel, sink, receipts, load)
        await _run(kannel, sink, receipts, load, load.warm)
        pids = {**kannel.pids, "message centre": smsc_pid}
        before, own, begun = spent_by_all(pids), time.process_time(), time.monotonic()
        requests = await _run(kannel, sink, receipts, load, count)
        seconds = time.monotonic() - begun
        own = time.process_time() - own
        now = spent_by_all(pids)
        spent = {name: now[name] - before[name] for name in pids}
        spent["load and receiver"] = Spent(own, 0)
    return {
        "what": "kannel",
        "sent": count,
        "done": len(receipts.numbers),
        "twice": receipts.twice,
        "refused": {status.decode(): number for status, number in requests.refused.items()},
        "seconds": seconds,
        "cpu_us": {name: used.cpu_s / count * 1e6 for name, used in spent.items()},
    }


async def _run(kannel: Kannel, sink: Sink, receipts: Receipts, load: Load, count: int) -> Requests:
    receipts.expect(count)
    paths = _paths(kannel, sink.port, count)
    requests = Requests(kannel.sendsms_port, paths, CONNECTIONS, is_kept=load.is_kept)
    await requests.run()
    await receipts.wait(load.within_s)
    return requests


def _paths(kannel: Kannel, sink_port: int, count: int) -> Iterator[bytes]:
    run, drawn = secrets.token_hex(3), random.Random(11)
    for number in range(count):
        text = quote(TEXT.format(f"B{run}{number:07d}"))
        url = quote(f"http://127.0.0.1:{sink_port}/dlr?n={number}", safe="")
        to = f"%2B4915123{drawn.randrange(10**6):06d}"
        yield kannel.sendsms(to, "Yizhan", text, url)


async def _bound(kannel: Kannel, sink: Sink, receipts: Receipts, load: Load) -> None:
    """Wait until one message has gone all the way: the bind stands."""
    async with asyncio.timeout(30):
        while not receipts.numbers:
            await _run(kannel, sink, receipts, replace(load, within_s=2), 1)
