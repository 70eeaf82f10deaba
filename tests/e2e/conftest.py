"""One stack for all end-to-end tests: each has numbers, and mostly a country, of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.configuration import DRIP, LATE, change, table_of
from tests.support.config import write_config
from tests.support.settling import until
from tests.support.world import World, open_world
from yizhan_local.namespaces import drop_namespace, new_namespace
from yizhan_local.servers import Servers

OVERRIDES = {
    "receipts": {
        # Deadlines are looked at from the start, and the last one comes soon.
        "YIZHAN_RECEIPTS_START_GRACE_S": "0",
        "YIZHAN_RECEIPTS_SUBMIT_TIMEOUT_S": "3",
    }
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("e2e")
    config = write_config(folder / "source", change)
    namespace = new_namespace("e2e")
    async with open_world(
        config, folder / "stack", servers=servers, namespace=namespace, overrides=OVERRIDES
    ) as world:
        world.dripping = [await world.send(world.number(DRIP), validity_s=30) for _ in range(2)]
        await world.ends.carrier("late", receipt={"delay_ms": 60_000})
        world.late = await world.send(world.number(LATE), validity_s=30)
        yield world
    drop_namespace(servers.kafka_url, servers.mongo_url, namespace)


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared: World) -> AsyncIterator[World]:
    """The stack, with everybody well-behaved again after the test."""
    yield shared
    await shared.ends.calm()


@pytest_asyncio.fixture(loop_scope="session")
async def restored(world: World) -> AsyncIterator[None]:
    """Put the files back as they were, and wait until they are in force."""
    folder, version = world.stack.plan.config, (await table_of(world))["table_version"]
    before = {file: file.read_text() for file in folder.glob("*.yaml")}
    yield
    for file, text in before.items():
        file.write_text(text)

    async def is_in_force() -> bool:
        table = await table_of(world)
        return table["table_version"] == version and not table["problem"]

    await until(is_in_force, "the old table")
