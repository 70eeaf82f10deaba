"""Whether receipts of a channel come at all: asked before anything follows from their absence."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from receipts.ledger.consequences import Story
from receipts.ledger.decisions import (
    Action,
    Call,
    Held,
    HoldBack,
    Reroute,
    Settle,
    decide_swept,
    overdue_attempts,
)
from receipts.ledger.silence import (
    Cohort,
    FeedTerms,
    Judgement,
    Sample,
    Silent,
    is_missing,
    judge,
)
from receipts.ledger.story import State
from receipts.metrics import Metrics
from yizhan_contracts.events import Status
from yizhan_contracts.reasons import Reason
from yizhan_runtime import Clock, Retryable, get_logger

log = get_logger(__name__)

_SLOT_S: Final = 5
"""Attempts that fell due within the same seconds are judged together."""
_SAMPLE: Final = 100
"""Attempts on either side. Enough to tell one half from seven tenths, and read in some ms."""
_KEPT_S: Final = 5.0
"""How long an answer of the store is taken for the present."""
_AT_A_TIME: Final = 16
_LOOK_S: Final = 10.0


class Handed(NamedTuple):
    """An attempt that a carrier took, by the time when its receipt is due."""

    message_id: str
    n: int
    at: datetime
    due_at: datetime


class FeedStore(Protocol):
    """What is read of a channel's attempts: through an index on channel and time."""

    async def handed_over(
        self, channel: str, since: datetime, until: datetime, limit: int, *, newest: bool
    ) -> list[Handed]:
        """Give attempts that fall due in a time, from its end or from its beginning."""
        ...

    async def heard_of(self, message_ids: Collection[str]) -> set[tuple[str, int]]:
        """Give which attempts of these messages have any receipt: message and number."""
        ...


class Feed(NamedTuple):
    """A channel's receipts, as they were last looked at."""

    channel: str
    is_missing: bool
    due: int
    heard: int
    since: datetime


class Feeds:
    """Judges silence by what the store holds, and says of each channel whether it is heard."""

    def __init__(self, store: FeedStore, clock: Clock, metrics: Metrics, terms: FeedTerms) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._terms = terms
        self._kept: dict[tuple[str, int], tuple[float, Cohort]] = {}
        self._feeds: dict[str, Feed] = {}

    async def run(self) -> None:
        """Look for ever at the channels of which anything was overdue."""
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self.look()
            except Retryable as error:
                log.warning("the feeds of receipts wait", extra={"why": str(error)})

    async def look(self) -> None:
        """See which channels' receipts are missing now; say so once where that has changed."""
        now = self._clock.now()
        channels = list(self._feeds)
        cohorts = await self._cohorts((channel, _slot(now)) for channel in channels)
        for channel in channels:
            self._note(channel, cohorts[channel, _slot(now)], now)

    def all(self) -> list[Feed]:
        """Give the channels of which anything was overdue since the start."""
        return [feed for _, feed in sorted(self._feeds.items())]

    async def after_silence(
        self, stories: Iterable[Story], actions: Mapping[str, Action]
    ) -> dict[str, Action | None]:
        """Give what follows in place of ``actions`` where these come of silence alone."""
        now = self._clock.now()
        silent = {
            story.state.accepted.message_id: (story.state, attempts)
            for story in stories
            if story.state.accepted is not None
            if _is_of_silence(story.state, actions.get(story.state.accepted.message_id))
            for attempts in (tuple(_silent(story.state, now)),)
            if attempts
        }
        wanted = {
            (one.channel, _slot(one.own_due_at))
            for _, attempts in silent.values()
            for one in attempts
        }
        cohorts = await self._cohorts(wanted)
        for channel in {channel for channel, _ in wanted} - self._feeds.keys():
            self._feeds[channel] = Feed(channel, is_missing=False, due=0, heard=0, since=now)
        changed: dict[str, Action | None] = {}
        for message_id, (state, attempts) in silent.items():
            judged = {
                one: judge(one, cohorts[one.channel, _slot(one.own_due_at)], self._terms, now)
                for one in attempts
            }
            if any(judgement != Judgement() for judgement in judged.values()):
                changed[message_id] = _instead(state, judged, now)
        return changed

    async def _cohorts(self, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Cohort]:
        """Read what is not known of a moment ago; some at a time. Others may ask meanwhile."""
        oldest = self._clock.monotonic() - _KEPT_S
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > oldest}
        keys = set(wanted)
        found = {key: self._kept[key][1] for key in keys & self._kept.keys()}
        missing = sorted(keys - found.keys())
        for begin in range(0, len(missing), _AT_A_TIME):
            some, read_at = missing[begin : begin + _AT_A_TIME], self._clock.monotonic()
            cohorts = await asyncio.gather(*(self._cohort(*key) for key in some))
            found |= zip(some, cohorts, strict=True)
            self._kept |= {key: (read_at, found[key]) for key in some}
        return found

    async def _cohort(self, channel: str, slot: int) -> Cohort:
        begin = datetime.fromtimestamp(slot, tz=UTC)
        end = begin + timedelta(seconds=_SLOT_S)
        reach = timedelta(seconds=self._terms.within_s)
        before, after = await asyncio.gather(
            self._store.handed_over(channel, end - reach, end, _SAMPLE, newest=True),
            self._store.handed_over(channel, begin, begin + reach, _SAMPLE, newest=False),
        )
        heard = await self._store.heard_of({one.message_id for one in (*before, *after)})
        return Cohort(self._sample(before, heard), self._sample(after, heard))

    def _sample(self, handed: Iterable[Handed], heard: set[tuple[str, int]]) -> Sample:
        """Count those that have waited for half their time at least: the young say nothing yet."""
        now = self._clock.now()
        told = [
            (one.message_id, one.n) in heard
            for one in handed
            if now >= one.at + (one.due_at - one.at) / 2
        ]
        return Sample(len(told), sum(told))

    def _note(self, channel: str, cohort: Cohort, now: datetime) -> None:
        was = self._feeds[channel]
        sample = cohort.before
        missing = channel not in self._terms.never and is_missing(
            cohort, self._terms, was_missing=was.is_missing
        )
        since = was.since if missing == was.is_missing else now
        self._feeds[channel] = Feed(channel, missing, sample.due, sample.heard, since)
        self._metrics.record_feed(channel, is_missing=missing)
        if missing == was.is_missing:
            return
        told = {"channel": channel, "due": sample.due, "heard": sample.heard}
        if missing:
            log.error("a channel's receipts are missing: what is overdue is held back", extra=told)
        else:
            log.info("a channel's receipts are back", extra=told)


def _slot(at: datetime) -> int:
    return int(at.timestamp()) // _SLOT_S * _SLOT_S


def _is_of_silence(state: State, action: Action | None) -> bool:
    """Tell whether nothing but a missing receipt speaks for it, and nobody was called for it."""
    if state.call_wait_until is not None:
        return False
    match action:
        case Call(sms_failed=False):
            return True
        case Reroute(reason=Reason.RECEIPT_OVERDUE):
            return True
        case Settle(verdict):
            return verdict.status is Status.UNKNOWN and verdict.reason is Reason.RECEIPT_OVERDUE
        case _:
            return False


def _silent(state: State, now: datetime) -> Iterable[Silent]:
    for attempt in overdue_attempts(state, now):
        if attempt.own_due_at is not None and not attempt.is_rerouted:
            yield Silent(
                attempt.n, attempt.channel, attempt.own_due_at, attempt.holds, attempt.last_hold
            )


def _instead(state: State, judged: Mapping[Silent, Judgement], now: datetime) -> Action | None:
    """Hold back as long as any attempt is to be; else do what the others' silence asks for."""
    held = tuple(
        Held(one.n, one.holds, judgement.hold, judgement.until, one.channel)
        for one, judgement in judged.items()
        if judgement.hold is not None and judgement.until is not None
    )
    if held:
        return HoldBack(held)
    excused = {one.n for one, judgement in judged.items() if judgement.is_given_up}
    return decide_swept(state, is_settled=False, now=now, excused=excused)
