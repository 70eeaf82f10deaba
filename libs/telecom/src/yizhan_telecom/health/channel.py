"""One channel: its circuit as a whole, a circuit for each country, and what its reporters say."""

from collections.abc import Iterable
from math import inf

from yizhan_contracts.events import ChannelReported, DeliveryReported
from yizhan_telecom.health.circuit import NO_SHARE, Change, Circuit
from yizhan_telecom.health.evidence import Outcomes, Receipts
from yizhan_telecom.health.reporters import Reporters
from yizhan_telecom.health.rules import HealthRules
from yizhan_telecom.health.states import AT_REST, WHOLE, Kind, State, Transition, View

Rates = tuple[float, float]
"""The share of submits that is answered, and the share of receipts that is good."""

_SEVERITY = {State.HEALTHY: 0, State.DEGRADED: 1, State.PROBING: 2, State.OPEN: 3}


class ChannelHealth:
    """Health of one channel. Views are kept until something about them changes."""

    def __init__(self, name: str, rules: HealthRules, now: float) -> None:
        self.name = name
        self._rules = rules
        self.reporters = Reporters(rules)
        self.backlog = 0
        """Messages that wait at its live adapters."""
        self.whole = Circuit(rules, now)
        self.countries: dict[str, Circuit] = {}
        self._ill: set[str] = set()
        """Countries whose circuit is not healthy."""
        self._views: dict[str, View] = {}
        self._whole_view = AT_REST
        self._throttled_until = 0.0
        self._unbound_since: float | None = None
        self._has_sent = False
        self._silence_at = 0.0
        self.heard_at = -inf
        """When any receipt has last come."""
        self.may_be_silent = True
        self.is_changed = False
        """Whether a view has changed since the owner last looked."""
        self.is_quality_changed = False

    def reported(self, report: ChannelReported, now: float) -> list[Transition]:
        """Take an adapter's report."""
        throttled = self.reporters.throttled_since(report)
        changes = self.reporters.take(report, now)
        self.backlog = self.reporters.backlog
        if throttled > self._rules.throttled_share * sum(c.good for c in changes.values()):
            self._throttled_until = now + self._rules.throttled_s
        self._judge_silence(now)
        transitions = self._judge_bound(now)
        transitions += self._take(changes, now) if changes else []
        self._refresh(now, changes)
        return transitions

    def delivered(self, report: DeliveryReported, now: float) -> list[Transition]:
        """Take a report of receipts."""
        changes = self.reporters.take_receipts(report)
        if changes:
            self.heard_at = now
        total, share = Receipts(), NO_SHARE
        for country, receipts in changes.items():
            circuit = self._circuit(country, now)
            if circuit is None or self.whole.is_adrift:
                total += receipts  # the whole explains it
                continue
            is_explained = circuit.is_adrift
            added = circuit.take_receipts(now, receipts)
            if not is_explained:
                total, share = total + receipts, share + added
        self.whole.take_receipts_share(now, total, share)
        self._judge_silence(now)
        transitions = self._judge(changes, now)
        self._refresh(now, changes)
        return transitions

    @property
    def is_silent(self) -> bool:
        """Tell whether the channel as a whole is held for receipts that do not come."""
        return self.whole.is_adrift and self.whole.kind is Kind.SILENT

    def _judge_silence(self, now: float) -> None:
        """Look at messages that are old enough to have a receipt, a few times a second at most."""
        if now - self._silence_at < self._rules.silence_every_s:
            return
        self._silence_at = now
        if self.whole.is_adrift:
            self.whole.judge_silence(now)
            return
        self.whole.learn_silence(now)
        share = NO_SHARE
        for circuit in self.countries.values():
            if circuit.silence.is_pending:
                added = circuit.judge_silence(now)
                if added is not NO_SHARE:
                    share += added
        if share.silence:
            self.whole.take_silence_share(now, share)

    def quietness(self, now: float) -> float:
        """Give how long nothing has come back, as a share of the time that is too long."""
        usual_s = self.whole.usual.mean_latency_ms / 1000
        return self.reporters.quiet_s(now) / max(self._rules.stalled_after_s, 4 * usual_s)

    def advance(self, now: float, *, is_stalled: bool) -> list[Transition]:
        """Do what time alone does: holds end, stalls show, old trouble fades."""
        self._judge_silence(now)
        if self._is_at_rest() and not is_stalled:
            return []
        self.whole.is_stalled = is_stalled
        ill = tuple(self._ill)
        transitions = self._judge_bound(now) + self._judge(ill, now)
        self._refresh(now, ill)
        return transitions

    def view(self, country: str) -> View:
        """Give what a chooser needs to know, ``*`` for the channel as a whole."""
        view = self._views.get(country)
        return self._whole_view if view is None else view

    def circuit_for(self, country: str) -> Circuit:
        """Give the circuit that decides in a country: the worse of the country's and the whole."""
        circuit = self.countries.get(country)
        if circuit is None or _SEVERITY[circuit.state] <= _SEVERITY[self.whole.state]:
            return self.whole
        return circuit

    def forget(self, instance: str, now: float) -> list[Transition]:
        """Take a reporter's tombstone."""
        self.reporters.forget(instance)
        self.backlog = self.reporters.backlog
        transitions = self._judge_bound(now)
        self._refresh(now, ())
        return transitions

    def _is_at_rest(self) -> bool:
        return (
            self.whole.state is State.HEALTHY
            and not self._ill
            and not self._whole_view.is_paused
            and not self.whole.is_stalled
        )

    def _take(self, changes: dict[str, Outcomes], now: float) -> list[Transition]:
        """Feed the countries, then the whole, which hears of each what it can prove."""
        total, share = Outcomes(), NO_SHARE
        for country, outcomes in changes.items():
            circuit = self._circuit(country, now)
            if circuit is None or self.whole.is_adrift:
                total += outcomes  # the whole explains it
                continue
            is_explained = circuit.is_adrift
            added = circuit.take(now, outcomes)
            if not is_explained:
                total, share = total + outcomes, share + added
        self._has_sent = self._has_sent or total.good > 0
        self.whole.take_share(now, total, share)
        return self._judge(changes, now)

    def _judge(self, countries: Iterable[str], now: float) -> list[Transition]:
        whole = self.whole
        whole.may_be_silent = self.may_be_silent
        before = whole.state
        transitions = self._transitions(WHOLE, whole.judge(now))
        if transitions and whole.state is State.OPEN:
            self._reset_countries(now, now)
        if transitions and before is State.PROBING and whole.state is State.HEALTHY:
            # Receipts of messages from before the trial are still to come.
            self._reset_countries(now, whole.valid_from)
        if whole.is_adrift:
            return transitions
        for country in countries:
            circuit = self.countries.get(country)
            if circuit is not None:
                circuit.may_be_silent = self.may_be_silent
                transitions += self._transitions(country, circuit.judge(now))
        return transitions

    def _judge_bound(self, now: float) -> list[Transition]:
        whole = self.whole
        is_held = whole.state is State.OPEN and whole.kind is Kind.UNBOUND
        if not self.reporters.is_bound:
            if self._unbound_since is None:
                self._unbound_since = now
            if is_held or now - self._unbound_since < self._rules.unbound_s:
                return []
            self._reset_countries(now, now)
            return self._transitions(WHOLE, whole.open(now, Kind.UNBOUND))
        self._unbound_since = None
        if not is_held:
            return []
        if not self._has_sent:  # it has only just begun: nothing is held against it
            whole.reset(now, now)
            return [Transition(self.name, WHOLE, State.OPEN, State.HEALTHY, Kind.NONE)]
        whole.release(now)
        return self._transitions(WHOLE, whole.judge(now))

    def _reset_countries(self, now: float, valid_from: float) -> None:
        """Let the countries begin anew: the whole explains what was wrong in them."""
        for circuit in self.countries.values():
            circuit.reset(now, valid_from)
        self._ill.clear()

    def _circuit(self, country: str, now: float) -> Circuit | None:
        circuit = self.countries.get(country)
        if circuit is None and len(self.countries) < self._rules.most_countries:
            circuit = self.countries[country] = Circuit(self._rules, now, self.whole.silence)
        return circuit

    def _transitions(self, country: str, change: Change | None) -> list[Transition]:
        if change is None:
            return []
        if country != WHOLE:
            (self._ill.discard if change.after is State.HEALTHY else self._ill.add)(country)
        return [
            Transition(
                self.name,
                country,
                change.before,
                change.after,
                change.kind,
                change.figures,
                change.after_s,
            )
        ]

    def _refresh(self, now: float, countries: Iterable[str]) -> None:
        """Make the views of the whole and of these countries anew; note whether one has changed."""
        rules = self._rules
        prior = (rules.prior_submit, rules.prior_receipt)
        rates = _rates(self.whole, now, prior, rules.prior_weight)
        whole = self._view_of(self.whole, self._whole_view, rates, now)
        if whole != self._whole_view:
            self._note_quality(self._whole_view, whole)
            self._whole_view, self.is_changed = whole, True
            countries = list(self.countries)
        for country in countries:
            circuit = self.countries.get(country)
            if circuit is not None:
                before, own = self.view(country), _rates(circuit, now, rates, rules.prior_weight)
                decides = self.circuit_for(country)
                after = self._view_of(decides, before, own, now)
                self._put(country, before, after)

    def _put(self, country: str, before: View, after: View) -> None:
        if after == self._whole_view:
            self._views.pop(country, None)
        else:
            self._views[country] = after
        self._note_quality(before, after)
        self.is_changed = self.is_changed or after != before

    def _note_quality(self, before: View, after: View) -> None:
        self.is_quality_changed = self.is_quality_changed or before.quality != after.quality

    def _view_of(self, circuit: Circuit, before: View, rates: Rates, now: float) -> View:
        return View(
            state=circuit.state,
            kind=circuit.kind,
            quality=self._in_steps(rates[0] * rates[1], before.quality),
            is_paused=now < self._throttled_until or self._unbound_since is not None,
            note=circuit.note,
        )

    def _in_steps(self, quality: float, before: float) -> float:
        """Round to a step; what has hardly moved stays, or it would flutter between two steps."""
        step = self._rules.quality_step
        if abs(quality - before) < 0.8 * step:
            return before
        return round(round(quality / step) * step, 3)


def _rates(circuit: Circuit, now: float, prior: Rates, weight: float) -> Rates:
    """Estimate both shares from what is known, and from ``prior`` where that is little."""
    usual, receipts = circuit.usual, circuit.receipts
    usual.fade(now)
    receipts.fade(now)
    answered = (usual.good + usual.refused + weight * prior[0]) / (usual.weight + weight)
    delivered = (receipts.delivered + weight * prior[1]) / (receipts.weight + weight)
    return answered, delivered
