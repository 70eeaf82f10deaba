"""Both sides over real sockets on this machine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from yizhan_smpp import constants as c
from yizhan_smpp.client import Address, connect
from yizhan_smpp.encoding import encode
from yizhan_smpp.errors import BindRefusedError, ConnectionFailedError
from yizhan_smpp.handler import Failure, Handler, Reply, SessionOptions
from yizhan_smpp.pdu import Bind, Bound, Message, Pdu, Taken
from yizhan_smpp.server import listen
from yizhan_smpp.session import Session, State

pytestmark = pytest.mark.integration

OPTIONS = SessionOptions(window=10, response_s=5.0, give_up_s=10.0, enquire_link_s=30.0)
IMPATIENT = SessionOptions(window=3, response_s=0.1, give_up_s=0.3, enquire_link_s=30.0)


class Smsc(Handler):
    """Takes everything; ``on_submit`` may be replaced."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.requests: list[Pdu] = []
        self.problems: list[str] = []
        self.closed = 0
        self.bind_status = c.OK
        self.is_silent = False

    def on_bind(self, session: Session, request: Pdu) -> None:
        self.sessions.append(session)
        if self.bind_status:
            session.refuse(request, self.bind_status)
        else:
            session.accept(request, "smsc")

    def on_request(self, session: Session, request: Pdu) -> None:
        self.requests.append(request)
        if not self.is_silent:
            session.respond(request, c.OK, Taken(f"id-{len(self.requests)}"))

    def on_malformed(self, session: Session, problem: str) -> None:
        self.problems.append(problem)

    def on_closed(self, session: Session, error: Exception | None) -> None:
        self.closed += 1


class Esme(Smsc):
    """The same, on the other side."""


@asynccontextmanager
async def smsc(handler: Smsc, options: SessionOptions = OPTIONS) -> AsyncIterator[Address]:
    server = await listen("127.0.0.1", 0, handler, options)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for session in handler.sessions:
            session.abort()
            await session.wait_closed()
        await server.wait_closed()


@asynccontextmanager
async def bound(
    handler: Smsc,
    esme: Handler | None = None,
    *,
    options: SessionOptions = OPTIONS,
    command: int = c.BIND_TRANSCEIVER,
) -> AsyncIterator[Session]:
    async with smsc(handler) as address:
        session = await connect(address, command, Bind("yizhan", "x"), esme or Esme(), options)
        try:
            yield session
        finally:
            session.abort()
            await session.wait_closed()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def raw_smsc(*answers: bytes) -> AsyncIterator[tuple[Address, list[bytes]]]:
    """Accept a bind, then write ``answers``; give what was written to it."""
    heard: list[bytes] = []
    handlers: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
        sequence = int.from_bytes(octets[8:12], "big")
        writer.write(encode(c.BIND_TRANSCEIVER | c.ANSWER, sequence, Bound("raw")))
        writer.write(b"".join(answers))
        while chunk := await reader.read(65_536):
            heard.append(chunk)
        writer.close()

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        handlers.append(task)
        await task

    server = await asyncio.start_server(kept, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1]), heard
    finally:
        server.close()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()


@pytest.mark.parametrize(
    "command", [c.BIND_TRANSCEIVER, c.BIND_TRANSMITTER, c.BIND_RECEIVER], ids=["trx", "tx", "rx"]
)
async def test_an_esme_binds_and_unbinds(command: int) -> None:
    handler = Smsc()
    async with bound(handler, command=command) as session:
        await session.unbind()
        assert session.state is State.CLOSED
        await until(lambda: handler.closed == 1)


async def test_a_thousand_submits_are_each_answered_with_their_own_id() -> None:
    handler = Smsc()
    replies: dict[int, Reply] = {}
    async with bound(handler, options=SessionOptions(window=1000)) as session:
        for n in range(1000):
            message = Message("49151", str(n).encode())
            session.request(c.SUBMIT_SM, message, partial(replies.__setitem__, n))
        await until(lambda: len(replies) == 1000)
    texts = [int(pdu.body.short_message) for pdu in handler.requests]  # type: ignore[union-attr]
    assert texts == list(range(1000))
    ids = [reply.body.message_id for reply in replies.values()]  # type: ignore[union-attr]
    assert ids == [f"id-{n + 1}" for n in range(1000)]


async def test_messages_come_the_other_way_and_are_answered() -> None:
    handler, esme = Smsc(), Esme()
    async with bound(handler, esme):
        reply = await handler.sessions[0].ask(c.DELIVER_SM, Message("49151", b"hi"))
    assert isinstance(reply, Pdu)
    assert reply.is_ok
    assert [pdu.command for pdu in esme.requests] == [c.DELIVER_SM]


async def test_a_message_in_the_same_read_as_the_bind_is_taken() -> None:
    early = encode(c.DELIVER_SM, 1, Message("49151", b"early"))
    esme = Esme()
    async with raw_smsc(early) as (address, heard):
        session = await connect(address, c.BIND_TRANSCEIVER, Bind("y"), esme, OPTIONS)
        await until(lambda: heard)
        session.abort()
        await session.wait_closed()
    assert len(esme.requests) == 1


async def test_a_refused_bind_gives_the_status() -> None:
    handler = Smsc()
    handler.bind_status = c.INVALID_PASSWORD
    async with smsc(handler) as address:
        with pytest.raises(BindRefusedError) as caught:
            await connect(address, c.BIND_TRANSCEIVER, Bind("yizhan"), Esme(), OPTIONS)
    assert caught.value.status == c.INVALID_PASSWORD


async def test_nobody_listening_is_a_failed_connection() -> None:
    async with smsc(Smsc()) as address:
        pass
    with pytest.raises(ConnectionFailedError):
        await connect(address, c.BIND_TRANSCEIVER, Bind("yizhan"), Esme(), OPTIONS)


async def test_a_bind_that_cannot_be_written_is_a_failed_connection() -> None:
    async with smsc(Smsc()) as address:
        bind = Bind("yizhan", "x" * 65)
        with pytest.raises(ConnectionFailedError, match="password") as caught:
            await connect(address, c.BIND_TRANSCEIVER, bind, Esme(), OPTIONS)
    assert "xxx" not in str(caught.value)


async def test_a_bind_that_is_never_answered_is_given_up() -> None:
    class Silent(Smsc):
        def on_bind(self, session: Session, request: Pdu) -> None:
            self.sessions.append(session)

    async with smsc(Silent()) as address:
        with pytest.raises(ConnectionFailedError, match="no answer"):
            await connect(address, c.BIND_TRANSCEIVER, Bind("yizhan"), Esme(), IMPATIENT)


async def test_a_connection_that_does_not_bind_is_hung_up_on() -> None:
    async with smsc(Smsc(), IMPATIENT) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_cut_connection_tells_what_was_written_from_what_was_not() -> None:
    handler = Smsc()
    handler.is_silent = True
    replies: list[Reply] = []
    async with bound(handler) as session:
        session.request(c.SUBMIT_SM, Message("1"), replies.append)
        await until(lambda: handler.requests)
        handler.sessions[0].abort()
        session.request(c.SUBMIT_SM, Message("2"), replies.append)
        session.abort()
        session.request(c.SUBMIT_SM, Message("3"), replies.append)
        await session.wait_closed()
        session.request(c.SUBMIT_SM, Message("4"), replies.append)
    assert replies == [Failure.LOST, *[Failure.NOT_WRITTEN] * 3]


async def test_what_is_not_answered_leaves_the_window_and_may_still_be_answered() -> None:
    handler = Smsc()
    handler.is_silent = True
    replies: list[Reply] = []
    async with bound(handler, options=SessionOptions(window=1, response_s=0.1)) as session:
        session.request(c.SUBMIT_SM, Message("1"), replies.append)
        assert session.room == 0
        await until(lambda: session.room == 1)
        assert (replies, session.open_requests) == ([], 1)
        handler.sessions[0].respond(handler.requests[0], c.OK, Taken("late"))
        await until(lambda: replies)
        assert session.open_requests == 0
    assert isinstance(replies[0], Pdu)
    assert replies[0].body == Taken("late")


async def test_what_is_never_answered_is_silent_in_the_end() -> None:
    handler = Smsc()
    handler.is_silent = True
    async with bound(handler, options=IMPATIENT) as session:
        assert await session.ask(c.SUBMIT_SM, Message("1")) is Failure.SILENT
        assert session.open_requests == 0


async def test_a_peer_that_answers_no_enquire_link_is_hung_up_on() -> None:
    async with raw_smsc() as (address, heard):
        options = SessionOptions(response_s=0.1, enquire_link_s=0.05)
        session = await connect(address, c.BIND_TRANSCEIVER, Bind("y"), Esme(), options)
        await session.wait_closed()
    assert b"".join(heard) == encode(c.ENQUIRE_LINK, 2)


async def test_a_living_peer_keeps_an_idle_connection() -> None:
    handler = Smsc()
    options = SessionOptions(response_s=5, enquire_link_s=0.05)
    async with bound(handler, options=options) as session:
        heard = session.heard_at
        await until(lambda: session.heard_at > heard)
        again = session.heard_at
        await until(lambda: session.heard_at > again)
        assert session.state is State.BOUND


async def test_unbinding_waits_for_open_answers() -> None:
    handler = Smsc()
    handler.is_silent = True
    replies: list[Reply] = []
    async with bound(handler) as session:
        session.request(c.SUBMIT_SM, Message("1"), replies.append)
        unbinding = asyncio.create_task(session.unbind())
        await until(lambda: handler.requests)
        assert session.room == 0
        handler.sessions[0].respond(handler.requests[0], c.OK, Taken("x"))
        await unbinding
    assert isinstance(replies[0], Pdu)


async def test_an_unbind_of_the_peer_is_answered_and_ends_the_session() -> None:
    handler = Smsc()
    async with bound(handler) as session:
        await handler.sessions[0].unbind()
        await session.wait_closed()


@pytest.mark.parametrize(
    ("bind", "command"),
    [(c.BIND_RECEIVER, c.SUBMIT_SM), (c.BIND_TRANSCEIVER, c.DELIVER_SM)],
)
async def test_what_a_bind_does_not_carry_is_refused(bind: int, command: int) -> None:
    handler = Smsc()
    async with bound(handler, command=bind) as session:
        reply = await session.ask(command, Message("1"))
    assert isinstance(reply, Pdu)
    assert reply.status == c.WRONG_BIND_STATE
    assert handler.requests == []


async def test_nothing_is_taken_before_the_bind() -> None:
    handler = Smsc()
    async with smsc(handler) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(encode(c.SUBMIT_SM, 9, Message("1")))
        answer = await reader.readexactly(16)
        writer.close()
        await writer.wait_closed()
    assert answer == encode(c.SUBMIT_SM_RESP, 9, None, c.WRONG_BIND_STATE)
    assert handler.requests == []


async def test_an_unreadable_pdu_is_answered_and_costs_the_next_one_nothing() -> None:
    bad = bytearray(encode(c.DELIVER_SM, 7, Message("1", b"abc")))
    bad[-4] = 200
    unknown = (20).to_bytes(4, "big") + (0x0102).to_bytes(4, "big") + bytes(4) + b"\0\0\0\x08abcd"
    good = encode(c.DELIVER_SM, 9, Message("49151", b"good"))
    esme = Esme()
    async with raw_smsc(bytes(bad), unknown, good) as (address, heard):
        session = await connect(address, c.BIND_TRANSCEIVER, Bind("y"), esme, OPTIONS)
        await until(lambda: len(b"".join(heard)) >= 50)
        session.abort()
        await session.wait_closed()
    assert b"".join(heard).startswith(
        encode(c.DELIVER_SM_RESP, 7, None, c.INVALID_MESSAGE_LENGTH)
        + encode(c.GENERIC_NACK, 8, None, c.INVALID_COMMAND)
        + encode(c.DELIVER_SM_RESP, 9, Taken("id-1"))
    )
    assert len(esme.problems) == 2


async def test_garbage_ends_the_connection_after_what_came_before_it() -> None:
    good = encode(c.DELIVER_SM, 9, Message("49151", b"good"))
    esme = Esme()
    async with raw_smsc(good, b"GET / HTTP/1.1\r\n\r\n") as (address, heard):
        session = await connect(address, c.BIND_TRANSCEIVER, Bind("y"), esme, OPTIONS)
        await session.wait_closed()
        await until(lambda: len(b"".join(heard)) >= 37)
    assert b"".join(heard) == encode(c.DELIVER_SM_RESP, 9, Taken("id-1")) + encode(
        c.GENERIC_NACK, 0, None, c.INVALID_COMMAND_LENGTH
    )


async def test_a_peer_that_sends_nothing_but_nonsense_is_hung_up_on() -> None:
    nonsense = (16).to_bytes(4, "big") + (0x0102).to_bytes(4, "big") + bytes(8)
    async with raw_smsc(nonsense * 200) as (address, _heard):
        session = await connect(address, c.BIND_TRANSCEIVER, Bind("y"), Esme(), OPTIONS)
        await session.wait_closed()


async def test_an_unreadable_answer_is_a_yes_without_an_id_and_an_unknown_one_is_ignored() -> None:
    class Garbled(Smsc):
        def on_request(self, session: Session, request: Pdu) -> None:
            long_id = (16 + 80).to_bytes(4, "big") + encode(c.SUBMIT_SM_RESP, request.sequence)[4:]
            session.raw(encode(c.SUBMIT_SM_RESP, 4711, Taken("who?")))
            session.raw(long_id + b"x" * 80)

    esme = Esme()
    async with bound(Garbled(), esme) as session:
        assert await session.ask(c.SUBMIT_SM, Message("1")) is Failure.UNREADABLE
    assert esme.problems[0] == "an answer to nothing"


async def test_a_generic_nack_answers_its_request() -> None:
    class Nacking(Smsc):
        def on_request(self, session: Session, request: Pdu) -> None:
            session.raw(encode(c.GENERIC_NACK, request.sequence, None, c.INVALID_COMMAND))

    async with bound(Nacking()) as session:
        reply = await session.ask(c.SUBMIT_SM, Message("1"))
    assert isinstance(reply, Pdu)
    assert (reply.command, reply.status) == (c.GENERIC_NACK, c.INVALID_COMMAND)
