"""The balance as a metric: messages by country and lane, counted by slices of time.

MongoDB counts; a slice in which nothing is open any more, and that is old enough for every record
of it to have been read, is closed: its counts are kept in the store and it is never read again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from receipts.ledger.catching_up import CatchingUp
from receipts.ledger.conservation import MIN_AGE_S, Leak, id_at
from receipts.ledger.documents import Document
from receipts.metrics import Metrics
from yizhan_contracts import ids
from yizhan_runtime import Clock, Retryable, get_logger
from yizhan_runtime.slices import Slices

log = get_logger(__name__)

ACCEPTED: Final = "accepted"
IN_FLIGHT: Final = "in-flight"
_SLICE_S: Final = 300
_CLOSES_AFTER_S: Final = 86_400.0
_SHARE: Final = 20
"""It rests at least this many times as long as it worked: 5 % of a core at most."""


class Cell(NamedTuple):
    """What is counted together: a status, or what was accepted."""

    country: str
    lane: str
    status: str


class BalanceStore(Protocol):
    """Counts ranges of ids; keeps what was counted of closed slices."""

    async def next_id(self, first: str) -> str | None:
        """Give the first id from ``first`` on that was accepted, or settled."""
        ...

    async def count_settled(self, after: str, below: str) -> dict[Cell, int]: ...
    async def count_messages(self, after: str, below: str) -> dict[Cell, int]: ...
    async def insert_balances(self, documents: Sequence[Document]) -> set[str]: ...
    async def balances_since(self, first: str) -> list[Document]: ...


class Balance:
    """Counts accepted = settled + in flight, as far back as messages may be open."""

    def __init__(
        self,
        *,
        store: BalanceStore,
        clock: Clock,
        metrics: Metrics,
        catching_up: CatchingUp,
        period_s: float,
        reach_s: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._catching_up = catching_up
        self._period_s = period_s
        self._slices = Slices(_SLICE_S, reach_s, period_s)
        self._counts: dict[int, Mapping[Cell, int]] = {}
        self._is_loaded = False

    async def run(self) -> None:
        """Count for ever, resting most of the time."""
        while True:
            begun = self._clock.monotonic()
            try:
                if not self._catching_up.is_on():
                    await self.count()
            except Retryable as error:
                log.warning("the balance waits", extra={"why": str(error)})
            worked_s = self._clock.monotonic() - begun
            await self._clock.sleep(max(self._period_s, _SHARE * worked_s))

    async def count(self) -> Counter[Cell]:
        """Count what is due, and show the sum of all."""
        now_s = self._clock.now().timestamp()
        if not self._is_loaded:
            await self._load(now_s)
        for begin in await self._occupied(sorted(self._slices.due(now_s)), now_s):
            await self._count_slice(begin, now_s)
        first = self._slices.first(now_s)
        self._counts = {begin: counts for begin, counts in self._counts.items() if begin >= first}
        total: Counter[Cell] = Counter()
        for counts in self._counts.values():
            total.update(counts)
        self._metrics.record_balance(total.items())
        self._metrics.record_leaks(Leak.NEVER_ACCEPTED, self._too_many_settled(now_s))
        return total

    def _too_many_settled(self, now_s: float) -> int:
        """Count what settled without having been accepted: in old slices, by country and lane."""
        return sum(
            -count
            for begin, counts in self._counts.items()
            if self._slices.age_s(begin, now_s) > MIN_AGE_S
            for cell, count in counts.items()
            if cell.status == IN_FLIGHT and count < 0
        )

    async def _load(self, now_s: float) -> None:
        """Take over what was closed by whoever ran before."""
        for document in await self._store.balances_since(_name(self._slices.first(now_s))):
            begin = int(document["begin"])
            self._slices.close(begin)
            self._counts[begin] = {Cell(*cell): count for *cell, count in document["counts"]}
        self._is_loaded = True

    async def _occupied(self, due: Sequence[int], now_s: float) -> list[int]:
        """Leave out the slices without a single id: one look finds the next that has any."""
        found, next_s = [], float("-inf")
        for begin in due:
            if next_s < begin:
                next_id = await self._store.next_id(_first_id(begin))
                next_s = ids.created_ms_of(next_id) / 1000 if next_id else float("inf")
            if next_s < begin + _SLICE_S:
                found.append(begin)
                continue
            self._slices.count(begin, now_s)
            if self._slices.age_s(begin, now_s) >= _CLOSES_AFTER_S:
                self._slices.close(begin)
        return found

    async def _count_slice(self, begin: int, now_s: float) -> None:
        """Count what settled before what was accepted: what settles meanwhile is in flight."""
        after, below = _first_id(begin), _first_id(begin + _SLICE_S)
        settled = await self._store.count_settled(after, below)
        accepted = await self._store.count_messages(after, below)
        open_here: Counter[Cell] = Counter()
        for cell, count in accepted.items():
            open_here[cell._replace(status=IN_FLIGHT)] += count
        for cell, count in settled.items():
            open_here[cell._replace(status=IN_FLIGHT)] -= count
        counts = {**accepted, **settled, **open_here}
        self._slices.count(begin, now_s)
        if counts:
            self._counts[begin] = counts
        if self._slices.age_s(begin, now_s) < _CLOSES_AFTER_S or any(open_here.values()):
            return
        if counts:
            kept = [[*cell, count] for cell, count in sorted(counts.items())]
            document = {"_id": _name(begin), "begin": begin, "counts": kept}
            await self._store.insert_balances([document])
        self._slices.close(begin)


def _first_id(begin: int) -> str:
    return id_at(datetime.fromtimestamp(begin, tz=UTC))


def _name(begin: int) -> str:
    return datetime.fromtimestamp(begin, tz=UTC).isoformat()
