"""Notes that requests are done, written behind the answer.

The answer says that Kafka has the message; the note only spares a repeat of the request a second
publish. It may be lost: the repeat then takes over with the same ids, which does no harm.
"""

import asyncio
from collections.abc import Collection, Iterable

from ingest.ports import Inputs
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)


class DoneNotes:
    """Writes notes together, as they come. ``run`` must be running."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._unwritten: dict[str, None] = {}
        self._arrived = asyncio.Event()

    def add(self, input_ids: Iterable[str]) -> None:
        """Note that these are published."""
        self._unwritten.update(dict.fromkeys(input_ids))
        if self._unwritten:
            self._arrived.set()

    async def find(self, input_ids: Collection[str]) -> Collection[str]:
        """Give those that are known to be published, here or in the store. Raises Retryable."""
        here = {name for name in input_ids if name in self._unwritten}
        return here | set(await self._inputs.find_done(input_ids))

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            names = list(self._unwritten)
            try:
                await self._inputs.add_done(names)
            except Retryable as error:
                log.warning("done notes are lost", extra={"count": len(names), "why": str(error)})
            for name in names:
                del self._unwritten[name]
