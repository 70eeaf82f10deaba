"""What of a message the choice depends on, and the words for what was chosen."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import log

from yizhan_contracts.events import Lane, MessageAccepted, RoutingPolicy, TemplateUse
from yizhan_telecom.segments import Encoding, encoding_of, segments

_BITS = 64
_MASK = (1 << _BITS) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_SHARD = slice(12, 16)
"""Where in a message id the hash of its recipient stands."""


class Why(StrEnum):
    """Why a channel was taken, or none."""

    PREFERRED = "preferred"
    SHARE = "share"
    """Drawn by weight among equals."""
    STICKY = "sticky"
    """Among equals the one that this recipient always has."""
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
    NOT_TAKEN = "not-taken"
    """Those that serve it do not take this message: its template, sender or text."""
    EXHAUSTED = "exhausted"
    """Those that do have been tried."""


@dataclass(frozen=True)
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
    network: str = ""
    """MCCMNC of the recipient's network, empty where it is not known."""
    account_id: str = ""
    is_sticky: bool = False
    sender: str = ""
    template: TemplateUse | None = None
    text: str = ""

    @classmethod
    def of(cls, message: MessageAccepted, n: int) -> "Facts":
        """Take the facts of attempt ``n`` of a message."""
        policy = message.policy
        return cls(
            message.message_id,
            n,
            message.country,
            message.lane,
            policy.routing,
            message.test,
            n < policy.max_attempts and message.lane is not Lane.URGENT,
            message.network,
            message.account_id,
            policy.sticky_sender,
            message.sender,
            message.template,
            message.text,
        )

    @property
    def category(self) -> str:
        """The template's category, empty without a template."""
        return self.template.category if self.template is not None else ""

    @cached_property
    def is_gsm7(self) -> bool:
        return encoding_of(self.text) is Encoding.GSM7

    @cached_property
    def segments(self) -> int:
        return segments(self.text)

    def draw(self, salt: int = 1) -> float:
        """Give a number from 0 to 1 that is this attempt's own: a replay draws it again."""
        mixed = int(self.message_id[16:], 16) + self.n * _GOLDEN * (2 * salt + 1)
        mixed = ((mixed ^ (mixed >> 31)) * _GOLDEN) & _MASK
        return (mixed ^ (mixed >> 29)) / (_MASK + 1)

    def affinity(self, channel_salt: int, weight: int) -> float:
        """Give how strongly this recipient is drawn to a channel of some weight.

        Weighted rendezvous hashing: who takes the highest gives each channel its share of the
        recipients, and when a channel goes only its own recipients move.
        """
        mixed = (int(self.message_id[_SHARD], 16) + 1) * _GOLDEN ^ channel_salt
        mixed = ((mixed ^ (mixed >> 31)) * _GOLDEN) & _MASK
        uniform = ((mixed ^ (mixed >> 29)) & _MASK) / (_MASK + 1)
        return -weight / log(uniform) if 0.0 < uniform < 1.0 else 0.0
