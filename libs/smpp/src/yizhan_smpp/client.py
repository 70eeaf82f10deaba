"""The ESME's side: one connection, bound."""

import asyncio
import ssl
from dataclasses import dataclass

from yizhan_smpp.errors import BindRefusedError, ConnectionFailedError, EncodeError
from yizhan_smpp.handler import Failure, Handler, SessionOptions
from yizhan_smpp.pdu import Bind
from yizhan_smpp.session import Session


@dataclass(frozen=True, slots=True)
class Address:
    """Where an SMSC is. With ``tls`` its certificate has to be for ``server_name`` (or host)."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str = ""


async def connect(
    address: Address, command: int, bind: Bind, handler: Handler, options: SessionOptions
) -> Session:
    """Connect and bind, within ``options.response_s``.

    Raises BindRefusedError with the SMSC's status, ConnectionFailedError for everything else.
    """
    loop = asyncio.get_running_loop()
    session: Session | None = None
    try:
        async with asyncio.timeout(options.response_s):
            _transport, session = await loop.create_connection(
                lambda: Session(handler, options, is_server=False),
                address.host,
                address.port,
                ssl=address.tls,
                server_hostname=(address.server_name or address.host) if address.tls else None,
            )
            reply = await session.bind(command, bind)
    except (OSError, TimeoutError, ValueError, asyncio.CancelledError) as error:
        if session is not None:
            session.abort()
        if isinstance(error, asyncio.CancelledError):
            raise
        raise ConnectionFailedError(_why(error), is_tls=isinstance(error, ssl.SSLError)) from error
    if isinstance(reply, Failure):
        session.abort()
        raise ConnectionFailedError(f"no answer to the bind: {reply.value}")
    if not reply.is_ok:
        session.close()
        raise BindRefusedError(reply.status)
    return session


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'the connection ended'}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, EncodeError):
        return f"the bind cannot be written: {error}"
    return type(error).__name__
