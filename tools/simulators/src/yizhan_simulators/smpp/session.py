"""A bind at a simulated carrier: a session that can also misbehave."""

from dataclasses import dataclass

from yizhan_simulators.carriers.carrier import Carrier
from yizhan_smpp.constants import BIND_RECEIVER, BIND_TRANSMITTER, GENERIC_NACK, UNKNOWN_ERROR
from yizhan_smpp.encoding import encode
from yizhan_smpp.pdu import Pdu
from yizhan_smpp.session import Session, State

_GARBAGE = bytes.fromhex("7fffffff80000004deadbeef") + b"no PDU at all"


@dataclass
class Bind:
    """Whose bind a session is."""

    carrier: Carrier
    system_id: str
    submits: int = 0


class SmscSession(Session):
    """The carrier's end of one connection."""

    @property
    def bound(self) -> Bind | None:
        """Who is bound, None before."""
        return self.peer if isinstance(self.peer, Bind) else None

    @property
    def is_receiver(self) -> bool:
        """Whether deliver_sm may be sent on it."""
        return self.state is State.BOUND and self.bind_command != BIND_TRANSMITTER

    def data_received(self, data: bytes) -> None:
        """Read, or with `is_deaf` let everything fall on the floor."""
        bound = self.bound
        if bound is None or not bound.carrier.behaviour.smpp.is_deaf:
            super().data_received(data)

    def story(self) -> dict[str, object]:
        """Tell what is known of this bind."""
        kinds = {BIND_RECEIVER: "receiver", BIND_TRANSMITTER: "transmitter"}
        return {
            "kind": kinds.get(self.bind_command, "transceiver"),
            "submits": self.bound.submits if self.bound else 0,
            "unanswered": self.open_requests,
        }

    def nack(self, request: Pdu) -> None:
        """Answer with a generic_nack that says nothing."""
        self._put(encode(GENERIC_NACK, request.sequence, None, UNKNOWN_ERROR))

    def babble(self) -> None:
        """Write octets that are no PDU; nothing that follows can be read."""
        self._put(_GARBAGE)
