"""What voice-fallback asks of a provider's protocol, be it HTTP or a SIP trunk."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from yizhan_contracts.reasons import Reason


@dataclass(frozen=True, slots=True)
class Order:
    """One ring. ``ref`` is our reference: the provider's report carries it."""

    ref: str
    recipient: str
    language: str
    script: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The provider rings; what becomes of it is reported later."""

    provider_call_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider will not ring."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Certainly not taken: nobody rings, another try is safe. In any doubt it is ``Lost``."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """Ordered and not answered: it may be ringing. A report may still tell."""

    detail: str = ""


Answer = Taken | Refused | NotTaken | Lost
MayDial = Callable[[], bool]


class Provider(Protocol):
    """A voice provider, spoken to in its own protocol."""

    async def dial(self, order: Order, may_dial: MayDial) -> Answer:
        """Order one ring.

        ``may_dial`` is asked just before the first byte goes to the socket; when it says no,
        nothing is ordered. Bounded in time.
        """

    async def close(self) -> None:
        """Let the connections go."""
