"""Listening sockets: the common one, and doors of their own for parties that can be hard down.

On the common socket a party that is down can only break a connection off after it was made, and the
client cannot know whether its request was read. A party with a door of its own is really gone: the
door is shut, connections are refused.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

MakeApp = Callable[[], web.Application]
_BACKLOG = 1024
_GRACE_S = 2.0


class Door:
    """One listening socket that can be shut and opened again on the same port."""

    def __init__(self, make_app: MakeApp, host: str, port: int) -> None:
        self._make_app = make_app
        self._host = host
        self.port = port
        self._runner: web.AppRunner | None = None
        self._lock = asyncio.Lock()

    async def set_open(self, *, is_open: bool) -> None:
        """Open or shut the door; no change when it already is."""
        async with self._lock:
            if is_open and self._runner is None:
                await self._open()
            elif not is_open and self._runner is not None:
                await self._shut(self._runner)

    async def close(self) -> None:
        """Shut the door for good; who is inside gets an answer first."""
        async with self._lock:
            if self._runner is not None:
                await self._runner.cleanup()
                self._runner = None

    async def _open(self) -> None:
        runner = web.AppRunner(
            self._make_app(), access_log=None, handler_cancellation=True, shutdown_timeout=_GRACE_S
        )
        await runner.setup()
        site = web.TCPSite(runner, self._host, self.port, backlog=_BACKLOG, reuse_address=True)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self.port = _port(runner)
        self._runner = runner

    async def _shut(self, runner: web.AppRunner) -> None:
        self._runner = None
        for site in list(runner.sites):
            await site.stop()
        if runner.server is not None:
            for connection in runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    address = runner.addresses[0]
    return int(address[1])
