"""What operators do with channels from the command line, and what they are told of choices."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.configuration import OPERATED
from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.events import AttemptOutcome, Status

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="session")]


OTHERS = ("apex-global", "fallback-global")


async def yizhan(world: World, *arguments: str) -> str:
    """Run the command beside the stack; it finds address and token in the stack's own file."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "yizhan_cli", *arguments,
        env=kept | {"YIZHAN_LOCAL_DIR": str(world.stack.work_dir)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
    return told.decode()


@pytest_asyncio.fixture(loop_scope="session")
async def enabled(world: World) -> AsyncIterator[None]:
    """Let all channels take messages again."""
    yield
    await yizhan(world, "channels", "enable", "operated")
    for channel in OTHERS:
        await world.operate("router", f"/v1/channels/{channel}/enable")


@pytest.mark.usefixtures("enabled")
async def test_a_disabled_channel_hands_its_queue_back_and_every_message_goes_once(
    world: World,
) -> None:
    # With the others draining there is nowhere to spill over to: ten seconds of queue.
    await asyncio.gather(*(world.operate("router", f"/v1/channels/{c}/drain") for c in OTHERS))
    ids = await asyncio.gather(*(world.send(world.number(OPERATED)) for _ in range(10)))
    await until(lambda: _planned_for_it(world, ids), "the queue to be there")
    await asyncio.gather(*(world.operate("router", f"/v1/channels/{c}/enable") for c in OTHERS))
    told = await yizhan(world, "channels", "disable", "operated", "--reason", "it bills twice")
    assert "operated: disabled, nothing new: disabled" in told
    assert "it bills twice" in await yizhan(world, "channels", "list")
    for message_id in ids:
        assert (await world.settled(message_id, within_s=30)).status is Status.DELIVERED
    handed = [one for i in ids for one in await world.ends.handed(i)]
    assert max(Counter(one.ref for one in handed).values()) == 1
    released = {
        fact.attempt_id
        for message_id in ids
        for fact in world.topics.finished[message_id]
        if fact.outcome is AttemptOutcome.RELEASED
    }
    assert released
    assert released <= {one.ref for one in handed if one.carrier != "operated"}


@pytest.mark.usefixtures("enabled")
async def test_a_draining_channel_sends_its_queue_and_gets_nothing_new(world: World) -> None:
    before = await _queued_for_it(world)
    assert "draining" in await yizhan(world, "channels", "drain", "operated")
    later = await world.send(world.number(OPERATED))
    assert (await world.settled(later)).status is Status.DELIVERED
    assert world.topics.plans[later][0].channel != "operated"
    for message_id in before:
        await world.settled(message_id)
        assert [one.carrier for one in await world.ends.handed(message_id)] == ["operated"]


async def _queued_for_it(world: World) -> list[str]:
    """Send until some wait for it: the router may take it for full by what it had a moment ago."""
    sent: list[str] = []

    async def is_there() -> bool:
        sent.extend(await asyncio.gather(*(world.send(world.number(OPERATED)) for _ in range(4))))
        return any(_is_for_it(world, message_id) for message_id in sent)

    await until(is_there, "the queue to be there", every_s=1.0)
    return [message_id for message_id in sent if _is_for_it(world, message_id)]


def _is_for_it(world: World, message_id: str) -> bool:
    return any(plan.channel == "operated" for plan in world.topics.plans.get(message_id, ())[:1])


async def _planned_for_it(world: World, ids: list[str]) -> bool:
    plans = [world.topics.plans.get(message_id) for message_id in ids]
    return all(plans) and any(plan[0].channel == "operated" for plan in plans if plan)


async def test_a_choice_is_explained_from_candidates_to_outcome(world: World) -> None:
    await world.ends.carrier(
        "borealis-eu", by_country={"FR": {"refuse_ratio": 1, "refuse_code": "balance"}}
    )
    message_id = await world.send(world.number("FR"))
    await world.settled(message_id)
    told = await yizhan(world, "explain", message_id)
    first, second = told.index("attempt 1 on borealis-eu"), told.index("attempt 2 on apex-global")
    assert first < told.index("refused", first) < second
    assert "tried, priority 10" in told[second:]
    attempts = json.loads(await yizhan(world, "explain", message_id, "--json"))["attempts"]
    assert [attempt["n"] for attempt in attempts] == [1, 2]
    now = await yizhan(world, "explain", "--country", "FR")
    assert "does not serve FR" in now


async def test_what_was_accepted_is_settled_or_in_flight_by_country_lane_and_channel(
    world: World,
) -> None:
    ids = [await world.send(world.number("PT")) for _ in range(3)]
    for message_id in ids:
        await world.settled(message_id, within_s=30)
    told = json.loads(await yizhan(world, "conservation", "--hours", "1", "--json"))
    assert told["holds"]
    (lane,) = [one for one in told["lanes"] if one["country"] == "PT" and one["lane"] == "standard"]
    assert lane["delivered"] >= len(ids)
    channel = next(one for one in told["channels"] if one["channel"] == "borealis-eu")
    assert channel["claimed"] >= channel["submitted"] >= len(ids)
