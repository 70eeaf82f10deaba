"""The customers, in a process of their own: good ones, slow ones, and one that answers nobody.

``python -m bench.endpoints.customers``: writes its two ports as JSON. ``/good/...`` and
``/slow/...`` take pushes; ``GET /heard`` tells when each good one was heard, and forgets it.
"""

import asyncio
import json
import socket
import time
from typing import Any

from aiohttp import web

SLOW_S = 8.0
_ACKNOWLEDGED = b'{"respCode":"00000"}'


class Customers:
    def __init__(self) -> None:
        self._heard: dict[str, float] = {}

    async def good(self, request: web.Request) -> web.Response:
        now = time.time()
        for result in (await request.json())["smsResult"]:
            self._heard.setdefault(result["smsId"], now)
        return web.Response(body=_ACKNOWLEDGED)

    async def slow(self, request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(SLOW_S)
        return web.Response(body=_ACKNOWLEDGED)

    async def heard(self, _request: web.Request) -> web.Response:
        told, self._heard = self._heard, {}
        return web.json_response(told)


def black_hole() -> tuple[socket.socket, list[socket.socket]]:
    """Listen without ever accepting, and fill the queue: further connections are never answered."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    fillers: list[socket.socket] = []
    for _ in range(4):
        filler = socket.socket()
        filler.settimeout(0)
        filler.connect_ex(listening.getsockname())
        fillers.append(filler)
    return listening, fillers


async def main() -> None:
    customers, app = Customers(), web.Application(client_max_size=2**22)
    app.router.add_post("/good/{n}", customers.good)
    app.router.add_post("/slow/{n}", customers.slow)
    app.router.add_get("/heard", customers.heard)
    runner: Any = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
    hole, fillers = black_hole()
    ports = {"port": runner.addresses[0][1], "hole": hole.getsockname()[1]}
    print(json.dumps(ports), flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        for one in (hole, *fillers):
            one.close()


if __name__ == "__main__":
    asyncio.run(main())
