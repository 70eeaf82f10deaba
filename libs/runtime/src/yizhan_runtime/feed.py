"""A few documents held in memory and refreshed within a second: accounts, wallets and the like.

Every document carries ``version`` (one more with each write) and ``changed_at``. Nothing is ever
deleted: what is over has a state that says so.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger
from yizhan_runtime.mongo import Document, Index, Mongo

log = get_logger(__name__)

EVERY_S = 0.5
OVERLAP = timedelta(seconds=15)
"""Writers' clocks differ (2 s, or they are not ready), and a write is seen after its moment."""

Take = Callable[[Document], None]


class Feed:
    """Hands every document over, then each change of one. ``run`` must be running.

    Whoever writes through this process hands the written document to ``take`` at once; others hear
    of it with their next look. A document that ``take`` raises on is logged and left out: the one
    before it stays.
    """

    def __init__(
        self, mongo: Mongo, collection: str, take: Take, clock: Clock, every_s: float = EVERY_S
    ) -> None:
        self._mongo = mongo
        self._collection = collection
        self._take = take
        self._clock = clock
        self._every_s = every_s
        self._versions: dict[Any, int] = {}
        self._looked_at: datetime | None = None

    async def load(self) -> None:
        """Create the index and take all there is. Raises Retryable."""
        await self._mongo.ensure_indexes(self._collection, [Index((("changed_at", 1),))])
        await self.refresh()

    async def refresh(self) -> None:
        """Take what changed since the last look. Raises Retryable."""
        query = {"changed_at": {"$gte": self._looked_at - OVERLAP}} if self._looked_at else {}
        now = self._clock.now()
        for document in await self._mongo.find(self._collection, query):
            self.take(document)
        self._looked_at = now

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            await self._clock.sleep(self._every_s)
            try:
                await self.refresh()
            except Retryable as error:
                log.warning(
                    "changes are not seen for now",
                    extra={"collection": self._collection, "why": str(error)},
                )

    def take(self, document: Document) -> None:
        """Take one document, unless it is known in this version or a later one."""
        document_id, version = document["_id"], document["version"]
        if self._versions.get(document_id, 0) >= version:
            return
        self._versions[document_id] = version
        try:
            self._take(document)
        except (ValueError, KeyError, TypeError) as error:
            log.warning(
                "a document cannot be used: the one before it stays",
                extra={
                    "collection": self._collection,
                    "id": document_id,
                    "why": type(error).__name__,
                },
            )
