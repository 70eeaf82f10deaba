"""Conservation of attempts: what was claimed has an outcome or is under way, by channel.

A claim whose owner was killed never gets an outcome: it is reported as in doubt and not stored, so
such ids are told here and looked up in the ledger by whoever checks (``yizhan conservation``).
"""

from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from pydantic import BaseModel

from carrier_adapter.domain.claims import Claim, ClaimKind
from carrier_adapter.metrics import AdapterMetrics
from yizhan_contracts import ids
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger
from yizhan_runtime.slices import Slices

log = get_logger(__name__)

_PAGE: Final = 5000
MIN_AGE_S: Final = 300.0
"""Longer than any submit may last, and its answer: younger claims are under way."""
_SLICE_S: Final = 300
_SHARE: Final = 20
"""It rests at least this many times as long as it worked: 5 % of a core at most."""


class ClaimReader(Protocol):
    """Claims by ranges of ids, and which of them have outcomes."""

    async def claims_page(self, after: str, below: str, limit: int) -> list[Claim]:
        """Give claims by attempt id, both ends excluded."""
        ...

    async def with_outcome(self, attempt_ids: Collection[str]) -> set[str]: ...

    async def count_claims(self, after: str, below: str) -> dict[str, int]:
        """Count the claims of a range that are there to be handed over, by channel."""
        ...

    async def count_outcomes(self, after: str, below: str) -> int: ...


class ChannelCount(BaseModel):
    """The attempts of one channel."""

    channel: str
    claimed: int = 0
    closed: int = 0
    """Claimed so that nobody hands them over: unroutable, or cancelled."""
    finished: int = 0
    under_way: int = 0
    without_outcome: int = 0
    """Claimed so long ago that nobody can still be at it."""


class State(StrEnum):
    """What attempts are counted as; what was claimed and is neither of the others has ended."""

    CLAIMED = "claimed"
    UNDER_WAY = "under-way"
    WITHOUT_OUTCOME = "without-outcome"


class ConservationView(BaseModel):
    """Claimed = finished + under way + without outcome, for each channel."""

    since: datetime | None
    until: datetime
    channels: list[ChannelCount]
    without_outcome: list[str]
    """Attempt ids, all of them: in doubt, if the ledger knows them."""


class Rough(NamedTuple):
    """Claims by channel, and how many attempts in all have an outcome."""

    claimed: Counter[str]
    finished: int


class Conservation:
    """Counts claims against outcomes. A claim comes first: what has none yet is read too early."""

    def __init__(self, reader: ClaimReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def count(self, since: datetime | None, until: datetime | None) -> ConservationView:
        """Count the attempts of messages whose ids were drawn in a time (all, until now)."""
        now = self._clock.now()
        after, below = _id_at(since or datetime(1970, 1, 1, tzinfo=UTC)), _id_at(until or now)
        counts: dict[str, ChannelCount] = {}
        without: list[str] = []
        while page := await self._reader.claims_page(after, below, _PAGE):
            sent = [claim.attempt_id for claim in page if claim.kind is ClaimKind.SENT]
            finished = await self._reader.with_outcome(sent)
            for claim in page:
                count = counts.setdefault(claim.channel, ChannelCount(channel=claim.channel))
                if _tell(count, claim, claim.attempt_id in finished, now):
                    without.append(claim.attempt_id)
            after = page[-1].attempt_id
        channels = [count for _, count in sorted(counts.items())]
        return ConservationView(
            since=since, until=until or now, channels=channels, without_outcome=without
        )

    async def count_roughly(self, since: datetime, until: datetime) -> "Rough":
        """Count without reading ids: enough where as many have ended as were claimed."""
        after, below = _id_at(since), _id_at(until)
        finished = await self._reader.count_outcomes(after, below)
        return Rough(Counter(await self._reader.count_claims(after, below)), finished)


def _tell(count: ChannelCount, claim: Claim, is_finished: bool, now: datetime) -> bool:  # noqa: FBT001 - of one claim
    """Count one claim; True: it should have an outcome and has none."""
    if claim.kind is not ClaimKind.SENT:
        count.closed += 1
        return False
    count.claimed += 1
    if is_finished:
        count.finished += 1
        return False
    if claim.at + timedelta(seconds=MIN_AGE_S) > now:
        count.under_way += 1
        return False
    count.without_outcome += 1
    return True


class ConservationWatch:
    """Shows claims and those without an outcome, by slices of time counted ever more rarely."""

    def __init__(
        self,
        conservation: Conservation,
        clock: Clock,
        metrics: AdapterMetrics,
        reach_s: float,
        period_s: float = 60.0,
    ) -> None:
        self._conservation = conservation
        self._clock = clock
        self._metrics = metrics
        self._period_s = period_s
        self._slices = Slices(_SLICE_S, reach_s, period_s)
        self._counts: dict[int, Counter[tuple[str, State]]] = {}

    async def run(self) -> None:
        """Count for ever, resting most of the time."""
        while True:
            begun = self._clock.monotonic()
            try:
                await self.look()
            except Retryable as error:
                log.warning("claims are counted later", extra={"why": str(error)})
            worked_s = self._clock.monotonic() - begun
            await self._clock.sleep(max(self._period_s, _SHARE * worked_s))

    async def look(self) -> Counter[tuple[str, State]]:
        """Count what is due, and show the sum of all: attempts by channel and state."""
        now_s = self._clock.now().timestamp()
        for begin in list(self._slices.due(now_s)):
            if self._slices.age_s(begin, now_s) >= MIN_AGE_S:
                self._counts[begin] = await self._count(_at(begin), _at(begin + _SLICE_S))
                self._slices.count(begin, now_s)
        first = self._slices.first(now_s)
        self._counts = {begin: its for begin, its in self._counts.items() if begin >= first}
        total: Counter[tuple[str, State]] = Counter()
        for its in self._counts.values():
            total.update(its)
        self._metrics.show_balance((channel, state, n) for (channel, state), n in total.items())
        return total

    async def _count(self, since: datetime, until: datetime) -> Counter[tuple[str, State]]:
        rough = await self._conservation.count_roughly(since, until)
        counts = Counter({(name, State.CLAIMED): n for name, n in rough.claimed.items()})
        if rough.claimed.total() == rough.finished:
            return counts
        found = await self._conservation.count(since, until)
        for one in found.channels:
            counts[one.channel, State.UNDER_WAY] = one.under_way
            counts[one.channel, State.WITHOUT_OUTCOME] = one.without_outcome
        return counts


def _at(begin_s: int) -> datetime:
    return datetime.fromtimestamp(begin_s, tz=UTC)


def _id_at(at: datetime) -> str:
    return ids.first_message_id(int(at.timestamp() * 1000))
