"""What a run comes down to."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean

from bench.routing.scenarios import BAD, ONSET_S, Scenario
from bench.routing.world import HandedOver, World

LATE_S = 300.0
_STEP_S = 0.05
_LEFT_SHARE = 0.15
_LEFT_FOR_S = 2.0
_BACK_SHARE = 0.9
_BACK_FOR_S = 3.0
_BIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one run, or the means of several."""

    delivered: float
    """Share of all messages delivered within five minutes."""
    cost: float
    """Of a thousand delivered messages."""
    p99_s: float
    """From accepted to delivered, of those that were."""
    to_bad: float
    """Messages handed to the bad channel while its fault was on."""
    diverted_s: float | None
    """From the onset until at most 15 % of the traffic (probes included) goes there."""
    back_s: float | None
    """From the end of the last fault until it has 90 % of what it had before."""
    switches: float
    """Changes of the channel that most of the affected traffic takes."""
    twice: float
    """Messages delivered twice."""


def measured(world: World) -> Figures:
    """Look at a run."""
    scenario = world.scenario
    seconds = sorted(
        m.delivered_at - m.accepted_at for m in world.messages if m.delivered_at is not None
    )
    in_time = bisect_left(seconds, LATE_S)
    planned = [one for one in world.planned if one.country in scenario.countries]
    moves = getattr(world.contestant, "moves", None)
    return Figures(
        delivered=in_time / len(world.messages),
        cost=1000 * sum(m.cost for m in world.messages) / in_time,
        p99_s=seconds[int(0.99 * len(seconds))],
        to_bad=sum(o.channel == BAD and scenario.is_on(o.at, o.country) for o in world.handed_over),
        diverted_s=_diverted_s(scenario, planned),
        back_s=_back_s(scenario, planned),
        switches=_switches(planned) if moves is None else moves,
        twice=sum(m.copies > 1 for m in world.messages),
    )


def _diverted_s(scenario: Scenario, planned: Sequence[HandedOver]) -> float | None:
    start, end = scenario.periods[0]
    shares = Shares(planned)
    for since in _steps(start, end):
        soon = shares.of_bad(since, since + _LEFT_FOR_S / 4) or 0.0
        if max(soon, shares.of_bad(since, since + _LEFT_FOR_S) or 0.0) <= _LEFT_SHARE:
            return since - start
    return None


def _back_s(scenario: Scenario, planned: Sequence[HandedOver]) -> float | None:
    start, end = scenario.periods[-1][1], scenario.ends_at
    shares = Shares(planned)
    wanted = _BACK_SHARE * (shares.of_bad(ONSET_S - 30.0, ONSET_S) or 0.0)
    for since in _steps(start, end):
        if (shares.of_bad(since, since + _BACK_FOR_S) or 0.0) >= wanted:
            return since - start
    return None


def _steps(start: float, end: float) -> Iterator[float]:
    return (start + step * _STEP_S for step in range(int((end - start) / _STEP_S)))


class Shares:
    """The bad channel's share of what was planned between two times."""

    def __init__(self, planned: Sequence[HandedOver]) -> None:
        self._times = [one.at for one in planned]
        self._bad = [0, *accumulate(one.channel == BAD for one in planned)]

    def of_bad(self, since: float, until: float) -> float | None:
        low, high = bisect_left(self._times, since), bisect_left(self._times, until)
        return (self._bad[high] - self._bad[low]) / (high - low) if high > low else None


def _switches(planned: Sequence[HandedOver]) -> int:
    bins: dict[int, Counter[str]] = {}
    for one in planned:
        bins.setdefault(int(one.at / _BIN_S), Counter())[one.channel] += 1
    mains = []
    for at in sorted(bins):
        channel, count = bins[at].most_common(1)[0]
        if count > 0.6 * bins[at].total():
            mains.append(channel)
    return sum(a != b for a, b in pairwise(mains))


def mean_of(runs: Sequence[Figures]) -> Figures:
    """Average the figures of several seeds; what one run never reached stays unreached."""
    return Figures(
        delivered=fmean(run.delivered for run in runs),
        cost=fmean(run.cost for run in runs),
        p99_s=fmean(run.p99_s for run in runs),
        to_bad=fmean(run.to_bad for run in runs),
        diverted_s=_mean_or_never([run.diverted_s for run in runs]),
        back_s=_mean_or_never([run.back_s for run in runs]),
        switches=fmean(run.switches for run in runs),
        twice=fmean(run.twice for run in runs),
    )


def _mean_or_never(values: Sequence[float | None]) -> float | None:
    reached = [value for value in values if value is not None]
    return fmean(reached) if len(reached) == len(values) else None
