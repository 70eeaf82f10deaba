"""One SMPP connection, either side of it.

Many PDUs a read, many a write, no task and no future for a message: requests are answered by
callback. A timer of the session's own takes care of the silent ones and of enquire_link.
"""

import asyncio
from enum import StrEnum
from functools import partial
from typing import Final, cast

from yizhan_smpp.constants import (
    ANSWER,
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    BINDS,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    ENQUIRE_LINK_RESP,
    GENERIC_NACK,
    INVALID_COMMAND,
    INVALID_COMMAND_LENGTH,
    OK,
    TAG_VERSION,
    UNBIND,
    UNBIND_RESP,
    VERSION,
    WRONG_BIND_STATE,
)
from yizhan_smpp.decoding import decode_frame
from yizhan_smpp.encoding import encode
from yizhan_smpp.errors import MalformedError
from yizhan_smpp.framing import HEADER_OCTETS, Frame, frames, wanted
from yizhan_smpp.handler import Answered, Failure, Handler, SessionOptions
from yizhan_smpp.pdu import Bind, Body, Bound, Pdu
from yizhan_smpp.requests import OpenRequests, Request

_MOST_MALFORMED: Final = 100
"""So many unreadable PDUs in a row are no accident."""
_MOST_UNREAD: Final = 8 * 1024 * 1024
"""Octets that a peer may leave unread before it is hung up on: its answers are among them."""
_TICKS: Final = 4
_SHORTEST_TICK_S: Final = 0.02
_LONGEST_TICK_S: Final = 1.0


class State(StrEnum):
    """How far a session has come."""

    OPEN = "open"
    BOUND = "bound"
    UNBINDING = "unbinding"
    CLOSED = "closed"


class Session(asyncio.Protocol):
    """One connection. ``peer`` is for its handler to use, e.g. for who is bound.

    A request that was written is answered, or ends in a Failure, exactly once; its callback runs
    inside the read that brought the answer and must not raise.
    """

    def __init__(self, handler: Handler, options: SessionOptions, *, is_server: bool) -> None:
        self.options = options
        self.state = State.OPEN
        self.bind_command = 0
        self.peer: object = None
        self._handler = handler
        self._is_server = is_server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._rest = bytearray()
        self._wanted = HEADER_OCTETS
        self._out: list[bytes] = []
        self._unwritten: list[int] = []
        self._is_paused = False
        self._requests = OpenRequests()
        self._drained: asyncio.Future[None] | None = None
        self._made_at = self.heard_at = self._loop.time()
        self._enquired_at: float | None = None
        self._malformed = 0
        self._timer: asyncio.TimerHandle | None = None

    # --- what its user calls ---------------------------------------------------------------

    @property
    def room(self) -> int:
        """Count the requests that may be sent now."""
        if self.state is not State.BOUND or self._is_paused:
            return 0
        return self.options.window - len(self._requests.in_window)

    @property
    def open_requests(self) -> int:
        """Count what is not answered, within the window or overdue."""
        return len(self._requests.in_window) + len(self._requests.overdue)

    def request(self, command: int, body: Body, answered: Answered) -> None:
        """Send a request; its window is the caller's to respect. Raises EncodeError: not sent.

        It goes out with everything else of this turn of the loop, or by ``flush``.
        """
        if self.state is State.CLOSED:
            answered(Failure.NOT_WRITTEN)
            return
        requests = self._requests
        sequence = requests.next_sequence()
        self._put(encode(command, sequence, body))
        self._unwritten.append(sequence)
        requests.in_window[sequence] = Request(command, answered, self._loop.time())

    async def ask(self, command: int, body: Body = None) -> Pdu | Failure:
        """Send a request and wait for its answer: for the few that are no messages."""
        done: asyncio.Future[Pdu | Failure] = self._loop.create_future()
        self.request(command, body, partial(_settle, done))
        return await done

    async def bind(self, command: int, body: Bind) -> Pdu | Failure:
        """Bind to an SMSC (ESME). Messages may come in the same read as the answer."""
        done: asyncio.Future[Pdu | Failure] = self._loop.create_future()

        def answered(reply: Pdu | Failure) -> None:
            if isinstance(reply, Pdu) and reply.is_ok and reply.command == command | ANSWER:
                self.state, self.bind_command = State.BOUND, command
            _settle(done, reply)

        self.request(command, body, answered)
        return await done

    def respond(self, request: Pdu, status: int = OK, body: Body = None) -> None:
        """Answer a request. A failed one needs no body."""
        if self.state is not State.CLOSED:
            self._put(encode(request.command | ANSWER, request.sequence, body, status))

    def raw(self, octets: bytes) -> None:
        """Send octets as they are: for peers that misbehave on purpose."""
        self._put(octets)

    def accept(self, request: Pdu, system_id: str = "") -> None:
        """Bind an ESME (SMSC)."""
        self.state, self.bind_command = State.BOUND, request.command
        self.respond(request, OK, Bound(system_id, {TAG_VERSION: bytes((VERSION,))}))

    def refuse(self, request: Pdu, status: int) -> None:
        """Do not bind an ESME, and hang up (SMSC)."""
        self.respond(request, status)
        self.close()

    def flush(self) -> None:
        """Write what is collected, now."""
        transport = self._transport
        if not self._out or transport is None or transport.is_closing():
            return
        octets = b"".join(self._out)
        self._out.clear()
        self._unwritten.clear()
        transport.write(octets)
        if self._is_paused and transport.get_write_buffer_size() > _MOST_UNREAD:
            transport.abort()

    async def unbind(self) -> None:
        """End well: wait for open answers, unbind, hang up. Takes 2 * response_s at most."""
        if self.state is State.BOUND:
            self.state = State.UNBINDING
            await self._drain()
            unbinding = self._loop.create_task(self.ask(UNBIND))
            await asyncio.wait(
                (unbinding, self._closed),
                timeout=self.options.response_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            unbinding.cancel()
        self.close()
        await self.wait_closed()

    def close(self) -> None:
        """Hang up, after what is collected is written. Open requests are LOST."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await asyncio.shield(self._closed)

    # --- what the event loop calls -----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance.
        self._transport = cast("asyncio.Transport", transport)
        self._made_at = self.heard_at = self._loop.time()
        self._timer = self._loop.call_later(self._tick_s(), self._tick)

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = State.CLOSED
        if self._timer is not None:
            self._timer.cancel()
        self._requests.end(set(self._unwritten))
        self._settle_drain()
        if not self._closed.done():
            self._closed.set_result(None)
        self._handler.on_closed(self, exc)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._handler.on_room(self)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data = bytes(self._rest)
        found, start, is_broken = frames(data)
        self._rest = bytearray(data[start:])
        self._wanted = wanted(self._rest)
        was_open = len(self._requests.in_window)
        for frame in found:
            self._take(data, frame)
        if is_broken:
            self._hang_up()
        elif len(self._requests.in_window) < was_open:
            self._settle_drain()
            self._handler.on_room(self)

    # --- inside --------------------------------------------------------------------------------

    def _take(self, data: bytes, frame: Frame) -> None:
        command, status, sequence, start, end = frame
        try:
            pdu = decode_frame(data, command, status, sequence, start, end)
        except MalformedError as error:
            self._take_malformed(error, status)
            return
        self._malformed = 0
        if command & ANSWER:
            self._take_answer(pdu)
        else:
            self._take_request(pdu)

    def _take_answer(self, pdu: Pdu) -> None:
        asked = self._requests.take(pdu.sequence, pdu.command)
        if asked is None:
            self._handler.on_malformed(self, "an answer to nothing")
        else:
            asked.answered(pdu)

    def _take_request(self, request: Pdu) -> None:
        command = request.command
        if command == ENQUIRE_LINK:
            self._put(encode(ENQUIRE_LINK_RESP, request.sequence))
        elif command == UNBIND:
            self.state = State.UNBINDING
            self._put(encode(UNBIND_RESP, request.sequence))
            self.close()
        elif command in BINDS:
            if self._is_server and self.state is State.OPEN:
                self._handler.on_bind(self, request)
            else:
                self.respond(request, WRONG_BIND_STATE)
        elif self._is_allowed(command):
            self._handler.on_request(self, request)
        else:
            self.respond(request, WRONG_BIND_STATE)

    def _is_allowed(self, command: int) -> bool:
        """Tell whether this bind carries messages that way (2.2)."""
        if self.state not in (State.BOUND, State.UNBINDING) or not self.bind_command:
            return False
        if self._is_server:
            return self.bind_command != BIND_RECEIVER and command != DELIVER_SM
        return self.bind_command != BIND_TRANSMITTER and command in (DELIVER_SM, DATA_SM)

    def _take_malformed(self, error: MalformedError, status: int) -> None:
        """Answer what cannot be read. Never an answer with a nack: two peers would go on for ever.

        A failed answer needs no body to be one; a good one lacks its message id.
        """
        self._malformed += 1
        self._handler.on_malformed(self, str(error))
        if error.command & ANSWER:
            asked = self._requests.take(error.sequence, error.command)
            if asked is not None:
                failed = Pdu(error.command, status, error.sequence)
                asked.answered(failed if status else Failure.UNREADABLE)
        elif error.status == INVALID_COMMAND:
            self._put(encode(GENERIC_NACK, error.sequence, None, error.status))
        else:
            self._put(encode(error.command | ANSWER, error.sequence, None, error.status))
        if self._malformed >= _MOST_MALFORMED:
            self._hang_up()

    def _hang_up(self) -> None:
        """Say that the stream cannot be followed any more, and end it (4.3)."""
        self._handler.on_malformed(self, "the stream is broken")
        self._put(encode(GENERIC_NACK, 0, None, INVALID_COMMAND_LENGTH))
        self.close()

    def _put(self, octets: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(octets)

    async def _drain(self) -> None:
        if self._requests.in_window:
            self._drained = self._loop.create_future()
            await asyncio.wait((self._drained,), timeout=self.options.response_s)

    def _settle_drain(self) -> None:
        if self._drained is not None and not self._requests.in_window and not self._drained.done():
            self._drained.set_result(None)

    # --- time ------------------------------------------------------------------------------------

    def _tick_s(self) -> float:
        shortest = min(self.options.response_s, self.options.enquire_link_s) / _TICKS
        return min(_LONGEST_TICK_S, max(_SHORTEST_TICK_S, shortest))

    def _tick(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(self._tick_s(), self._tick)
        if self._requests.age(now, self.options.response_s, self.options.give_up_s):
            self._settle_drain()
            self._handler.on_room(self)
        if self.state is State.OPEN and now - self._made_at >= self.options.response_s:
            self.abort()
        if self._enquired_at is not None:
            if now - self._enquired_at >= self.options.response_s:
                self._handler.on_malformed(self, "no answer to enquire_link")
                self.abort()
        elif self.state is State.BOUND and now - self.heard_at >= self.options.enquire_link_s:
            self._enquired_at = now
            self.request(ENQUIRE_LINK, None, self._on_enquired)

    def _on_enquired(self, _reply: Pdu | Failure) -> None:
        self._enquired_at = None


def _settle(done: "asyncio.Future[Pdu | Failure]", reply: Pdu | Failure) -> None:
    if not done.done():
        done.set_result(reply)
