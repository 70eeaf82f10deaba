from collections.abc import AsyncIterator

import aiohttp
import pytest
from tools.simulators.tests.support import Webhook

from yizhan_simulators.app import Settings, Simulators


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    webhook = Webhook()
    await webhook.start()
    yield webhook
    await webhook.stop()


@pytest.fixture
async def simulators() -> AsyncIterator[Simulators]:
    own_ports = {("carriers", "gamma"): 0}
    simulators = Simulators(Settings(own_ports=own_ports))
    await simulators.start()
    yield simulators
    await simulators.stop()


@pytest.fixture
async def client(simulators: Simulators) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=5)
    base_url = f"http://127.0.0.1:{simulators.port}"
    headers = {"Authorization": "Bearer any"}
    async with aiohttp.ClientSession(base_url, timeout=timeout, headers=headers) as session:
        yield session
