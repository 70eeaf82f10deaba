"""A record on its way through the adapter."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from carrier_adapter.carriers.base import NotTaken
from carrier_adapter.domain.claims import Claim
from yizhan_contracts.events import AttemptPlanned
from yizhan_runtime.window import OpenRecord


class Intent(StrEnum):
    """What is to be done with a flight that nobody turns out to have claimed."""

    SEND = "send"
    EXPIRE = "expire"
    RELEASE = "release"


@dataclass(slots=True, eq=False)
class Flight:
    """One planned attempt, from its record to the moment when what became of it is durable."""

    opened: OpenRecord[AttemptPlanned]
    plan: AttemptPlanned
    attempt_id: str
    queued_at: float
    intent: Intent = Intent.SEND
    claimed_at: datetime | None = None
    """The time on our own claim."""
    claimed_mono: float = 0.0
    """The same, monotonic: its age decides whether we may still write."""
    written_at: float = 0.0
    has_slot: bool = False
    """It counts in its channel's window, until its outcome is stored."""
    has_recipient: bool = False
    """Nothing else goes to its recipient, until it is answered or in doubt."""
    is_decided: bool = False
    """What became of it is known, or in doubt, and on its way to the store."""
    is_in_doubt: bool = False
    not_taken: NotTaken | None = None
    foreign_claim: Claim | None = None
    foreign_since: float = 0.0
    """When this process first saw another's claim: the doubt is counted from here."""
    joined: list["Flight"] = field(default_factory=list)
    """Other records of the same attempt, which wait for this one."""

    @property
    def is_back(self) -> bool:
        """It comes from a retry topic, whose other records wait until this one has ended."""
        return self.opened.record.raw.first_seen_ms > 0

    def is_late(self, now: datetime) -> bool:
        """Past its validity nothing is claimed."""
        return now >= self.plan.message.valid_until
