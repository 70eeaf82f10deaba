"""Replays: what was said in a range of time is said again, as it is now. The job, and its rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from receipts.push.endpoints import About, lane_id_of
from yizhan_contracts import ids


class Source(StrEnum):
    """What is replayed."""

    KNOWN = "known"
    """All that can be said of a range, acknowledged or not."""
    PARKED = "parked"
    """What was given up."""


class Progress(StrEnum):
    """How far a replay is."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay. Its range ends before it was asked for."""

    replay_id: str
    account_id: str
    about: About
    source: Source
    since: datetime
    until: datetime
    status: str
    """Of results, ``0`` or ``1``; empty for all."""
    created_at: datetime
    moved_at: datetime
    """When it last got on."""
    after: str
    """Where it stands."""
    items: int = 0
    """Said again, or made to wait again."""
    progress: Progress = Progress.RUNNING
    why: str = ""

    @property
    def lane_id(self) -> str:
        return lane_id_of(self.about, self.account_id)

    @property
    def below(self) -> str:
        """Where it ends."""
        return position_of(self.until)

    def moved(self, after: str, items: int, now: datetime) -> "Replay":
        return replace(self, after=after, items=self.items + items, moved_at=now)

    def ended(self, progress: Progress, now: datetime, why: str = "") -> "Replay":
        return replace(self, progress=progress, moved_at=now, why=why)


def position_of(at: datetime) -> str:
    """Give the place of a moment in the order of ids."""
    return ids.first_message_id(int(at.timestamp() * 1000))


class ReplayStore(Protocol):
    """Where replays are. Every method raises Retryable while it is away."""

    async def add(self, job: Replay) -> None: ...
    async def save(self, job: Replay) -> bool:
        """Keep how far a running replay is; False if it was ended meanwhile."""
        ...

    async def find(self, replay_id: str) -> Replay | None: ...
    async def running(self, limit: int) -> Sequence[Replay]:
        """List what runs, the oldest first."""
        ...

    async def of_account(self, account_id: str, limit: int) -> Sequence[Replay]:
        """List an account's replays, the newest first."""
        ...
