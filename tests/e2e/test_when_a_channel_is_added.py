"""A channel that is added at run time. Late among the tests: the adapter starts again for it."""

import asyncio
import subprocess

import pytest
import yaml

from tests.e2e.configuration import new_channel, table_of
from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.events import Status

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.usefixtures("restored"),
]

NEW = "CY"
"""A country that nobody serves at the start."""


async def test_a_channel_that_is_added_serves_once_its_topics_are_there(world: World) -> None:
    """Until then its messages wait; the adapter takes it up by a restart of its own."""
    file = world.stack.channels_file
    table = yaml.safe_load(file.read_text())
    like = next(c for c in table["channels"] if c["channel"] == "fallback-global")
    url = f"{world.stack.simulators_url}/newcomer"
    table["channels"].append(new_channel(like, "newcomer", url, NEW))
    file.write_text(yaml.safe_dump(table, allow_unicode=True))

    async def is_known() -> bool:
        return any(c["channel"] == "newcomer" for c in (await table_of(world))["channels"])

    await until(is_known, "the new channel")
    message_id = await world.send(world.number(NEW), validity_s=90)
    await asyncio.to_thread(_apply_topics, world)
    assert (await world.settled(message_id, within_s=60)).status is Status.DELIVERED
    assert [one.carrier for one in await world.ends.handed(message_id)] == ["newcomer"]


def _apply_topics(world: World) -> None:
    """Do what `yizhan topics apply` does for an operator."""
    plan = world.stack.plan
    environment = plan.provision_environment({"YIZHAN_KAFKA_URL": world.stack.servers.kafka_url})
    subprocess.run(plan.provision_command(), check=True, env=environment, capture_output=True)
