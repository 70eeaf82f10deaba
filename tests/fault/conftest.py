"""One stack on servers of its own for the whole suite; every test brings its own messages."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.fault.carriers import worry
from tests.support.config import Files, account, channel, write_config
from tests.support.world import SERVICES, World, open_world
from yizhan_local.servers import PrivateServers

INSTANCES = int(os.environ.get("YIZHAN_TEST_INSTANCES", "1"))
"""Of each service. With two, a killed one's partitions go to the other."""


QUEUE = "BE"
"""A country whose first channel takes ten messages a second."""


def patient(files: Files) -> None:
    """Wait longer than any fault lasts: no deadline passes, so whatever is not known is lost."""
    queue: dict[str, Any] = {
        "channel": "queue",
        "url": "${SIMULATORS_URL}/queue",
        "tps": 10,
        "batch_max": 1,
    }
    queue["countries"] = {QUEUE: {"price": 0.01, "priority": 10}}
    files["channels"]["channels"].append(channel(files, "fallback-global") | queue)
    for name in ("demo", "demo-sms"):
        changed = account(files, name)
        changed["policy"]["receipt_timeout_s"] = 600
        changed["validity_s"] = 900
        for rule in changed["rules"].values():
            rule["validity_s"] = 900


@pytest.fixture(scope="session")
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServers]:
    with PrivateServers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(
    own_servers: PrivateServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("fault")
    config = write_config(folder / "source", patient)
    async with open_world(
        config,
        folder / "stack",
        servers=own_servers,
        namespace="fault.",
        instances=dict.fromkeys(SERVICES, INSTANCES),
    ) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared: World) -> World:
    """The stack, whole and with carriers as carriers are, whatever the test before did to it."""
    await asyncio.to_thread(shared.stack.wait_ready)
    await worry(shared)
    return shared
