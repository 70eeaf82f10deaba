"""The SMSC's side: a port on which ESMEs bind."""

import asyncio
import ssl

from yizhan_smpp.handler import Handler, SessionOptions
from yizhan_smpp.session import Session


async def listen(
    host: str,
    port: int,
    handler: Handler,
    options: SessionOptions,
    *,
    tls: ssl.SSLContext | None = None,
) -> asyncio.Server:
    """Take connections; ``handler`` follows all of them, the session tells them apart.

    Port 0 takes a free one (``server.sockets``). Closing the server leaves its sessions open.
    """
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: Session(handler, options, is_server=True), host, port, ssl=tls
    )
