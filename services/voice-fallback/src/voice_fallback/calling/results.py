"""Waiting for what providers report of rings, through whichever instance's webhook it came."""

import asyncio

from voice_fallback.calling.patience import patiently, within
from voice_fallback.domain.story import RingResult
from voice_fallback.ports import CallStore
from yizhan_runtime.clock import Clock

_POLL_S = 3.0
"""A report may reach another instance: it stores it, and this one finds it there."""


class Results:
    """Rings that are waited for, by reference. One lookup for all of them, every three seconds."""

    def __init__(self, store: CallStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._awaited: dict[str, asyncio.Future[RingResult]] = {}
        self._wake = asyncio.Event()

    def expect(self, ref: str) -> None:
        """Begin to listen, before the ring is ordered: its report may come before the answer."""
        if ref not in self._awaited:
            self._awaited[ref] = asyncio.get_running_loop().create_future()
            self._wake.set()

    def forget(self, ref: str) -> None:
        self._awaited.pop(ref, None)

    def arrived(self, result: RingResult) -> bool:
        """Hand a stored result to who waits for it. False: nobody does, here."""
        future = self._awaited.get(result.ref)
        if future is None:
            return False
        if not future.done():
            future.set_result(result)
        return True

    async def wait(self, ref: str, seconds: float) -> RingResult | None:
        """Give a ring's result, None when there is none after ``seconds``."""
        self.expect(ref)
        try:
            result = await within(self._clock, seconds, self._awaited[ref])
        finally:
            self.forget(ref)
        if result is not None:
            return result
        stored = await patiently(self._clock, lambda: self._store.load_results([ref]))
        return stored.get(ref)

    async def poll(self) -> None:
        """Look for results for ever; sleeps while nobody waits."""
        while True:
            await self._wake.wait()
            await self._clock.sleep(_POLL_S)
            if not self._pending():
                self._wake.clear()
                continue
            found = await patiently(self._clock, lambda: self._store.load_results(self._pending()))
            for result in found.values():
                self.arrived(result)

    def _pending(self) -> list[str]:
        return [ref for ref, future in self._awaited.items() if not future.done()]
