"""The HTTP edge: what is asked during a stop is answered, publishes included."""

import asyncio
from typing import Any

import aiohttp
import pytest
from libs.runtime.tests.support import until

from yizhan_contracts.topics import VOICE_FINISHED
from yizhan_runtime import Outgoing, Service

pytestmark = pytest.mark.integration


async def test_a_request_in_flight_is_answered_before_the_producer_goes(corner: Any) -> None:
    service = Service("voice-fallback", corner.settings())
    service.needs([VOICE_FINISHED])

    @service.http.post("/slow")
    async def slow() -> dict[str, str]:
        await asyncio.sleep(1.5)
        await service.publisher.publish_records([Outgoing(VOICE_FINISHED.name, b"k", b"kept")])
        return {"said": "kept"}

    running = asyncio.create_task(service.run())
    await until(lambda: not service._watch.readiness.report(), 20)
    url = f"http://127.0.0.1:{service.http_port}"
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.post(f"{url}/slow"))
        await asyncio.sleep(0.3)
        service._life.end()
        answer = await asking
        assert (answer.status, await answer.json()) == (200, {"said": "kept"})
    assert await running == 0
    assert [record.value for record in await corner.read(VOICE_FINISHED.name)] == [b"kept"]


async def test_alive_and_not_ready_while_it_starts(corner: Any) -> None:
    service = Service("voice-fallback", corner.settings())
    release = asyncio.Event()

    async def hook() -> None:
        await release.wait()

    service.on_start(hook)
    running = asyncio.create_task(service.run())
    await until(lambda: service.http_port > 0)
    url = f"http://127.0.0.1:{service.http_port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/live") as live, session.get(f"{url}/ready") as ready:
            assert (live.status, ready.status) == (200, 503)
            assert (await ready.json())["waiting_for"] == {"service": "starting"}
        release.set()
        await until(lambda: not service._watch.readiness.report(), 20)
        async with session.get(f"{url}/ready") as ready, session.get(f"{url}/metrics") as metrics:
            assert ready.status == 200
            assert "yizhan_publish_seconds" in await metrics.text()
    service._life.end()
    assert await running == 0
