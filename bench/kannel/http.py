"""HTTP as cheap as it goes, so that Kannel and not its load is measured: no library, keep-alive."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Self

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
_END = b"\r\n\r\n"


class Sink:
    """A server that says 200 to every GET and hands its path to `took`."""

    def __init__(self, took: Callable[[bytes], None]) -> None:
        self._took = took
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Taking(self._took), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()


class _Taking(asyncio.Protocol):
    def __init__(self, took: Callable[[bytes], None]) -> None:
        self._took = took
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._held = (self._held + data).split(_END)
        for head in heads:
            self._took(head.split(b" ", 2)[1])
        if heads and self._transport is not None:
            self._transport.write(_ANSWER * len(heads))


class Requests:
    """GETs every path of `paths` over some connections, each with one request open.

    `is_kept`: connections are used again, which not every client of a gateway does.
    """

    def __init__(
        self, port: int, paths: Iterator[bytes], connections: int, *, is_kept: bool
    ) -> None:
        self._port = port
        self._paths = paths
        self._connections = connections
        self._is_kept = is_kept
        self.answered = 0
        self.refused: dict[bytes, int] = {}

    async def run(self) -> None:
        """Return when all were answered; ConnectionError when a connection was lost."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._connections):
                group.create_task(self._kept() if self._is_kept else self._each_its_own())

    async def _kept(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for path in self._paths:
                writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: kannel\r\n\r\n")
                self._note(await _status_of_answer(reader))
        finally:
            writer.close()

    async def _each_its_own(self) -> None:
        for path in self._paths:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(b"GET " + path + b" HTTP/1.0\r\nConnection: close\r\n\r\n")
                self._note(await _status_of_answer(reader))
            finally:
                writer.close()

    def _note(self, status: bytes) -> None:
        self.answered += 1
        if status != b"202":
            self.refused[status] = self.refused.get(status, 0) + 1


async def _status_of_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(_END)
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
    return head.split(b" ", 2)[1]
