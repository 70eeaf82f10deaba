"""Yizhan's side: shipment events on Kafka, SMPP out, receipts in, settled and pushed."""

import asyncio
import os
import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bench.configuration import CONFIG, configuration
from bench.kannel.load import Load
from bench.load import ACCOUNT, publish_events, shipment_events
from bench.processes import Spent, spent_by_all
from yizhan_local.servers import PrivateServers
from yizhan_local.stack import Stack

_LOOK_EVERY_S = 0.1


@asynccontextmanager
async def running(work: Path, smsc_port: int) -> AsyncIterator[Stack]:
    """Run everything on servers of its own, with one SMPP channel to the message centre."""
    os.environ["BENCH_SMSC"] = f"127.0.0.1:{smsc_port}"  # the channel's url names it
    source = configuration(work, CONFIG / "bench-smpp")
    servers = PrivateServers(work / "servers")
    async with servers:
        namespace = f"bench-{secrets.token_hex(3)}."
        async with Stack(source, work, servers=servers, namespace=namespace) as stack:
            yield stack


async def pipeline_round(work: Path, smsc_port: int, smsc_pid: int, load: Load) -> dict[str, Any]:
    """Run the whole pipeline once against the message centre."""
    async with running(work, smsc_port) as stack, aiohttp.ClientSession() as http:
        pushes = Pushes(http, stack.simulators_url)
        await _run(stack, pushes, load.warm, load.within_s)
        pids = _pids(stack) | {"message centre": smsc_pid}
        before, own, begun = spent_by_all(pids), time.process_time(), time.monotonic()
        done = await _run(stack, pushes, load.count, load.within_s)
        seconds = time.monotonic() - begun
        own, now = time.process_time() - own, spent_by_all(pids)
        spent = {name: now[name] - before[name] for name in pids if name in now}
        spent["load"] = Spent(own, 0)
    return {
        "what": "yizhan",
        "sent": load.count,
        "done": done,
        "seconds": seconds,
        "cpu_us": {name: used.cpu_s / load.count * 1e6 for name, used in spent.items()},
    }


async def _run(stack: Stack, pushes: "Pushes", count: int, within_s: float) -> int:
    """Publish so many events; return how many of them were pushed to their customer."""
    state = stack.state()
    events = shipment_events(count, secrets.token_hex(3), random.Random(11))
    before = await pushes.acknowledged()
    publishing = asyncio.create_task(
        publish_events(state["kafka_url"], state["namespace"], events, 0)
    )
    pushed = await pushes.wait_for(before + count, within_s) - before
    await publishing
    return pushed


class Pushes:
    """What the simulated customer acknowledged: a message counts once."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = f"{url}/records/customers/{ACCOUNT}"

    async def summary(self) -> dict[str, Any]:
        """Tell what the customer counted."""
        async with self._http.get(self._url) as answer:
            return dict(await answer.json())

    async def acknowledged(self) -> int:
        """Count the messages of which a push was acknowledged."""
        return int((await self.summary())["sms_ids_acknowledged"])

    async def wait_for(self, count: int, within_s: float) -> int:
        """Wait until so many are; return how many, also when the time is over."""
        deadline = time.monotonic() + within_s
        while True:
            pushed = await self.acknowledged()
            if pushed >= count or time.monotonic() > deadline:
                return pushed
            await asyncio.sleep(_LOOK_EVERY_S)


def _pids(stack: Stack) -> dict[str, int]:
    state = stack.state()
    pids = {name: one["pid"] for name, one in state["services"].items()}
    pids |= {name: one["pid"] for name, one in state["servers"].items() if "pid" in one}
    return pids | {"customer": state["simulators"]["pid"]}
