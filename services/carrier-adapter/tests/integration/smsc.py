"""A message centre on a real socket that does what it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from yizhan_smpp import constants as c
from yizhan_smpp.handler import Handler, SessionOptions
from yizhan_smpp.pdu import Bind, Message, Pdu, Taken
from yizhan_smpp.server import listen
from yizhan_smpp.session import Session

Submitted = Callable[[Session, Pdu, Message], None]


class Smsc(Handler):
    """Takes what is submitted under ids 1, 2, ... unless ``submitted`` says otherwise."""

    def __init__(self) -> None:
        self.port = 0
        self.messages: list[Message] = []
        self.binds: list[tuple[int, Bind]] = []
        self.sessions: list[Session] = []
        self.bind_status = c.OK
        self.submitted: Submitted = self.take
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        options = SessionOptions(window=1000, response_s=20.0, give_up_s=20.0, enquire_link_s=60.0)
        self._server = await listen("127.0.0.1", port, self, options, tls=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Die: nobody listens, every connection is cut."""
        if self._server is not None:
            self._server.close()
        for session in list(self.sessions):
            session.abort()
            await session.wait_closed()
        if self._server is not None:
            await self._server.wait_closed()

    def take(self, session: Session, request: Pdu, _message: Message) -> None:
        session.respond(request, c.OK, Taken(str(len(self.messages))))

    def deliver(self, message: Message, answered: Callable[[object], None]) -> None:
        """Send a receipt or a reply over the first bind that takes one."""
        session = next(s for s in self.sessions if s.bind_command != c.BIND_TRANSMITTER)
        session.request(c.DELIVER_SM, message, answered)

    def on_bind(self, session: Session, request: Pdu) -> None:
        assert isinstance(request.body, Bind)
        self.binds.append((request.command, request.body))
        if self.bind_status != c.OK:
            session.refuse(request, self.bind_status)
            return
        self.sessions.append(session)
        session.accept(request, "smsc")

    def on_request(self, session: Session, request: Pdu) -> None:
        assert isinstance(request.body, Message)
        self.messages.append(request.body)
        self.submitted(session, request, request.body)

    def on_closed(self, session: Session, error: Exception | None) -> None:
        if session in self.sessions:
            self.sessions.remove(session)


@asynccontextmanager
async def smsc(tls: ssl.SSLContext | None = None) -> AsyncIterator[Smsc]:
    made = Smsc()
    await made.start(tls=tls)
    try:
        yield made
    finally:
        await made.stop()


def receipt(message_id: str, word: str = "DELIVRD", error: str = "000") -> Message:
    text = (
        f"id:{message_id} sub:001 dlvrd:001 submit date:2611231900 done date:2611231901 "
        f"stat:{word} err:{error} text:"
    )
    return Message("YIZHAN", text.encode(), "33600000001", esm_class=c.ESM_RECEIPT)
