"""What of a message the choice depends on, and the words for what was chosen."""

from dataclasses import dataclass
from enum import StrEnum

from yizhan_contracts.events import Lane, MessageAccepted, RoutingPolicy

_BITS = 64
_MASK = (1 << _BITS) - 1
_GOLDEN = 0x9E3779B97F4A7C15


class Why(StrEnum):
    """Why a channel was taken, or none."""

    PREFERRED = "preferred"
    SHARE = "share"
    """Drawn by weight among equals."""
    PROBE = "probe"
    """A trial of a channel that was broken."""
    SPILLED = "spilled"
    """The preferred ones are full."""
    DEGRADED = "degraded"
    """No healthy one is left."""
    BROKEN = "broken"
    """All that is left is broken: the best of those."""
    NO_ROUTE = "no-route"
    """No channel serves the country."""
    EXHAUSTED = "exhausted"
    """Those that do have been tried."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a message the choice depends on."""

    message_id: str
    n: int
    country: str
    lane: Lane = Lane.STANDARD
    routing: RoutingPolicy = RoutingPolicy.QUALITY
    is_test: bool = False
    may_probe: bool = True
    """Another attempt could follow, so this one may be risked."""

    @classmethod
    def of(cls, message: MessageAccepted, n: int) -> "Facts":
        """Take the facts of attempt ``n`` of a message."""
        return cls(
            message.message_id,
            n,
            message.country,
            message.lane,
            message.policy.routing,
            message.test,
            may_probe=n < message.policy.max_attempts and message.lane is not Lane.URGENT,
        )

    def draw(self, salt: int = 1) -> float:
        """Give a number from 0 to 1 that is this attempt's own: a replay draws it again."""
        mixed = int(self.message_id[16:], 16) + self.n * _GOLDEN * (2 * salt + 1)
        mixed = ((mixed ^ (mixed >> 31)) * _GOLDEN) & _MASK
        return (mixed ^ (mixed >> 29)) / (_MASK + 1)
