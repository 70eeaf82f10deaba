"""One circuit: a channel as a whole, or a channel in one country. Evidence in, states out.

healthy <-> degraded by the recent window, with a gap between the two thresholds and a dwell time;
either -> open by evidence; open -> probing when its hold is over; probing -> healthy or open by its
trial. Holds double with every failed trial and every relapse, trials with every relapse: what flaps
is left alone for longer each time, what was down for long is soon trusted again.
"""

from dataclasses import dataclass
from math import inf, sqrt

from yizhan_telecom.health.evidence import Evidence, Outcomes, Receipts, ReceiptWindow, SubmitWindow
from yizhan_telecom.health.rules import HealthRules
from yizhan_telecom.health.states import Kind, State


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one circuit's state."""

    before: State
    after: State
    kind: Kind
    figures: dict[str, float]
    after_s: float


@dataclass(frozen=True, slots=True)
class Share:
    """What a country's report adds to the evidence about its channel as a whole.

    One country alone can never prove that all of a channel is broken: what it adds is bounded.
    """

    errors: float = 0.0
    refusals: float = 0.0
    losses: float = 0.0

    def __add__(self, other: "Share") -> "Share":
        return Share(
            self.errors + other.errors,
            self.refusals + other.refusals,
            self.losses + other.losses,
        )


NO_SHARE = Share()
_HEADROOM = 1.25
"""Evidence above its threshold, so that what has just been reached is not lost by fading."""
_ADRIFT = (State.OPEN, State.PROBING)


class Circuit:
    """The state of one circuit. Fed with differences; asks no clock."""

    def __init__(self, rules: HealthRules, now: float) -> None:
        self._rules = rules
        self.state = State.HEALTHY
        self.kind = Kind.NONE
        self.since = now
        self.last_probe_at = now
        self.is_stalled = False
        self.note = ""
        self.usual = SubmitWindow(rules.usual_s)
        self.receipts = ReceiptWindow(rules.receipts_s)
        self._recent = SubmitWindow(rules.recent_s)
        self._errors = Evidence(rules.evidence_half_life_s)
        self._refusals = Evidence(rules.evidence_half_life_s)
        self._losses = Evidence(rules.evidence_half_life_s)
        self._hold_until = inf
        self._closed_at = -inf
        self._relapses = 0
        self._failed_trials = 0
        self._trial_good = 0
        self._trial_bad = 0

    def take(self, now: float, outcomes: Outcomes) -> Share:
        """Take submits of one country; give what they say about the channel as a whole."""
        self._count(now, outcomes)
        if self.is_adrift:
            return NO_SHARE  # its fault is known, and is its own
        share = self._weigh(outcomes)
        bounded = self._bounded(share)
        self._add(now, share, share)
        return bounded

    def take_share(self, now: float, outcomes: Outcomes, share: Share) -> None:
        """Take submits of all countries together, weighed by their circuits."""
        self._count(now, outcomes)
        if not self.is_adrift:
            self._add(now, share, self._weigh(outcomes))

    def take_receipts(self, now: float, receipts: Receipts) -> Share:
        """Take receipts of one country; give what they say about the channel as a whole."""
        self._count_receipts(now, receipts)
        if self.is_adrift:
            return NO_SHARE
        share = self._weigh_receipts(receipts)
        bounded = self._bounded(share)
        self._add(now, share, share)
        return bounded

    def take_receipts_share(self, now: float, receipts: Receipts, share: Share) -> None:
        """Take receipts of all countries together, weighed by their circuits."""
        self._count_receipts(now, receipts)
        if not self.is_adrift:
            self._add(now, share, self._weigh_receipts(receipts))

    @property
    def is_adrift(self) -> bool:
        """Open or probing: what fails now was to be expected, and proves nothing new."""
        return self.state in _ADRIFT

    def _count(self, now: float, outcomes: Outcomes) -> None:
        self._recent.add(now, outcomes)
        self.usual.add(now, outcomes)
        if self.kind is not Kind.LOSSES or self.state is not State.PROBING:
            refusals_count = self.kind is Kind.REFUSALS
            self._trial_good += outcomes.good + (0 if refusals_count else outcomes.refused)
            self._trial_bad += outcomes.bad + (outcomes.refused if refusals_count else 0)

    def _count_receipts(self, now: float, receipts: Receipts) -> None:
        self.receipts.add(now, receipts)
        if self.kind is Kind.LOSSES and self.state is State.PROBING:
            self._trial_good += receipts.delivered
            self._trial_bad += receipts.lost

    def _bounded(self, share: Share) -> Share:
        rules, most = self._rules, self._rules.one_country
        return Share(
            _room(share.errors, self._errors, most * rules.errors_open_at),
            _room(share.refusals, self._refusals, most * rules.refusals_open_at),
            _room(share.losses, self._losses, most * rules.losses_open_at),
        )

    def _weigh(self, outcomes: Outcomes) -> Share:
        errors, refusals = self._rules.errors, self._rules.refusals
        # A refusal is an answer: it speaks for the connection.
        answered = outcomes.good + outcomes.refused
        return Share(
            outcomes.bad * errors.bad - answered * errors.good,
            outcomes.refused * refusals.bad - outcomes.good * refusals.good,
        )

    def _weigh_receipts(self, receipts: Receipts) -> Share:
        odds = self._rules.losses
        return Share(losses=receipts.lost * odds.bad - receipts.delivered * odds.good)

    def _add(self, now: float, share: Share, raw: Share) -> None:
        rules = self._rules
        for evidence, delta, whole, open_at in (
            (self._errors, share.errors, raw.errors, rules.errors_open_at),
            (self._refusals, share.refusals, raw.refusals, rules.refusals_open_at),
            (self._losses, share.losses, raw.losses, rules.losses_open_at),
        ):
            if delta or whole:
                most = _HEADROOM * open_at
                evidence.add(now, delta, most, is_against=delta > 0 or whole > 0)

    def judge(self, now: float) -> Change | None:
        """Decide whether the state changes, and change it."""
        match self.state:
            case State.OPEN:
                return (
                    self._become(now, State.PROBING, self.kind) if now >= self._hold_until else None
                )
            case State.PROBING:
                return self._judge_trial(now)
            case _:
                kind = self._broken()
                return self.open(now, kind) if kind is not None else self._judge_recent(now)

    def open(self, now: float, kind: Kind) -> Change:
        """Break the circuit. An unbound one is held until ``release``."""
        if self.state is State.PROBING:
            self._failed_trials += 1
        elif self.state is not State.OPEN:
            relapsed = now - self._closed_at < self._rules.relapse_s
            self._relapses = self._relapses + 1 if relapsed else 0
            self._failed_trials = 0
        doublings = self._relapses + self._failed_trials
        hold_s = min(self._rules.hold_s * 2.0**doublings, self._rules.hold_most_s)
        change = self._become(now, State.OPEN, kind)
        self._hold_until = inf if kind is Kind.UNBOUND else now + hold_s
        return change

    def release(self, now: float) -> None:
        """End an open circuit's hold at the next judgement."""
        self._hold_until = now

    def reset(self, now: float) -> None:
        """Forget what is known: something larger explains it."""
        self._clear_evidence()
        self._recent = SubmitWindow(self._rules.recent_s)
        self.state, self.kind, self.since, self.note = State.HEALTHY, Kind.NONE, now, ""

    def _broken(self) -> Kind | None:
        rules = self._rules
        for kind, evidence, open_at in (
            (Kind.ERRORS, self._errors, rules.errors_open_at),
            (Kind.LOSSES, self._losses, rules.losses_open_at),
            (Kind.REFUSALS, self._refusals, rules.refusals_open_at),
        ):
            if evidence.value >= open_at and evidence.reports >= rules.least_reports:
                return kind
        return None

    def _judge_trial(self, now: float) -> Change | None:
        rules = self._rules
        lost = self._trial_bad * rules.errors.bad - self._trial_good * rules.errors.good
        if lost >= rules.trial_lost_at:
            return self.open(now, self.kind)
        needed = min(rules.trial_good * 2**self._relapses, rules.trial_good_most)
        if self._trial_good >= needed and now - self.since >= rules.trial_s:
            self._closed_at = now
            # The trial is what counts now: the window still remembers the fault.
            self.usual = SubmitWindow(rules.usual_s)
            return self._become(now, State.HEALTHY, Kind.NONE)
        return None

    def _judge_recent(self, now: float) -> Change | None:
        self._recent.fade(now)
        self.receipts.fade(now)
        if self.state is State.HEALTHY:
            kind = self._poor()
            return self._become(now, State.DEGRADED, kind) if kind is not None else None
        if self._is_recovered(now):
            return self._become(now, State.HEALTHY, Kind.NONE)
        return None

    def _poor(self) -> Kind | None:
        rules, recent, weight = self._rules, self._recent, self._recent.weight
        if self.is_stalled:
            return Kind.STALLED
        if weight >= rules.least_recent:
            if self._exceeds(recent.bad, weight, rules.errors_poor):
                return Kind.ERRORS
            if self._exceeds(recent.refused, weight, rules.refusals_poor):
                return Kind.REFUSALS
            if recent.mean_latency_ms >= rules.slow_poor_ms:
                return Kind.SLOW
        receipts = self.receipts
        if receipts.weight >= rules.least_receipts:
            lossy = self._exceeds(receipts.lost, receipts.weight, rules.losses_poor)
            return Kind.LOSSES if lossy else None
        return None

    def _exceeds(self, count: float, weight: float, share: float) -> bool:
        """Tell whether a share lies above its threshold by more than chance."""
        return count >= share * weight + self._rules.sigmas * sqrt(share * (1 - share) * weight)

    def _is_recovered(self, now: float) -> bool:
        rules, in_state_s = self._rules, now - self.since
        if in_state_s < rules.dwell_s or not self._is_fine():
            return False
        tried = self._trial_good + self._trial_bad
        return self._trial_good >= rules.recover_good or (
            not tried and in_state_s >= rules.forget_degraded_s
        )

    def _is_fine(self) -> bool:
        rules, recent, weight = self._rules, self._recent, self._recent.weight
        return (
            not self.is_stalled
            and recent.bad <= rules.errors_fine * weight
            and recent.refused <= rules.refusals_fine * weight
            and recent.mean_latency_ms <= rules.slow_fine_ms
            and self._lost_share() <= rules.losses_fine
        )

    def _lost_share(self) -> float:
        weight = self.receipts.weight
        return self.receipts.lost / weight if weight >= 1.0 else 0.0

    def _become(self, now: float, after: State, kind: Kind) -> Change:
        change = Change(self.state, after, kind, self.figures(now), self._troubled_s(now))
        self.state, self.kind, self.since, self.last_probe_at = after, kind, now, now
        self._trial_good = self._trial_bad = 0
        self.note = _note(kind, change.figures)
        if after is not State.DEGRADED:
            self._clear_evidence()
            self._recent = SubmitWindow(self._rules.recent_s)
        return change

    def _troubled_s(self, now: float) -> float:
        began = [
            e.began for e in (self._errors, self._refusals, self._losses) if e.began is not None
        ]
        return now - min(began) if began else 0.0

    def _clear_evidence(self) -> None:
        for evidence in (self._errors, self._refusals, self._losses):
            evidence.clear()

    def figures(self, now: float) -> dict[str, float]:
        """Give the figures that the state rests on, rounded for people."""
        self._recent.fade(now)
        recent = self._recent
        return {
            "good": round(recent.good, 1),
            "refused": round(recent.refused, 1),
            "bad": round(recent.bad, 1),
            "latency_ms": round(recent.mean_latency_ms),
            "delivered": round(self.receipts.delivered, 1),
            "lost": round(self.receipts.lost, 1),
            "evidence_errors": round(self._errors.value, 1),
            "evidence_refusals": round(self._refusals.value, 1),
            "evidence_losses": round(self._losses.value, 1),
            "trial_good": self._trial_good,
            "trial_bad": self._trial_bad,
            "relapses": self._relapses,
            "failed_trials": self._failed_trials,
        }


def _room(delta: float, evidence: Evidence, most: float) -> float:
    return min(delta, max(most - evidence.value, 0.0))


def _note(kind: Kind, figures: dict[str, float]) -> str:
    """Say in a few words what the figures show."""
    submits = figures["good"] + figures["refused"] + figures["bad"]
    match kind:
        case Kind.ERRORS:
            return f"errors: {figures['bad']:.0f} of {submits:.0f}"
        case Kind.REFUSALS:
            return f"refused: {figures['refused']:.0f} of {submits:.0f}"
        case Kind.LOSSES:
            receipts = figures["delivered"] + figures["lost"]
            return f"lost: {figures['lost']:.0f} of {receipts:.0f}"
        case Kind.SLOW:
            return f"slow: {figures['latency_ms']:.0f} ms"
        case _:
            return str(kind)
