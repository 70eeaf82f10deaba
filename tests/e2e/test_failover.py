"""Another channel where one fails, and one slow carrier that holds up nobody else."""

import asyncio
import time
from collections import Counter

import pytest

from tests.e2e.configuration import NARROW
from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.events import AttemptOutcome, Status

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="session")]


async def test_a_refusal_that_another_channel_may_cure_goes_to_another(world: World) -> None:
    await world.ends.carrier(
        "borealis-eu", by_country={"FR": {"refuse_ratio": 1, "refuse_code": "balance"}}
    )
    message_id = await world.send(world.number("FR"))
    settled = await world.settled(message_id)
    assert (settled.status, settled.attempts) == (Status.DELIVERED, 2)
    (handed,) = await world.ends.handed(message_id)
    assert (handed.carrier, handed.ref) == ("apex-global", f"{message_id}-2")
    assert len(await world.pushed(message_id)) == 1


async def test_a_refusal_that_nobody_can_cure_ends_it(world: World) -> None:
    await world.ends.carrier(
        "borealis-eu", by_country={"ES": {"refuse_ratio": 1, "refuse_code": "vacant-number"}}
    )
    message_id = await world.send(world.number("ES"))
    settled = await world.settled(message_id)
    assert (settled.status, settled.reason) == (Status.FAILED, "number-vacant")
    assert await world.ends.handed(message_id) == []
    (push,) = await world.pushed(message_id)
    assert (push["status"], push["resp_message"]) == ("1", "vacant-number")


async def test_a_failed_receipt_that_another_channel_may_cure_goes_to_another(
    world: World,
) -> None:
    receipt = {"delivered_ratio": 0, "fail_code": "REJECTD"}
    await world.ends.carrier("borealis-eu", by_country={"IT": {"receipt": receipt}})
    message_id = await world.send(world.number("IT"))
    settled = await world.settled(message_id)
    assert (settled.status, settled.attempts) == (Status.DELIVERED, 2)
    first, second = await world.ends.handed(message_id)
    assert (first.carrier, second.carrier) == ("borealis-eu", "apex-global")
    assert second.ref == f"{message_id}-2"
    assert [push["status"] for push in await world.pushed(message_id)] == ["0"]


async def test_a_failed_receipt_that_no_channel_can_cure_ends_it(world: World) -> None:
    receipt = {"delivered_ratio": 0, "fail_code": "UNDELIV"}
    await world.ends.carrier("borealis-eu", by_country={"PT": {"receipt": receipt}})
    message_id = await world.send(world.number("PT"))
    settled = await world.settled(message_id)
    assert (settled.status, settled.reason) == (Status.FAILED, "handset-unreachable")
    assert len(await world.ends.handed(message_id)) == 1


async def test_one_slow_submit_holds_up_nothing_else(world: World) -> None:
    await world.ends.carrier("cathay-asia", by_country={"HK": {"latency_ms": 2500}})
    slow = await world.send(world.number("HK"))
    await until(lambda: world.ends.handed(slow), "the slow one to be with the carrier")
    begun = time.monotonic()
    # As many as there are partitions, many times over: some stand right behind the slow one.
    ids = await asyncio.gather(*(world.send(world.number("TW")) for _ in range(40)))
    await asyncio.gather(*(world.settled(message_id) for message_id in ids))
    took_s = time.monotonic() - begun
    assert slow not in world.topics.finished, f"{took_s:.1f} s: too slow a machine to tell"
    assert (await world.settled(slow)).status is Status.DELIVERED


async def test_a_broken_carrier_is_left_and_used_again_after_its_recovery(world: World) -> None:
    carrier = "equator-africa-mea"
    healthy = await world.send(world.number("NG"))
    await world.settled(healthy)
    assert (await world.ends.handed(healthy))[0].carrier == carrier

    await world.ends.carrier(carrier, down=True)
    broken = await asyncio.gather(*(world.send(world.number("NG")) for _ in range(30)))
    await asyncio.gather(*(world.settled(message_id) for message_id in broken))
    assert {world.topics.last(i).status for i in broken} == {Status.DELIVERED}  # type: ignore[union-attr]
    # The router has seen it: the next ones go elsewhere at their first attempt.
    await until(lambda: _state(world, carrier, "open"), f"{carrier} to be found broken")
    left = await asyncio.gather(*(world.send(world.number("NG")) for _ in range(10)))
    await asyncio.gather(*(world.settled(message_id) for message_id in left))
    firsts = Counter(world.topics.plans[i][0].channel for i in left)
    assert firsts[carrier] <= 2, firsts

    await world.ends.carrier(carrier, down=False)

    async def is_used_again() -> bool:
        message_id = await world.send(world.number("NG"))
        await world.settled(message_id)
        return any(h.carrier == carrier for h in await world.ends.handed(message_id))

    await until(is_used_again, f"{carrier} to be used again", within_s=45)


async def _state(world: World, channel: str, state: str) -> bool:
    table = await world.get("router", "/v1/channels")
    found = next(c for c in table["channels"] if c["channel"] == channel)
    return bool(found["health"]["state"] == state)


async def test_a_released_attempt_is_planned_again_under_its_own_id(world: World) -> None:
    """Down while most wait for their turn, unclaimed: handed back, and sent once, as attempt 1."""
    ids = await asyncio.gather(*(world.send(world.number(NARROW)) for _ in range(20)))
    await until(lambda: _handed_to_narrow(world), "the first to be with the carrier")
    await world.ends.carrier("narrow", down=True)
    for message_id in ids:
        assert (await world.settled(message_id, within_s=60)).status is Status.DELIVERED
    handed = [one for i in ids for one in await world.ends.handed(i)]
    assert max(Counter(one.ref for one in handed).values()) == 1
    released = {
        f.attempt_id
        for i in ids
        for f in world.topics.finished[i]
        if f.outcome is AttemptOutcome.RELEASED
    }
    assert released
    elsewhere = {one.ref for one in handed if one.carrier != "narrow"}
    assert released <= elsewhere, "planned again, on another channel, under the same id"


async def _handed_to_narrow(world: World) -> int:
    return int((await world.ends.carriers())["carriers"].get("narrow", {}).get("handed", 0))
