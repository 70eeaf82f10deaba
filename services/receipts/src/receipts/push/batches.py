"""Batches: told finished, with how their messages ended, once every one of them is settled.

A batch that is open is looked at after 2 s, then ever less often: what it costs is bounded by its
age, and nothing on the way of a message knows of batches.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from receipts.push.announcing import Announcing
from receipts.push.endpoints import About
from receipts.push.events import of_batch
from receipts.push.lanes import Lanes
from receipts.push.ports import WaitingStore
from yizhan_contracts.events import BatchClosed
from yizhan_runtime import Clock
from yizhan_runtime.repeating import repeat

_LOOK_S = 2.0
_FIRST = timedelta(seconds=2)
_LONGEST = timedelta(minutes=5)
_SHARE = 0.25
"""Of a batch's age, between two looks: it is told finished so much later at most."""
_PAGE = 50
_LEASE = timedelta(seconds=30)


class OpenBatch(NamedTuple):
    """A batch that somebody wants to hear of."""

    account_id: str
    batch_id: str
    message_ids: Sequence[str]
    closed_at: datetime
    next_at: datetime
    """When it is looked at."""

    @property
    def key(self) -> str:
        return f"{self.account_id}/{self.batch_id}"


class BatchStore(Protocol):
    """Where open batches are."""

    async def insert_batches(self, batches: Sequence[OpenBatch]) -> None:
        """Keep them; what is kept already stays as it is."""
        ...

    async def due_batches(self, until: datetime, limit: int) -> list[OpenBatch]: ...
    async def put_off_batch(self, batch: OpenBatch) -> None: ...
    async def remove_batches(self, batches: Sequence[OpenBatch]) -> None: ...


class StatusSource(Protocol):
    """How messages ended."""

    async def statuses_of(self, message_ids: Collection[str]) -> Mapping[str, str]:
        """Give the statuses of those that are settled."""
        ...


class Batches:
    """Follows the batches of accounts that have an address for events. ``run`` must be running."""

    def __init__(
        self,
        lanes: Lanes,
        store: BatchStore,
        statuses: StatusSource,
        waiting: WaitingStore,
        announcing: Announcing,
        clock: Clock,
        owner: str,
    ) -> None:
        self._lanes = lanes
        self._store = store
        self._statuses = statuses
        self._waiting = waiting
        self._announcing = announcing
        self._clock = clock
        self._owner = owner

    async def hear_closed(self, closed: Sequence[BatchClosed]) -> None:
        """Keep what somebody wants to hear of."""
        next_at = self._clock.now() + _FIRST
        await self._store.insert_batches(
            [
                OpenBatch(one.account_id, one.batch_id, one.message_ids, one.closed_at, next_at)
                for one in closed
                if self._lanes.of(About.EVENTS, one.account_id)
            ]
        )

    async def run(self) -> None:
        """Look for ever."""
        await repeat(self._look_and_pause, self._clock, "the look at batches")

    async def _look_and_pause(self) -> float:
        await self.look()
        return _LOOK_S

    async def look(self) -> None:
        """Look at the batches whose time it is, unless another instance does."""
        while due := await self._store.due_batches(self._clock.now(), _PAGE):
            now = self._clock.now()
            if not await self._waiting.lease("batches", self._owner, now, now + _LEASE):
                return
            await self._look_at(due)

    async def _look_at(self, due: Sequence[OpenBatch]) -> None:
        finished: list[tuple[OpenBatch, Counter[str]]] = []
        for batch in due:
            statuses = await self._statuses.statuses_of(batch.message_ids)
            if len(statuses) == len(batch.message_ids):
                finished.append((batch, Counter(statuses.values())))
            else:
                await self._store.put_off_batch(_later(batch, self._clock.now()))
        now = self._clock.now()
        await self._announcing.announce(
            [of_batch(one.account_id, one.batch_id, counts, now) for one, counts in finished]
        )
        await self._store.remove_batches([one for one, _ in finished])


def _later(batch: OpenBatch, now: datetime) -> OpenBatch:
    pause = min(_LONGEST, max(_FIRST, (now - batch.closed_at) * _SHARE))
    return batch._replace(next_at=now + pause)
