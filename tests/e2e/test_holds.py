"""An operator stops an account from the command line: nothing goes out until it is resumed."""

import asyncio

import pytest

from tests.e2e.configuration import HELD
from tests.e2e.test_operations import yizhan
from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.events import Status

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="session")]

COUNTRY = "DE"


async def send(world: World, count: int) -> list[str]:
    numbers = [world.number(COUNTRY) for _ in range(count)]
    return await asyncio.gather(*(world.send(to, account=f"-{HELD}") for to in numbers))


async def until_held(world: World, message_ids: list[str]) -> None:
    """Wait until an adapter has looked at every one of them, and put it aside."""

    async def are_aside() -> bool:
        planned = all(world.topics.plans[one] for one in message_ids)
        counted = await world.metrics("carrier-adapter")
        aside = sum(n for name, n in counted.items() if _is_held(name))
        return planned and aside >= len(message_ids)

    await until(are_aside, "the messages to be held")


def _is_held(name: str) -> bool:
    return name.startswith("yizhan_adapter_held") and "account" in name and "waits" in name


async def test_what_is_stopped_waits_goes_out_when_resumed_or_settles_as_cancelled(
    world: World,
) -> None:
    assert HELD in await yizhan(world, "hold", "stop", "account", HELD, "--reason", "an inquiry")
    waiting = await send(world, 5)
    await until_held(world, waiting)
    assert [await world.ends.handed(one) for one in waiting] == [[]] * 5
    assert "an inquiry" in await yizhan(world, "hold", "list")
    other = await world.send(world.number(COUNTRY))
    assert (await world.settled(other)).status is Status.DELIVERED
    await yizhan(world, "hold", "resume", "account", HELD)
    for message_id in waiting:
        assert (await world.settled(message_id, within_s=30)).status is Status.DELIVERED
        assert len(await world.ends.handed(message_id)) == 1
    await yizhan(world, "hold", "stop", "account", HELD)
    recalled = await send(world, 3)
    await yizhan(world, "hold", "stop", "account", HELD, "--cancel")
    for message_id in recalled:
        assert (await world.settled(message_id, within_s=30)).status is Status.CANCELLED
        assert await world.ends.handed(message_id) == []
    refused = await world.post({"to": world.number(COUNTRY)} | _BODY, account=f"-{HELD}")
    assert (refused.status, refused.body["code"]) == (409, "held")
    await yizhan(world, "hold", "resume", "account", HELD)


_BODY = {"template": "picked-up", "variables": {"tracking_number": "YZ1"}}
