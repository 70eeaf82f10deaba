"""Processes that freeze, are replaced, or are not ours: nothing is lost, nothing is sent twice."""

import asyncio
import signal

import pytest

from tests.fault.carriers import worry
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
FROZEN_S = 12.0
"""Longer than the consumers' session timeout, 10 s: the group goes on without the frozen one."""


@pytest.mark.parametrize("service", ["router", "carrier-adapter", "receipts"])
async def test_a_service_frozen_past_its_session_loses_nothing_and_sends_once(
    world: World, service: str
) -> None:
    async with load(world, EVENTS, RATE) as flow:
        await flow.past(0.2)
        world.stack.signal(service, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        world.stack.signal(service, signal.SIGCONT)
    await conserved(world, flow.accepted, most_in_doubt=2 * MOST_IN_DOUBT)


async def test_a_rolling_restart_loses_nothing_and_leaves_nothing_in_doubt(world: World) -> None:
    for channel in world.channels():
        await world.ends.carrier(channel, lose_answer_ratio=0)
    async with load(world, EVENTS, RATE / 2) as flow:
        await flow.past(0.2)
        for service in SERVICES:
            await asyncio.to_thread(world.stack.restart, service)
    await conserved(world, flow.accepted, most_in_doubt=0)


async def test_kill_of_the_carriers_loses_nothing_and_sends_once(world: World) -> None:
    async with load(world, EVENTS, RATE) as flow:
        await flow.past(0.4)
        world.stack.kill("simulators")
        await asyncio.to_thread(world.stack.wait_ready, "simulators")
        await worry(world)
    await conserved(world, flow.accepted, most_in_doubt=2 * MOST_IN_DOUBT)


async def test_a_customer_that_is_away_is_told_everything_afterwards(world: World) -> None:
    async with load(world, EVENTS, RATE) as flow:
        await flow.past(0.2)
        await world.ends.behave("customers", "demo-sms", {"down": True})
        await flow.past(0.8)
        await world.ends.behave("customers", "demo-sms", {"down": False})
    await conserved(world, flow.accepted, most_in_doubt=MOST_IN_DOUBT)
