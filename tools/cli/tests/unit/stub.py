"""A stand-in for ingest's API, over real HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web


class Ingest:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = 200
        self.answer: Any = {}
        self.answers: list[Any] = []
        """What is answered first, one after the other."""
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(
            {
                "what": f"{request.method} {request.raw_path}",
                "headers": dict(request.headers),
                "body": await request.json() if request.can_read_body else None,
            }
        )
        answer = self.answers.pop(0) if self.answers else self.answer
        return web.json_response(answer, status=self.status)


@contextmanager
def serving() -> Iterator[Ingest]:
    loop, service, stub = asyncio.new_event_loop(), web.Application(), Ingest()
    service.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(service)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield stub
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
