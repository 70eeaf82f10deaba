"""Messages whose receipt has not come when it usually has: judged when they are old enough.

A message too young to be judged counts neither for nor against (right-censoring): submits are kept
by the second they were made in, receipts are put to the second that their age points to, and a
second is looked at once its messages are as old as the age by which most receipts have come. That
age, and the share that has come by then, are learned of each channel and country while they do
well: a carrier that sends few receipts, or late ones, is compared with itself.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log

from yizhan_contracts.events import RECEIPT_AGES_S
from yizhan_telecom.health.rules import HealthRules

_COHORT_S = 1.0
_SLACK_S = 1.0
"""Receipts are reported once a second."""
_BOUNDS = (*(float(age) for age in RECEIPT_AGES_S), 2.0 * RECEIPT_AGES_S[-1])
MIDDLES = tuple((low + high) / 2 for low, high in zip((0.0, *_BOUNDS), _BOUNDS, strict=False))
"""The ages that the counts by age stand for, in seconds."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Messages that have become old enough, and what each says, in log odds."""

    heard: int = 0
    missing: int = 0
    good: float = 0.0
    bad: float = 0.0

    @property
    def evidence(self) -> float:
        return self.missing * self.bad - self.heard * self.good


NOTHING = Judged()


@dataclass(slots=True)
class _Cohort:
    at: float
    submitted: int = 0
    heard: float = 0.0


class Silence:
    """Judges the submits of one channel in one country by whether receipts come for them.

    A country with few messages borrows what is known of its channel (``prior``), as soon as it has
    been seen to get receipts at all.
    """

    def __init__(self, rules: HealthRules, prior: "Silence | None" = None) -> None:
        self._rules = rules
        self._prior = prior
        self._cohorts: deque[_Cohort] = deque()
        self._ages = [0.0] * len(_BOUNDS)
        self._judged = 0.0
        self._heard = 0.0
        self._credit = 0.0
        self._horizon_s = 0.0

    @property
    def horizon_s(self) -> float:
        """The age at which messages are judged; 0 while none is known."""
        return self._horizon_s or (self._prior.horizon_s if self._prior is not None else 0.0)

    @property
    def is_learned(self) -> bool:
        """Tell whether it is known how receipts come, and that enough come to miss them."""
        rules, prior = self._rules, self._prior
        known = self._judged >= rules.silence_learned
        if not known and prior is not None:
            known = prior.is_learned and self._heard >= rules.silence_seen
        return known and self._share >= rules.silence_least_share

    @property
    def is_pending(self) -> bool:
        """Tell whether messages wait to be judged."""
        return bool(self._cohorts)

    @property
    def _share(self) -> float:
        """The share of messages that usually have a receipt at the age of judgement."""
        heard, judged = self._heard, self._judged
        if self._prior is not None and self._horizon_s in (0.0, self._prior.horizon_s):
            weight = self._rules.silence_borrowed
            heard, judged = heard + weight * self._prior._share, judged + weight  # noqa: SLF001
        return heard / judged if judged else 0.0

    def begin(self) -> None:
        """Forget the messages, not how receipts come."""
        self._cohorts.clear()
        self._credit = 0.0

    def submitted(self, now: float, count: int) -> None:
        """Take messages that the carrier has just accepted."""
        if not count:
            return
        if not self._cohorts or now - self._cohorts[-1].at >= _COHORT_S:
            self._cohorts.append(_Cohort(now))
        self._cohorts[-1].submitted += count

    def heard(self, now: float, by_age: Sequence[int]) -> None:
        """Take receipts of any kind, counted by age."""
        for at, count in enumerate(by_age):
            if count:
                self._ages[at] += count
                self._put(now, at, count)

    def _put(self, now: float, at: int, count: int) -> None:
        """Share receipts out among the seconds that they may be of."""
        low = _BOUNDS[at - 1] if at else 0.0
        since, until = now - _BOUNDS[at] - _SLACK_S, now - low
        meant = [
            cohort for cohort in self._cohorts if since < cohort.at + _COHORT_S <= until + 1e-9
        ]
        room = sum(cohort.submitted for cohort in meant)
        for cohort in meant:
            cohort.heard += count * cohort.submitted / room

    def judge(self, now: float, *, is_normal: bool) -> Judged:
        """Look at what has become old enough. Learns from it while all is ``is_normal``."""
        if not self._horizon_s:
            self._learn_horizon()
        horizon_s = self.horizon_s
        if not horizon_s:
            self._forget(now)
            return NOTHING
        missing = heard = 0
        while self._cohorts and now - self._cohorts[0].at >= horizon_s + _SLACK_S:
            cohort = self._cohorts.popleft()
            came = cohort.heard + self._credit
            answered = min(int(came + 0.5), cohort.submitted)
            # What is put to the wrong second is made good by the next one.
            self._credit = max(-1.0, min(came - answered, float(cohort.submitted)))
            heard, missing = heard + answered, missing + cohort.submitted - answered
        if not heard and not missing:
            return NOTHING
        judged = self._odds(heard, missing) if self.is_learned else NOTHING
        if is_normal:
            self._learn(heard, missing)
        return judged

    def _forget(self, now: float) -> None:
        while self._cohorts and now - self._cohorts[0].at > self._rules.silence_within_s:
            self._cohorts.popleft()

    def _odds(self, heard: int, missing: int) -> Judged:
        """Compare "as usual, with something to spare" with "a quarter of the usual receipts"."""
        well = min(1.0 - self._share + self._rules.silence_spare, 0.9)
        broken = 1.0 - self._share / 4
        if broken <= well:
            return NOTHING
        return Judged(heard, missing, log((1 - well) / (1 - broken)), log(broken / well))

    def _learn(self, heard: int, missing: int) -> None:
        self._judged += heard + missing
        self._heard += heard
        if self._judged > self._rules.silence_memory:
            self._judged, self._heard = self._judged / 2, self._heard / 2
            self._ages = [count / 2 for count in self._ages]
            self._learn_horizon()

    def _learn_horizon(self) -> None:
        """Take the age by which most of the receipts have come, as far as they have."""
        rules, total = self._rules, sum(self._ages)
        if total < rules.silence_learned:
            return
        wanted = rules.silence_quantile * total
        at = next(at for at, count in enumerate(accumulate(self._ages)) if count >= wanted)
        horizon_s = _BOUNDS[at]
        if horizon_s == self._horizon_s:
            return
        # Shares that were learned for another age say nothing of this one.
        self._judged = self._heard = 0.0
        self._horizon_s = horizon_s if horizon_s <= rules.silence_within_s else 0.0
