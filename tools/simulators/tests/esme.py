"""Whoever sends, for tests: one bind that waits for answers and keeps what it is delivered."""

import asyncio
import ssl
from collections.abc import Mapping

from yizhan_simulators.smpp.texts import decode_text
from yizhan_smpp.client import Address, connect
from yizhan_smpp.constants import BIND_TRANSCEIVER, DELIVER_SM, OK, SUBMIT_SM
from yizhan_smpp.handler import Failure, Handler, SessionOptions
from yizhan_smpp.pdu import Bind, Message, Pdu, Taken
from yizhan_smpp.session import Session

OPTIONS = SessionOptions(window=1_000, response_s=0.4, give_up_s=0.6, enquire_link_s=30)


class Esme(Handler):
    """Binds, submits, answers deliver_sm with `statuses` (the last one for ever)."""

    def __init__(self, port: int, *, statuses: tuple[int, ...] = (OK,)) -> None:
        self._port = port
        self.statuses = list(statuses)
        self.delivered: list[Message] = []
        self.happened: list[str] = []
        self.session: Session | None = None

    async def bind(
        self,
        system_id: str = "alpha",
        password: str = "any",
        command: int = BIND_TRANSCEIVER,
        tls: ssl.SSLContext | None = None,
        options: SessionOptions = OPTIONS,
    ) -> "Esme":
        self.session = await connect(
            Address("127.0.0.1", self._port, tls), command, Bind(system_id, password), self, options
        )
        return self

    async def submit(
        self,
        text: bytes = b"hello",
        to: str = "4915112345678",
        *,
        esm_class: int = 0,
        coding: int = 0,
        registered: int = 1,
        tlvs: Mapping[int, bytes] | None = None,
    ) -> Pdu | Failure:
        assert self.session is not None
        message = Message(
            destination=to,
            short_message=text,
            source="Yizhan",
            esm_class=esm_class,
            data_coding=coding,
            registered_delivery=registered,
            tlvs=tlvs or {},
        )
        reply = await self.session.ask(SUBMIT_SM, message)
        self.happened.append("answer")
        return reply

    async def id_of(self, text: bytes = b"hello", to: str = "4915112345678") -> str:
        reply = await self.submit(text, to)
        assert isinstance(reply, Pdu)
        assert isinstance(reply.body, Taken)
        return reply.body.message_id

    async def close(self) -> None:
        if self.session is not None:
            self.session.abort()
            await self.session.wait_closed()

    @property
    def texts(self) -> list[str]:
        return [decode_text(m.short_message, m.data_coding) for m in self.delivered]

    def on_request(self, session: Session, request: Pdu) -> None:
        assert request.command == DELIVER_SM
        assert isinstance(request.body, Message)
        status = self.statuses[0] if len(self.statuses) == 1 else self.statuses.pop(0)
        if status == OK:
            self.delivered.append(request.body)
        self.happened.append("deliver")
        session.respond(request, status, Taken() if status == OK else None)


async def eventually(*, closed: Session, within_s: float = 5) -> None:
    """Wait until a session is gone."""
    async with asyncio.timeout(within_s):
        await closed.wait_closed()
