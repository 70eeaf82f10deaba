"""Receipts whose attempt is never known: given up after a time, counted, named and kept aside.

Nothing is dropped unseen: what is too old to be matched is written to a place of its own first,
and then removed from where matches are looked for. Operators list it for some weeks.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from receipts.ledger.documents import Document
from receipts.metrics import Metrics
from yizhan_runtime import Clock, Retryable, get_logger

log = get_logger(__name__)

_PERIOD_S: Final = 60.0
_PAGE: Final = 1000
_NAMED: Final = 20


class UnmatchedStore(Protocol):
    """The early receipts, and those that were given up."""

    async def aged_early(self, before: datetime, limit: int) -> list[Document]:
        """Give the early receipts that are older, the oldest first."""
        ...

    async def insert_unmatched(self, documents: Sequence[Document]) -> set[str]: ...
    async def remove_early(self, ids: Collection[str]) -> None: ...


class UnmatchedReader(Protocol):
    """What operators are told."""

    async def find_unmatched(self, channel: str, before: datetime, limit: int) -> list[Document]:
        """Give what was given up before a time, the newest first; "" stands for all channels."""
        ...


class Ageing:
    """Gives up early receipts that no attempt can match any more."""

    def __init__(
        self, store: UnmatchedStore, clock: Clock, metrics: Metrics, match_within_s: float
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._match_within = timedelta(seconds=match_within_s)

    async def run(self) -> None:
        """Look for ever; with MongoDB away, again later."""
        while True:
            try:
                await self.age()
            except Retryable as error:
                log.warning("ageing waits", extra={"why": str(error)})
            await self._clock.sleep(_PERIOD_S)

    async def age(self) -> None:
        """Give up what is too old by now."""
        now = self._clock.now()
        while aged := await self._store.aged_early(now - self._match_within, _PAGE):
            existing = await self._store.insert_unmatched([one | {"aged_at": now} for one in aged])
            new = [one for one in aged if one["_id"] not in existing]
            self._metrics.record_unmatched(one["channel"] for one in new)
            if new:
                log.warning(
                    "receipts are given up: no attempt is known under their ids",
                    extra={"receipts": len(new), "ids": [one["_id"] for one in new[:_NAMED]]},
                )
            await self._store.remove_early([one["_id"] for one in aged])
