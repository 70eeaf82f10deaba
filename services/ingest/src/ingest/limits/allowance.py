"""Messages a day and a month: counted in the database, drawn from it in blocks.

A block that was drawn is this process's to use. What a crash leaves of it is lost for that day: an
account may then send a block less than its limit, never more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingest.catalogue import Account
from ingest.codes import Code, Refusal
from ingest.limits.model import Period, period_of
from yizhan_runtime.clock import Clock

_SHARE = 50
"""A block is at most this part of the limit, so that a crash costs 2 %."""
_MAX_BLOCK = 500
_TRIES = 20

_CODES = {Period.DAY: Code.DAY_EXHAUSTED, Period.MONTH: Code.MONTH_EXHAUSTED}


class Counters(Protocol):
    """The store of what was drawn. Every method raises Retryable while it is away."""

    async def drawn(self, counter: str, ends_at: datetime) -> int:
        """Give how much was drawn; a counter that is new begins at nothing."""
        ...

    async def draw(self, counter: str, drawn: int, units: int) -> bool:
        """Draw more, if just so much was drawn before."""
        ...

    async def give_back(self, left: Mapping[str, int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Refused:
    """A message over a limit, and when the limit begins anew."""

    refusal: Refusal
    until: datetime


class Allowance:
    """Counts messages against an account's day and month."""

    def __init__(self, counters: Counters, clock: Clock) -> None:
        self._counters = counters
        self._clock = clock
        self._left: dict[str, int] = {}

    async def take(self, account: Account, units: int) -> tuple[int, Refused | None]:
        """Take up to so many; give how many, and what stands against the rest. Raises Retryable."""
        granted, against, taken = units, None, dict[str, int]()
        for period, limit in _limits(account):
            name, ends_at = period_of(period, self._clock.now(), account.time_zone)
            counter = f"{account.id}.{name}"
            found = await self._take(counter, limit, granted, ends_at)
            if found < granted:
                detail = f"Over {limit} messages a {period}."
                against = Refused(Refusal(_CODES[period], detail=detail), ends_at)
            granted = taken[counter] = found
        for counter, found in taken.items():
            self._left[counter] += found - granted  # what another limit did not allow
        return granted, against

    async def _take(self, counter: str, limit: int, units: int, ends_at: datetime) -> int:
        if self._left.get(counter, 0) < units:
            await self._refill(counter, limit, units, ends_at)
        left = self._left.get(counter, 0)
        self._left[counter] = left - min(units, left)
        return min(units, left)

    async def _refill(self, counter: str, limit: int, units: int, ends_at: datetime) -> None:
        block = min(_MAX_BLOCK, limit // _SHARE)
        for _ in range(_TRIES):
            drawn = await self._counters.drawn(counter, ends_at)
            wanted = min(limit - drawn, max(block, units - self._left.get(counter, 0)))
            if wanted <= 0:
                return
            if await self._counters.draw(counter, drawn, wanted):
                self._left[counter] = self._left.get(counter, 0) + wanted
                return

    async def close(self) -> None:
        """Give back what is left. An ``on_stop`` hook."""
        left, self._left = {name: n for name, n in self._left.items() if n}, {}
        await self._counters.give_back(left)


def _limits(account: Account) -> list[tuple[Period, int]]:
    limits = account.limits
    pairs = ((Period.DAY, limits.messages_per_day), (Period.MONTH, limits.messages_per_month))
    return [(period, limit) for period, limit in pairs if limit is not None]
