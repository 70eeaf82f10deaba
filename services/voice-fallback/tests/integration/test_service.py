"""The service on real Kafka and MongoDB, ringing through the simulated provider over HTTP."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from yizhan_contracts.events import CallOutcome
from yizhan_contracts.reasons import Reason

from .world import Ledger, Simulators, World, free_port, ledger, requests, simulators

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(
    kafka_url: str, mongo_url: str, namespace: str, tmp_path: Path
) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        world = World(kafka_url, mongo_url, namespace, tmp_path, stack)
        await world.begin()
        yield world


@pytest.fixture
async def sims() -> AsyncIterator[Simulators]:
    async with simulators() as running:
        yield running


@pytest.fixture
async def asked() -> AsyncIterator[Ledger]:
    async with ledger() as running:
        yield running


async def test_calls_ring_again_where_nobody_answers_and_each_ring_is_ordered_once(
    world: World, sims: Simulators, asked: Ledger
) -> None:
    await sims.set(ring_ms=100, numbers={"+8613800000000": "no-answer", "+8613800000001": "busy"})
    await world.publish(calls := requests(20))
    async with world.voice(sims, asked):
        finished = await world.finished(20)
    outcomes = Counter(one.outcome for one in finished)
    assert outcomes == {CallOutcome.ANSWERED: 18, CallOutcome.NO_ANSWER: 1, CallOutcome.BUSY: 1}
    assert {one.message_id for one in finished} == {one.message_id for one in calls}
    rung = (await sims.records())["by_ref"]
    assert len(rung) == 22
    assert all(len(times) == 1 for times in rung.values())
    assert all(one.answered_at for one in finished if one.outcome is CallOutcome.ANSWERED)
    assert {one.provider for one in finished} == {"vox"}


async def test_settled_messages_are_not_rung_and_a_ledger_that_is_away_is_asked_again(
    world: World, sims: Simulators, asked: Ledger
) -> None:
    await sims.set(ring_ms=50)
    calls = requests(10)
    asked.settled.update(one.message_id for one in calls[:4])
    asked.is_away = True
    await world.publish(calls)
    async with world.voice(sims, asked):
        await asyncio.sleep(1.5)
        assert not await world.read()
        asked.is_away = False
        finished = await world.finished(10)
    outcomes = Counter(one.outcome for one in finished)
    assert outcomes == {CallOutcome.ANSWERED: 6, CallOutcome.CANCELLED: 4}
    assert len((await sims.records())["by_ref"]) == 6


async def test_lost_answers_and_missing_reports_end_the_call(
    world: World, sims: Simulators, asked: Ledger
) -> None:
    await sims.set(ring_ms=50, lose_answer_ratio=0.5, numbers={"+8613800000000": "none"})
    await world.publish(requests(10))
    async with world.voice(sims, asked):
        finished = await world.finished(10)
    by_outcome = Counter(one.outcome for one in finished)
    assert by_outcome == {CallOutcome.ANSWERED: 9, CallOutcome.UNKNOWN: 1}


async def test_a_refusal_ends_the_call_with_the_code_of_the_provider(
    world: World, sims: Simulators, asked: Ledger
) -> None:
    await sims.set(ring_ms=50, refuse_numbers={"+8613800000001": "21211"})
    await world.publish(requests(3))
    async with world.voice(sims, asked):
        finished = await world.finished(3)
    (refused,) = [one for one in finished if one.outcome is CallOutcome.FAILED]
    assert refused.provider_code == "21211"
    assert sum(one.outcome is CallOutcome.ANSWERED for one in finished) == 2


async def test_a_provider_that_is_down_is_waited_for_until_the_limit(
    world: World, sims: Simulators, asked: Ledger
) -> None:
    await sims.set(ring_ms=50, error_ratio=1.0)
    await world.publish(requests(3, wait_s=4))
    async with world.voice(sims, asked):
        finished = await world.finished(3)
    assert {one.outcome for one in finished} == {CallOutcome.CANCELLED}
    assert {one.reason for one in finished} == {Reason.CARRIER_UNAVAILABLE}


@pytest.mark.slow
async def test_kill_9_rings_nobody_twice_and_every_call_ends(
    world: World, sims: Simulators, asked: Ledger
) -> None:
    await sims.set(ring_ms=1500)
    await world.publish(calls := requests(120))
    port = free_port()
    environment = {**os.environ, **world.environment(sims, asked, port), "YIZHAN_INSTANCE": "one"}
    for life in range(3):
        process = subprocess.Popen(  # noqa: ASYNC220 - it is killed at once
            [sys.executable, "-m", "voice_fallback"], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            if life < 2:
                wanted = 40 * (life + 1)
                async with asyncio.timeout(30):
                    while len((await sims.records())["by_ref"]) < wanted:
                        await asyncio.sleep(0.05)
            else:
                async with asyncio.timeout(50):
                    while len({one.message_id for one in await world.read()}) < 120:
                        await asyncio.sleep(0.5)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    rung = (await sims.records())["by_ref"]
    assert all(len(times) == 1 for times in rung.values())
    assert all(ref.endswith("-1") for ref in rung)
    said: dict[str, set[str]] = {}
    for one in await world.read():
        said.setdefault(one.message_id, set()).add(one.outcome.value)
    assert said.keys() == {one.message_id for one in calls}
    assert all(outcomes <= {"answered", "unknown"} for outcomes in said.values())
    # Reports to a dead process are repeated, and find the next one: hardly any call is unknown.
    assert sum(outcomes == {"unknown"} for outcomes in said.values()) <= 10
