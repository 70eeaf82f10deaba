"""What a session tells, and whom."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from yizhan_smpp.pdu import Pdu

if TYPE_CHECKING:
    from yizhan_smpp.session import Session


class Failure(StrEnum):
    """Why a request has no answer."""

    NOT_WRITTEN = "not-written"
    """Not one octet of it went to the socket: the peer certainly does not have it."""
    LOST = "lost"
    """The connection ended after it was written: the peer may have it."""
    SILENT = "silent"
    """The peer did not answer for so long that it is not waited for any more."""
    UNREADABLE = "unreadable"
    """The peer said yes, in a PDU whose body cannot be read."""


Reply = Pdu | Failure
Answered = Callable[[Reply], None]


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How patient a session is. Seconds; ``window`` counts requests that are not answered."""

    window: int = 10
    response_s: float = 10.0
    """An unanswered request leaves the window after so long; its answer may still come."""
    give_up_s: float = 30.0
    """After so long it is SILENT."""
    enquire_link_s: float = 30.0
    """The peer is asked whether it is there after so long a silence; it has response_s for it."""


class Handler:
    """Follows sessions; every call comes from the event loop and must not block.

    The base class does nothing: an ESME overrides what it needs, an SMSC on_bind too.
    """

    def on_bind(self, session: "Session", request: Pdu) -> None:
        """Answer an ESME's bind, now or later, with ``session.accept`` or ``refuse``."""

    def on_request(self, session: "Session", request: Pdu) -> None:
        """Answer a message or query of the peer with ``session.respond``, now or later."""

    def on_room(self, session: "Session") -> None:
        """Send more: answers came, or the socket takes octets again (see ``session.room``)."""

    def on_malformed(self, session: "Session", problem: str) -> None:
        """Count what could not be read; it is answered already where it can be."""

    def on_closed(self, session: "Session", error: Exception | None) -> None:
        """Let go: the connection is gone, and every open request has had its Failure."""
