"""What goes wrong on the wire.

SmppError
├── MalformedError         a PDU that can be told from the next one, but not read: answer, carry on
├── EncodeError            a field does not fit into its PDU (our side)
├── BindRefusedError       the SMSC answered the bind with a status
└── ConnectionFailedError  no connection, or none that could be bound
"""

from yizhan_smpp.constants import status_name


class SmppError(Exception):
    """Anything of this library."""


class MalformedError(SmppError):
    """A PDU whose header can be read and whose body cannot; ``status`` is the answer to it."""

    def __init__(self, command: int, sequence: int, status: int, problem: str) -> None:
        super().__init__(f"command 0x{command:08x}: {problem}")
        self.command = command
        self.sequence = sequence
        self.status = status


class EncodeError(SmppError, ValueError):
    """A field is too long, or has characters that do not go there. Names the field only."""


class BindRefusedError(SmppError):
    """The SMSC refused the bind."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the bind was refused: {status_name(status)}")
        self.status = status


class ConnectionFailedError(SmppError):
    """There is no connection: refused, unreachable, silent while binding, or TLS failed."""

    def __init__(self, problem: str, *, is_tls: bool = False) -> None:
        super().__init__(problem)
        self.is_tls = is_tls
