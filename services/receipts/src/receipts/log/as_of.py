"""As of when the ledger is complete: what Kafka had by then has been written down, by any instance.

Kafka is asked once a second where its topics end and what is committed of them; a time is complete
when all that its topics then had is committed. No record's own timestamp is trusted for that.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from pydantic import BaseModel, Field

from yizhan_runtime import Clock, Retryable, get_logger
from yizhan_runtime.progress import Place, Progress

log = get_logger(__name__)

_EVERY_S: Final = 1.0
_MOST_LOOKS: Final = 1_000


class AsOf(BaseModel):
    """What an answer says of the ledger's completeness."""

    complete_until: datetime | None = Field(
        description="All that was known by then is in. Null: not known, see `note`."
    )
    looked_at: datetime | None = Field(description="When Kafka was asked last, and answered.")
    unread: int = Field(description="Records that wait; their messages show older states.")
    set_aside: int = Field(description="Records among them that failed and are tried again later.")
    note: str = Field(description="Empty where all is well.")


class AsksProgress(Protocol):
    """Asks Kafka for the groups' progress. Raises Retryable while it is away."""

    async def ask(self) -> Progress: ...
    async def close(self) -> None: ...


class SaysAsOf(Protocol):
    """Says as of when the ledger is complete, at once."""

    def now(self) -> AsOf: ...


class Look(NamedTuple):
    """Where the topics ended at a time."""

    at: datetime
    ends: Mapping[Place, int]


class Looks:
    """The looks that are not complete yet, and the time of the newest that is. Pure."""

    def __init__(self) -> None:
        self._open: deque[Look] = deque()
        self.complete_until: datetime | None = None

    def add(self, look: Look, committed: Mapping[Place, int]) -> None:
        """Take one look more, and what was committed after it."""
        self._open.append(look)
        while self._open and _is_reached(self._open[0], committed):
            self.complete_until = self._open.popleft().at
        if len(self._open) > _MOST_LOOKS:
            # Long behind: coarser will do. The newest stays, and so does the next to be reached.
            self._open = deque(look for i, look in enumerate(self._open) if i % 2 == 0)


def _is_reached(look: Look, committed: Mapping[Place, int]) -> bool:
    return all(committed.get(place, 0) >= end for place, end in look.ends.items())


class Completeness:
    """Watches Kafka, and says as of when. Asking it costs nothing."""

    def __init__(self, progress: AsksProgress, retry_groups: frozenset[str], clock: Clock) -> None:
        self._progress = progress
        self._retry_groups = retry_groups
        self._clock = clock
        self._looks = Looks()
        self._looked_at: datetime | None = None
        self._unread = 0
        self._set_aside = 0
        self._trouble = "Kafka has not been asked yet"

    async def watch(self) -> None:
        """Look each second, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(_EVERY_S)

    async def close(self) -> None:
        """Let go of the connections, once nobody watches any more."""
        await self._progress.close()

    async def look(self) -> None:
        """Ask Kafka once; while it is away, what was known stays, with its time."""
        at = self._clock.now()
        try:
            ends, committed = await self._progress.ask()
        except Retryable as error:
            if not self._trouble:
                log.warning("as of when the ledger is complete cannot be told", exc_info=error)
            self._trouble = str(error)
            return
        left = {place: max(end - committed[place], 0) for place, end in ends.items()}
        self._set_aside = sum(n for place, n in left.items() if place[0] in self._retry_groups)
        self._unread = sum(left.values())
        # What is set aside is told by its number: it would hold up the time of all others.
        its = {place: end for place, end in ends.items() if place[0] not in self._retry_groups}
        self._looks.add(Look(at, its), committed)
        self._looked_at, self._trouble = at, ""

    def now(self) -> AsOf:
        """Say what is known now."""
        return AsOf(
            complete_until=self._looks.complete_until,
            looked_at=self._looked_at,
            unread=self._unread,
            set_aside=self._set_aside,
            note=self._note(),
        )

    def _note(self) -> str:
        if self._trouble:
            return f"what has come since looked_at is not known: {self._trouble}"
        if self._looks.complete_until is None:
            return f"{self._unread} records from before this process began are being read"
        if self._set_aside:
            return "but for the records that are set aside: they failed, and are tried again"
        return ""
