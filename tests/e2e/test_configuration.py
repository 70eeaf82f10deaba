"""Configuration alone re-points any part of it, also at run time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from aiohttp import web

from tests.e2e.configuration import table_of
from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.events import Status

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(90),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.usefixtures("restored"),
]


def _edit(world: World, channel: str, **changes: Any) -> None:
    file = world.stack.channels_file
    table = yaml.safe_load(file.read_text())
    next(c for c in table["channels"] if c["channel"] == channel).update(changes)
    file.write_text(yaml.safe_dump(table, allow_unicode=True))


async def test_an_edited_table_is_taken_over_while_all_runs(world: World) -> None:
    before = (await table_of(world))["table_version"]
    _edit(world, "borealis-eu", enabled=False)
    await until(lambda: _has_left(world, before), "the new table")
    message_id = await world.send(world.number("PL"))
    assert (await world.settled(message_id)).status is Status.DELIVERED
    assert (await world.ends.handed(message_id))[0].carrier == "apex-global"


async def _has_left(world: World, version: str) -> bool:
    return bool((await table_of(world))["table_version"] != version)


async def test_a_broken_table_is_refused_and_the_old_one_stays(world: World) -> None:
    before = (await table_of(world))["table_version"]
    file = world.stack.channels_file
    file.write_text(file.read_text().replace("http-json", "carrier-pigeon", 1))

    async def problem() -> str:
        return str((await table_of(world))["problem"])

    assert "protocol" in await until(problem, "the table to be refused")
    assert (await table_of(world))["table_version"] == before
    message_id = await world.send(world.number("PL"))
    assert (await world.settled(message_id)).status is Status.DELIVERED
    assert (await world.ends.handed(message_id))[0].carrier == "borealis-eu"


async def test_a_channel_is_pointed_elsewhere_by_the_table(world: World) -> None:
    """A carrier that moves: the same channel, another address, without a restart."""
    pids = {name: world.stack.pid(name) for name in world.stack.names}
    _edit(world, "borealis-eu", url=f"{world.stack.simulators_url}/borealis-moved")

    async def is_there() -> bool:
        message_id = await world.send(world.number("PL"))
        await world.settled(message_id)
        return (await world.ends.handed(message_id))[0].carrier == "borealis-moved"

    await until(is_there, "the carrier's new address to be used")
    assert {name: world.stack.pid(name) for name in world.stack.names} == pids


async def test_a_customers_callback_is_pointed_elsewhere_by_its_file(world: World) -> None:
    """To a receiver of our own, which sees the push as it is on the wire."""
    file = world.stack.plan.config / "endpoints.yaml"
    before = file.read_text()
    async with _receiver() as (url, pushes):
        endpoints = yaml.safe_load(before)
        endpoints["endpoints"]["demo-sms"]["url"] = url
        file.write_text(yaml.safe_dump(endpoints))
        await asyncio.to_thread(world.stack.restart, "receipts")
        phone = world.number("PL")
        message_id = await world.send(phone)
        settled = await world.settled(message_id)
        # Others may be pushed to that customer meanwhile.
        mine = await until(lambda: [p for p in pushes if message_id.encode() in p[1]], "the push")
        headers, body = mine[0]
        file.write_text(before)
        await asyncio.to_thread(world.stack.restart, "receipts")
    assert settled.delivered_at
    berlin = settled.delivered_at.astimezone(ZoneInfo("Europe/Berlin"))
    expected = (
        f'{{"smsResult":[{{"smsId":"{message_id}","phone":"{phone}","status":"0","respMessage":"",'
        f'"receiveTime":"{berlin:%Y-%m-%d %H:%M:%S}","chargingNum":"1"}}]}}'
    )
    assert body == expected.encode()
    assert headers["Content-Type"] == "application/json;charset=utf-8"
    assert headers["Accept"] == "application/json"
    assert await world.ends.arrivals("demo-sms", message_id) == []


@asynccontextmanager
async def _receiver() -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    pushes: list[tuple[dict[str, str], bytes]] = []

    async def receive(request: web.Request) -> web.Response:
        pushes.append((dict(request.headers), await request.read()))
        return web.json_response({"respCode": "00000"})

    app = web.Application()
    app.router.add_post("/receipts", receive)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/receipts", pushes
    finally:
        await runner.cleanup()


async def test_a_private_address_that_is_not_allowed_is_refused_at_the_start(world: World) -> None:
    """The guard: without its entry in allow_private the loopback is nobody's callback."""
    file = world.stack.plan.config / "endpoints.yaml"
    good = file.read_text()
    endpoints = yaml.safe_load(good)
    endpoints["allow_private"] = []
    file.write_text(yaml.safe_dump(endpoints))
    begun = world.stack.log("receipts").stat().st_size
    await asyncio.to_thread(world.stack.stop_service, "receipts")
    try:
        world.stack._one("receipts").start()
        log = world.stack.log("receipts")

        def refusal() -> bool:
            return "cannot run like this" in log.read_text()[begun:]

        await until(refusal, "receipts to refuse the file")
        assert not world.stack.is_ready("receipts")
    finally:
        file.write_text(good)
        await asyncio.to_thread(world.stack.wait_ready, "receipts")
