"""kill -9 of mongod and of Kafka while messages flow: nothing is lost, nothing is sent twice."""

import asyncio

import pytest

from tests.support.conservation import conserved
from tests.support.load import load
from tests.support.world import World
from yizhan_local.servers import PrivateServers

pytestmark = [
    pytest.mark.fault,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

EVENTS = 1_600
RATE = 200.0
MOST_IN_DOUBT = 150


async def test_kill_of_mongod_loses_nothing_and_sends_once(
    world: World, own_servers: PrivateServers
) -> None:
    async with load(world, EVENTS, RATE) as flow:
        await flow.past(0.4)
        own_servers.mongo.kill()
        await asyncio.sleep(3)
        await asyncio.to_thread(own_servers.mongo.start)
    await conserved(world, flow.accepted, most_in_doubt=MOST_IN_DOUBT)


async def test_kill_of_kafka_loses_nothing_and_sends_once(
    world: World, own_servers: PrivateServers
) -> None:
    async with load(world, EVENTS, RATE) as flow:
        await flow.past(0.4)
        own_servers.kafka.kill()
        await asyncio.sleep(1)
        await asyncio.to_thread(own_servers.kafka.start)
    await conserved(world, flow.accepted, most_in_doubt=MOST_IN_DOUBT, within_s=90)
