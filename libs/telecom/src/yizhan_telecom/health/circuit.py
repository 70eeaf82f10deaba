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
from yizhan_telecom.health.silence import NOTHING, Judged, Silence
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
    silence: float = 0.0
    worse: float = 0.0

    def __add__(self, other: "Share") -> "Share":
        return Share(
            self.errors + other.errors,
            self.refusals + other.refusals,
            self.losses + other.losses,
            self.silence + other.silence,
            self.worse + other.worse,
        )


NO_SHARE = Share()
_HEADROOM = 1.25
"""Evidence above its threshold, so that what has just been reached is not lost by fading."""
_ADRIFT = (State.OPEN, State.PROBING)
BY_RECEIPTS = (Kind.LOSSES, Kind.SILENT)
"""What only receipts can show, and only receipts can show to have passed."""


class Circuit:
    """The state of one circuit. Fed with differences; asks no clock."""

    def __init__(self, rules: HealthRules, now: float, prior: Silence | None = None) -> None:
        self._rules = rules
        self.state = State.HEALTHY
        self.kind = Kind.NONE
        self.since = now
        self.last_probe_at = now
        self.is_stalled = False
        self.note = ""
        self.usual = SubmitWindow(rules.usual_s)
        self.receipts = ReceiptWindow(rules.receipts_s)
        self.silence = Silence(rules, prior)
        self.may_be_silent = True
        """Nobody else is silent, or others are heard: else it is our own house."""
        self._recent = SubmitWindow(rules.recent_s)
        self._recent_receipts = ReceiptWindow(rules.recent_receipts_s)
        self._errors = Evidence(rules.evidence_half_life_s)
        self._worse = Evidence(rules.worse_half_life_s)
        self._silence = Evidence(rules.evidence_half_life_s)
        self._refusals = Evidence(rules.evidence_half_life_s)
        self._losses = Evidence(rules.evidence_half_life_s)
        self._hold_until = inf
        self._closed_at = -inf
        self._relapses = 0
        self._failed_trials = 0
        self.valid_from = -inf
        """Messages of before then have been judged already."""
        self._trial_good = 0
        self._trial_bad = 0
        self._trial_silence = 0.0
        self._unheard = 0
        """Messages handed over in this trial, by whomever, that no receipt has come for."""
        self._probes = 0
        """Probes of ours that no report has shown yet."""

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
        share = self._weigh_receipts(self._fresh(now, receipts))
        bounded = self._bounded(share)
        self._add(now, share, share)
        return bounded

    def take_receipts_share(self, now: float, receipts: Receipts, share: Share) -> None:
        """Take receipts of all countries together, weighed by their circuits."""
        self._count_receipts(now, receipts)
        if not self.is_adrift:
            self._add(now, share, self._weigh_receipts(self._fresh(now, receipts)))

    def learn_silence(self, now: float) -> None:
        """Learn how receipts come, judging nobody."""
        self.silence.judge(now, is_normal=self._silence.value < self._rules.silence_open_at / 4)

    def judge_silence(self, now: float) -> Share:
        """Look at the messages that have become old enough to have a receipt."""
        is_normal = not self.is_adrift and self._silence.value < self._rules.silence_open_at / 4
        judged = self.silence.judge(now, is_normal=is_normal)
        if judged is NOTHING:
            return NO_SHARE
        if self.is_adrift:
            self._try_silence(judged)
            return NO_SHARE
        share = Share(silence=judged.evidence)
        bounded = self._bounded(share)
        self._add(now, share, share)
        return bounded

    def take_silence_share(self, now: float, share: Share) -> None:
        """Take what the silence in several countries says about the channel as a whole."""
        if not self.is_adrift:
            self._add(now, share, share)

    def _try_silence(self, judged: Judged) -> None:
        if self.state is State.PROBING and self.kind in BY_RECEIPTS:
            self._trial_silence = max(self._trial_silence + judged.evidence, 0.0)
            self._unheard = max(self._unheard - judged.missing, 0)

    def _fresh(self, now: float, receipts: Receipts) -> Receipts:
        """Leave out the receipts of messages too old, or of before the last fault was over."""
        return receipts.younger_than(min(self._rules.receipts_fresh_s, now - self.valid_from))

    def is_probe_due(self, now: float, draw: float) -> bool:
        """Tell whether a message may try what is not healthy. ``draw`` is uniform in 0 to 1."""
        rules, waited_s = self._rules, now - self.last_probe_at
        if self.state not in (State.PROBING, State.DEGRADED) or waited_s < rules.probe_every_s:
            return False
        if self.state is State.DEGRADED:
            return draw < rules.probe_share_degraded or waited_s >= rules.probe_anyway_s
        if self.kind in BY_RECEIPTS and self._unheard + self._probes >= rules.trial_unheard:
            return waited_s >= rules.trial_patience_s
        return draw < rules.probe_share or waited_s >= rules.probe_anyway_s

    def probed(self, now: float) -> None:
        """Note that a probe was sent."""
        self.last_probe_at = now
        self._probes += 1

    @property
    def is_adrift(self) -> bool:
        """Open or probing: what fails now was to be expected, and proves nothing new."""
        return self.state in _ADRIFT

    def _count(self, now: float, outcomes: Outcomes) -> None:
        self._recent.add(now, outcomes)
        self.usual.add(now, outcomes)
        self.silence.submitted(now, outcomes.good)
        if self.kind in BY_RECEIPTS and self.is_adrift:
            self._unheard += outcomes.good
            self._probes = max(self._probes - outcomes.good - outcomes.bad - outcomes.refused, 0)
            self._trial_bad += outcomes.bad
            return
        refusals_count = self.kind is Kind.REFUSALS
        self._trial_good += outcomes.good + (0 if refusals_count else outcomes.refused)
        self._trial_bad += outcomes.bad + (outcomes.refused if refusals_count else 0)

    def _count_receipts(self, now: float, receipts: Receipts) -> None:
        self.receipts.add(now, receipts.younger_than(self._rules.receipts_known_s))
        self._recent_receipts.add(now, self._fresh(now, receipts))
        self.silence.heard(now, receipts.heard_by_age)
        if self.kind in BY_RECEIPTS and self.state is State.PROBING:
            of_probes = receipts.younger_than(now - self.since)
            heard = sum(of_probes.heard_by_age) or of_probes.delivered + of_probes.lost
            self._unheard = max(self._unheard - heard, 0)
            self._trial_good += of_probes.delivered
            self._trial_bad += of_probes.lost

    def _bounded(self, share: Share) -> Share:
        rules, most = self._rules, self._rules.one_country
        return Share(
            _room(share.errors, self._errors, most * rules.errors_open_at),
            _room(share.refusals, self._refusals, most * rules.refusals_open_at),
            _room(share.losses, self._losses, most * rules.losses_open_at),
            _room(share.silence, self._silence, most * rules.silence_open_at),
            _room(share.worse, self._worse, most * rules.errors_worse_at),
        )

    def _weigh(self, outcomes: Outcomes) -> Share:
        errors, refusals = self._rules.errors, self._rules.refusals
        worse = self._rules.errors_worse
        # A refusal is an answer: it speaks for the connection.
        answered = outcomes.good + outcomes.refused
        return Share(
            outcomes.bad * errors.bad - answered * errors.good,
            outcomes.refused * refusals.bad - outcomes.good * refusals.good,
            worse=outcomes.bad * worse.bad - answered * worse.good,
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
            (self._silence, share.silence, raw.silence, rules.silence_open_at),
            (self._worse, share.worse, raw.worse, rules.errors_worse_at),
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

    def reset(self, now: float, valid_from: float) -> None:
        """Forget what is known: something larger explains it, of messages until ``valid_from``."""
        self._clear_evidence()
        self._worse.clear()
        self._recent = SubmitWindow(self._rules.recent_s)
        self._recent_receipts = ReceiptWindow(self._rules.recent_receipts_s)
        self.valid_from = valid_from
        self.silence.begin()
        self.state, self.kind, self.since, self.note = State.HEALTHY, Kind.NONE, now, ""

    def _broken(self) -> Kind | None:
        rules = self._rules
        for kind, evidence, open_at in (
            (Kind.ERRORS, self._errors, rules.errors_open_at),
            (Kind.LOSSES, self._losses, rules.losses_open_at),
            (Kind.REFUSALS, self._refusals, rules.refusals_open_at),
            (Kind.SILENT, self._silence, rules.silence_open_at),
        ):
            if kind is Kind.SILENT and not self.may_be_silent:
                continue
            if evidence.value >= open_at and evidence.reports >= rules.least_reports:
                return kind
        return None

    def _judge_trial(self, now: float) -> Change | None:
        rules = self._rules
        score = self._trial_good * rules.trial.good - self._trial_bad * rules.trial.bad
        if score <= -rules.trial_lost_at or self._trial_silence >= rules.silence_trial_at:
            return self.open(now, self.kind)
        least = rules.trial_good_receipts if self.kind in BY_RECEIPTS else rules.trial_good
        needed = min(least * 2**self._relapses, rules.trial_good_most)
        if score < needed * rules.trial.good or now - self.since < rules.trial_s:
            return None
        self._closed_at, self.valid_from = now, self.since
        # The trial is what counts now: the windows still remember the fault.
        self.usual = SubmitWindow(rules.usual_s)
        self.receipts = ReceiptWindow(rules.receipts_s)
        return self._become(now, State.HEALTHY, Kind.NONE)

    def _judge_recent(self, now: float) -> Change | None:
        self._recent.fade(now)
        self._recent_receipts.fade(now)
        if self.state is State.HEALTHY:
            kind = self._poor()
            return self._become(now, State.DEGRADED, kind) if kind is not None else None
        if self._is_recovered(now):
            return self._become(now, State.HEALTHY, Kind.NONE)
        return None

    def _poor(self) -> Kind | None:
        rules, recent, weight = self._rules, self._recent, self._recent.weight
        receipts = self._recent_receipts
        is_known = weight >= rules.least_recent
        for kind, is_so in (
            (Kind.STALLED, self.is_stalled),
            (Kind.ERRORS, self._is_worse()),
            (
                Kind.REFUSALS,
                is_known and self._exceeds(recent.refused, weight, rules.refusals_poor),
            ),
            (Kind.SLOW, is_known and recent.mean_latency_ms >= rules.slow_poor_ms),
            (
                Kind.LOSSES,
                receipts.weight >= rules.least_receipts
                and self._exceeds(receipts.lost, receipts.weight, rules.losses_poor),
            ),
        ):
            if is_so:
                return kind
        return None

    def _is_worse(self) -> bool:
        """Tell whether there are more errors than usual: clearly so, or for a while."""
        rules, recent, weight = self._rules, self._recent, self._recent.weight
        worse = self._worse
        return (worse.value >= rules.errors_worse_at and worse.reports >= rules.least_reports) or (
            weight >= rules.least_recent and self._exceeds(recent.bad, weight, rules.errors_poor)
        )

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
        weight = self._recent_receipts.weight
        return self._recent_receipts.lost / weight if weight >= 1.0 else 0.0

    def _become(self, now: float, after: State, kind: Kind) -> Change:
        change = Change(self.state, after, kind, self.figures(now), self._troubled_s(now))
        self.state, self.kind, self.since, self.last_probe_at = after, kind, now, now
        self._trial_good = self._trial_bad = self._unheard = self._probes = 0
        self._trial_silence = 0.0
        self._worse.clear()
        self.note = _note(kind, change.figures)
        if after is not State.DEGRADED:
            self._clear_evidence()
            self._recent = SubmitWindow(self._rules.recent_s)
            self._recent_receipts = ReceiptWindow(self._rules.recent_receipts_s)
            self.silence.begin()
        return change

    def _troubled_s(self, now: float) -> float:
        began = [evidence.began for evidence in self._evidence() if evidence.began is not None]
        return now - min(began) if began else 0.0

    def _evidence(self) -> tuple[Evidence, ...]:
        return self._errors, self._refusals, self._losses, self._silence

    def _clear_evidence(self) -> None:
        for evidence in self._evidence():
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
            "evidence_silence": round(self._silence.value, 1),
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
        case Kind.SILENT:
            return "takes messages, but their receipts are missing"
        case Kind.SLOW:
            return f"slow: {figures['latency_ms']:.0f} ms"
        case _:
            return str(kind)
