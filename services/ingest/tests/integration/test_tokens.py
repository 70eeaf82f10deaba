"""A token made over HTTP is read by another service with the keys fetched over HTTP."""

import asyncio
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from services.ingest.tests.integration.conftest import Corner
from services.ingest.tests.unit.making import AUTHORIZATION

from ingest.app import Role, build
from yizhan_runtime.clock import SystemClock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.tokens import Holder, TokenReader

pytestmark = pytest.mark.integration


async def test_a_token_is_read_with_the_keys_that_ingest_shows(corner: Corner) -> None:
    vault = {"ingest_vault_keys": SecretStr("material-of-the-test")}
    service = build(corner.settings.model_copy(update=vault), roles=[Role.API])
    running = asyncio.create_task(service.run())
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while not service._ready_report()[0]:
            await asyncio.sleep(0.05)
        url = f"http://127.0.0.1:{service.http_port}"
        headers = {"Authorization": AUTHORIZATION}
        asked: dict[str, Any] = {"scopes": ["read"], "ttl_s": 60}
        async with session.post(f"{url}/v1/tokens", json=asked, headers=headers) as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
            token = (await answer.json())["token"]
        reader = TokenReader(url, SystemClock())
        assert await reader.read(token) == Holder("shop", frozenset({"read"}))
    service._life.end()
    assert await running == 0
    assert (await reader.read(token)).account_id == "shop"  # ingest may be away
    with pytest.raises(Retryable):
        await TokenReader(url, SystemClock()).read(token)
