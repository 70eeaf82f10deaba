"""The thresholds of health, in one place, with what they mean."""

from dataclasses import dataclass
from math import log


@dataclass(frozen=True, slots=True)
class Odds:
    """How much one observation says, as a log likelihood ratio of "broken" against "well".

    ``well`` and ``broken`` are the shares of bad outcomes in either case. Evidence adds up (CUSUM,
    Page 1954): a bad outcome adds ``bad``, a good one takes ``good`` away, never below zero. So the
    share at which it begins to grow is fixed, and a clear fault is found sooner than a faint one.
    """

    well: float
    broken: float

    @property
    def bad(self) -> float:
        return log(self.broken / self.well)

    @property
    def good(self) -> float:
        return log((1 - self.well) / (1 - self.broken))


@dataclass(frozen=True, slots=True)
class HealthRules:
    """Thresholds. Times in seconds, shares from 0 to 1."""

    errors: Odds = Odds(well=0.05, broken=0.7)
    """Grows above a share of 30 %; five in a row open. Less than that degrades."""
    errors_open_at: float = 13.0
    refusals: Odds = Odds(well=0.15, broken=0.7)
    """Wrong numbers are refused everywhere: grows above 40 % only; nine in a row open."""
    refusals_open_at: float = 13.5
    losses: Odds = Odds(well=0.1, broken=0.6)
    """Grows above 31 %; seven in a row open."""
    losses_open_at: float = 12.0
    one_country: float = 0.6
    """How much of the evidence that opens a whole channel one country alone can give."""
    least_reports: int = 2
    """Bad reports that it takes to open: what fails together may have had one cause that has
    passed, a connection or our own restart. A fault shows in the next report too."""
    evidence_half_life_s: float = 300.0

    recent_s: float = 3.0
    """Half-life of the window that tells degraded from healthy."""
    usual_s: float = 60.0
    """Half-life of the window that quality is taken from."""
    receipts_s: float = 120.0
    recent_receipts_s: float = 10.0
    errors_worse: Odds = Odds(well=0.04, broken=0.25)
    errors_worse_at: float = 12.0
    worse_half_life_s: float = 10.0
    """Degrades what has clearly more errors than usual within a second of traffic."""
    errors_poor: float = 0.10
    errors_fine: float = 0.05
    refusals_poor: float = 0.35
    refusals_fine: float = 0.25
    losses_poor: float = 0.25
    losses_fine: float = 0.15
    slow_poor_ms: float = 2_000.0
    slow_fine_ms: float = 1_000.0
    stalled_after_s: float = 1.0
    """Nothing came back for this long (or four times the usual latency) with messages in flight."""
    stalled_in_flight: int = 5
    stalled_for_s: float = 10.0
    """Who has said nothing for this long is not stalled: gone, or its window shrank."""
    least_recent: float = 8.0
    """Weight in the recent window below which it says nothing."""
    sigmas: float = 2.0
    """How far beyond chance a share must lie before it degrades."""
    least_receipts: float = 20.0

    dwell_s: float = 5.0
    """Degraded lasts at least this long, and until ``recover_good`` good outcomes since."""
    recover_good: int = 10
    forget_degraded_s: float = 120.0
    """Degraded without any traffic for this long is a guess: healthy again."""

    hold_s: float = 2.0
    hold_most_s: float = 16.0
    """Open lasts this long, doubled with each failed trial and each relapse."""
    relapse_s: float = 60.0
    probe_every_s: float = 0.1
    probe_share: float = 0.1
    probe_share_degraded: float = 0.05
    probe_anyway_s: float = 2.0
    """With little traffic a probe goes out this often, whatever its share."""
    trial: Odds = Odds(well=0.05, broken=0.35)
    """A trial is a sequential test (Wald 1945): a bad outcome takes five good ones to make up."""
    trial_good: int = 6
    """Good outcomes, none bad, that close an open channel: doubled with each relapse."""
    trial_good_receipts: int = 10
    """The same where receipts are tried out: a brown-out delivers six in a row too often."""
    trial_good_most: int = 40
    trial_s: float = 1.0
    trial_lost_at: float = 3.5
    """Two bad outcomes in a row end it."""
    trial_unheard: int = 6
    """Where receipts are what is tried out, so many messages wait for theirs at most."""
    trial_patience_s: float = 60.0
    """Probes of which nothing was heard for so long no longer keep others back."""

    silence_learned: float = 30.0
    """Receipts and judged messages that it takes to know how soon receipts usually come."""
    silence_seen: float = 3.0
    """Receipts after which a country may borrow what is known of its channel."""
    silence_borrowed: float = 20.0
    silence_least_share: float = 0.3
    """A carrier of which fewer receipts have come by the age of judgement cannot be missed."""
    silence_quantile: float = 0.6
    """Messages are judged at the age by which this share of the receipts has come."""
    silence_within_s: float = 120.0
    """Receipts that usually take longer say nothing of now."""
    silence_spare: float = 0.1
    silence_memory: float = 2_000.0
    """Judged messages after which older ones count half."""
    silence_open_at: float = 12.0
    silence_heard_s: float = 15.0
    """Receipts as young as this show that we hear."""
    silence_every_s: float = 0.5
    silence_trial_at: float = 2.0
    receipts_known_s: float = 1_800.0
    """Receipts of older messages say nothing of the expected delivery either."""
    receipts_fresh_s: float = 120.0
    """Receipts of older messages are no evidence of how a channel does now."""

    prior_submit: float = 0.99
    prior_receipt: float = 0.95
    prior_weight: float = 20.0
    """How many messages' weight a country borrows from its channel, and that from the priors."""
    quality_step: float = 0.05
    unbound_s: float = 1.0
    """A bind that is gone for less is a pause: others are preferred, nothing is held against it."""
    throttled_s: float = 1.0
    throttled_share: float = 0.1
    reporter_age_s: float = 15.0
    """Reports older than this, against the channel's newest, are of an instance that is gone."""
    most_countries: int = 400
    most_reporters: int = 64


DEFAULT_RULES = HealthRules()
