"""Things that are due later: one heap of time slots and one timer, however many wait."""

import asyncio
import heapq
import math
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from yizhan_simulators.clock import Clock

SLOT_S = 0.05
"""Things due within the same 50 ms come together: that is what fills a batch of receipts."""


class Due(Protocol):
    """Something with a time, in unix seconds."""

    @property
    def due(self) -> float: ...


T = TypeVar("T", bound=Due)


class Wheel(Generic[T]):
    """Items by the slot they are due in; nothing comes out before it is due."""

    def __init__(self, slot_s: float = SLOT_S) -> None:
        self._slot_s = slot_s
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []

    def add(self, item: T) -> None:
        slot = math.ceil(item.due / self._slot_s)
        items = self._slots.get(slot)
        if items is None:
            self._slots[slot] = [item]
            heapq.heappush(self._order, slot)
        else:
            items.append(item)

    def pop_due(self, now: float) -> list[T]:
        """Take out what is due, oldest slot first."""
        due: list[T] = []
        while self._order and self._order[0] * self._slot_s <= now:
            due += self._slots.pop(heapq.heappop(self._order))
        return due

    def next_due(self) -> float | None:
        """Say when the next slot is due."""
        return self._order[0] * self._slot_s if self._order else None


class Timers(Generic[T]):
    """A wheel that turns by itself: hands each slot to `fire` when its time has come.

    Belongs to the event loop it is first used in. With nothing waiting, no timer runs.
    """

    def __init__(
        self, fire: Callable[[list[T]], None], clock: Clock, slot_s: float = SLOT_S
    ) -> None:
        self._fire = fire
        self._clock = clock
        self._wheel: Wheel[T] = Wheel(slot_s)
        self._timer: asyncio.TimerHandle | None = None
        self._set_for = math.inf

    def add(self, items: Iterable[T]) -> None:
        for item in items:
            self._wheel.add(item)
        self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        due = self._wheel.next_due()
        if due is None or due >= self._set_for:
            return
        self.stop()
        self._set_for = due
        # Loops count in whole milliseconds, downwards: one more, or the timer comes too early,
        # finds nothing due and is set again, many times over for every slot.
        delay = max(0.0, due - self._clock()) + 0.001
        self._timer = asyncio.get_running_loop().call_later(delay, self._turn)

    def _turn(self) -> None:
        self._timer = None
        self._set_for = math.inf
        due = self._wheel.pop_due(self._clock())
        if due:
            self._fire(due)
        self._arm()
