"""One bind that keeps itself up: connects, waits for the end, connects again."""

from collections.abc import Callable
from dataclasses import dataclass
from logging import INFO, WARNING

from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.logs import get_logger
from yizhan_smpp import constants as c
from yizhan_smpp.client import Address, connect
from yizhan_smpp.errors import BindRefusedError, ConnectionFailedError
from yizhan_smpp.handler import Handler, SessionOptions
from yizhan_smpp.pdu import Bind
from yizhan_smpp.session import Session

log = get_logger(__name__)

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
_REFUSED_PAUSE_S = 10.0
"""A wrong password does not get right by repetition, and carriers lock accounts for it."""
_STEADY_S = 10.0
"""A bind that ends sooner counts as one more failure: no loop of binding and being thrown out."""
_AUTH = frozenset({c.INVALID_PASSWORD, c.INVALID_SYSTEM_ID, c.BIND_FAILED})
KINDS = {
    c.BIND_TRANSCEIVER: "transceiver",
    c.BIND_TRANSMITTER: "transmitter",
    c.BIND_RECEIVER: "receiver",
}


@dataclass(slots=True)
class Watch:
    """Who is told: a bind is up, it is gone, it failed (why, in a word of a bounded set)."""

    up: Callable[["Link"], None]
    down: Callable[["Link"], None]
    failed: Callable[[str], None]


class Link:
    """Keeps one bind of a channel. ``session`` is there while it is bound."""

    def __init__(  # noqa: PLR0913 - what a bind is made of
        self,
        channel: str,
        command: int,
        address: Address,
        bind: Bind,
        handler: Handler,
        options: SessionOptions,
        *,
        clock: Clock,
        watch: Watch,
    ) -> None:
        self.command = command
        self.session: Session | None = None
        self._channel = channel
        self._address = address
        self._bind = bind
        self._handler = handler
        self._options = options
        self._clock = clock
        self._watch = watch
        self._is_ending = False

    async def run(self) -> None:
        """Work until it is unbound, or cancelled, and then hang up."""
        tries = 0
        while not self._is_ending:
            session = await self._connect(tries + 1)
            if session is None:
                tries += 1
                continue
            began_at = self._clock.monotonic()
            await self._stay(session)
            tries = tries + 1 if self._clock.monotonic() - began_at < _STEADY_S else 1
            await self._clock.sleep(
                backoff_s(tries, first=_FIRST_PAUSE_S, longest=_LONGEST_PAUSE_S)
            )

    async def unbind(self) -> None:
        """End the bind well, if there is one; it does not come back."""
        self._is_ending = True
        if self.session is not None:
            await self.session.unbind()

    async def _connect(self, tries: int) -> Session | None:
        pause_s = backoff_s(tries, first=_FIRST_PAUSE_S, longest=_LONGEST_PAUSE_S)
        try:
            return await connect(
                self._address, self.command, self._bind, self._handler, self._options
            )
        except BindRefusedError as error:
            if error.status in _AUTH:
                pause_s = max(pause_s, _REFUSED_PAUSE_S)
            self._failed("refused", error, pause_s)
        except ConnectionFailedError as error:
            self._failed("tls" if error.is_tls else "connection", error, pause_s)
        await self._clock.sleep(pause_s)
        return None

    def _failed(self, why: str, error: Exception, pause_s: float) -> None:
        self._watch.failed(why)
        log.warning(
            "a bind failed",
            extra={
                "channel": self._channel,
                "bind": KINDS[self.command],
                "why": str(error),
                "again_in_s": round(pause_s, 1),
            },
        )

    async def _stay(self, session: Session) -> None:
        self.session = session
        said = {"channel": self._channel, "bind": KINDS[self.command]}
        log.info("a bind is up", extra=said)
        self._watch.up(self)
        try:
            await session.wait_closed()
        finally:
            session.abort()
            self.session = None
            log.log(INFO if self._is_ending else WARNING, "a bind is gone", extra=said)
            self._watch.down(self)
