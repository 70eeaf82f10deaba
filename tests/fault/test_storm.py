"""One fault after the other, at random, while messages flow: nothing is lost or sent twice."""

import asyncio
import os
import random
import secrets
import signal
import time
from collections.abc import Callable

import pytest

from tests.fault.carriers import worry
from tests.support.conservation import conserved
from tests.support.load import load
from tests.support.notes import note
from tests.support.world import World
from yizhan_local.servers import PrivateServers

STORM_S = float(os.environ.get("YIZHAN_TEST_STORM_S", "20"))
SEED = int(os.environ.get("YIZHAN_TEST_STORM_SEED", secrets.randbits(32)))
RATE = 150.0

pytestmark = [
    pytest.mark.fault,
    pytest.mark.slow,
    pytest.mark.timeout(240 + 3 * STORM_S),
    pytest.mark.asyncio(loop_scope="session"),
]


class Storm:
    """Draws faults from a seed: the seed is in the figures."""

    def __init__(self, world: World, servers: PrivateServers) -> None:
        self._world = world
        self._servers = servers
        self._random = random.Random(SEED)
        self._names = [name for name in world.stack.names if name != "simulators"]
        self.faults: list[str] = []

    async def rage(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self._random.choices(
                (self._kill, self._freeze, self._kill_many, self._kill_mongod, self._kill_kafka),
                (10, 3, 2, 1, 1),
            )[0]()
            await asyncio.sleep(self._random.uniform(0.1, 2.5))

    async def _kill(self) -> None:
        name = self._random.choice(self._names)
        self.faults.append(f"kill {name}")
        await asyncio.to_thread(self._world.stack.kill, name)

    async def _kill_many(self) -> None:
        names = self._random.sample(self._names, 3)
        self.faults.append(f"kill {names}")
        await asyncio.gather(*(asyncio.to_thread(self._world.stack.kill, name) for name in names))

    async def _freeze(self) -> None:
        name, seconds = self._random.choice(self._names), self._random.choice((0.5, 4.0, 11.5))
        self.faults.append(f"freeze {name} {seconds} s")
        self._world.stack.signal(name, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._world.stack.signal(name, signal.SIGCONT)

    async def _kill_mongod(self) -> None:
        await self._kill_server(self._servers.mongo.kill, self._servers.mongo.start, "mongod")

    async def _kill_kafka(self) -> None:
        await self._kill_server(self._servers.kafka.kill, self._servers.kafka.start, "kafka")

    async def _kill_server(
        self, kill: Callable[[], None], start: Callable[[], object], name: str
    ) -> None:
        self.faults.append(f"kill {name}")
        await asyncio.to_thread(kill)
        await asyncio.to_thread(start)


async def test_a_storm_of_faults_loses_nothing_and_sends_once(
    world: World, own_servers: PrivateServers
) -> None:
    storm = Storm(world, own_servers)
    try:
        async with load(world, int(STORM_S * RATE), RATE) as flow:
            await flow.past(0.1)
            await storm.rage(STORM_S * 0.8)
    finally:
        note(f"seed {SEED}: {', '.join(storm.faults)}")
    await asyncio.to_thread(world.stack.wait_ready)
    await worry(world)
    await conserved(world, flow.accepted, most_in_doubt=len(flow.accepted) // 10, within_s=120)
