"""The ports that carriers listen on for binds, with or without TLS."""

import asyncio
import ssl
from pathlib import Path

from yizhan_simulators.smpp.face import SmppFace
from yizhan_simulators.smpp.session import SmscSession
from yizhan_smpp.handler import SessionOptions

_BACKLOG = 1024
_OPTIONS = SessionOptions(window=100, response_s=10, give_up_s=30, enquire_link_s=60)


class SmppPort:
    """One listening port; shut, connections are refused."""

    def __init__(
        self, face: SmppFace, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self._face = face
        self._host = host
        self.port = port
        self._tls = tls
        self._server: asyncio.Server | None = None

    async def set_open(self, *, is_open: bool) -> None:
        """Open or shut it; binds that are there stay."""
        if is_open and self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: SmscSession(self._face, _OPTIONS, is_server=True),
                self._host,
                self.port,
                ssl=self._tls,
                backlog=_BACKLOG,
                reuse_address=True,
            )
            self.port = self._server.sockets[0].getsockname()[1]
        elif not is_open and self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def close(self) -> None:
        """Shut it for good."""
        await self.set_open(is_open=False)


def tls_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """Make a server's context; with `client_ca` only clients with a certificate of it get in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
