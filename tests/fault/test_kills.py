"""kill -9 of every process while messages flow: nothing is lost, nothing is sent twice."""

import asyncio

import pytest

from tests.support.conservation import conserved
from tests.support.load import load
from tests.support.world import SERVICES, World

pytestmark = [
    pytest.mark.fault,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

EVENTS = 1_600
RATE = 200.0
MOST_IN_DOUBT = 150
"""Lost answers (1 % of submits, of up to 50 messages) and what was on its way at the kill."""


@pytest.mark.parametrize("service", SERVICES)
async def test_kill_of_a_service_loses_nothing_and_sends_once(world: World, service: str) -> None:
    async with load(world, EVENTS, RATE) as flow:
        await flow.past(0.4)
        world.stack.kill(service)
    await conserved(world, flow.accepted, most_in_doubt=MOST_IN_DOUBT)


@pytest.mark.parametrize("service", ["router", "carrier-adapter", "receipts"])
async def test_two_kills_within_a_second_lose_nothing_and_send_once(
    world: World, service: str
) -> None:
    async with load(world, EVENTS, RATE) as flow:
        await flow.past(0.4)
        world.stack.kill(service)
        await asyncio.sleep(0.7)
        world.stack.kill(service)
    await conserved(world, flow.accepted, most_in_doubt=MOST_IN_DOUBT)


async def test_kill_of_all_services_at_once_loses_nothing_and_sends_once(world: World) -> None:
    async with load(world, EVENTS, RATE) as flow:
        await flow.past(0.4)
        await asyncio.gather(*(asyncio.to_thread(world.stack.kill, name) for name in SERVICES))
    await conserved(world, flow.accepted, most_in_doubt=MOST_IN_DOUBT)
