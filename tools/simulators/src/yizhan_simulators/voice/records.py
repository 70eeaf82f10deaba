"""The calls of the voice providers, counted at their end: the proof that nobody was rung twice."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from yizhan_simulators.clock import iso
from yizhan_simulators.journal import SUMMARY, Journal
from yizhan_simulators.repeats import KEPT, Repeats
from yizhan_simulators.voice.calls import Call, CallOrder, CallReport


class Ring(NamedTuple):
    """What stays of a call in memory."""

    at: float
    call: Call


class ProviderRecord:
    """The calls of one provider since it was last cleared."""

    def __init__(self, name: str, generation: int, kept: int = KEPT) -> None:
        self.name = name
        self.generation = generation
        self.rings: Repeats[Ring] = Repeats(kept)
        self.counts: Counter[str] = Counter()

    def summary(self) -> dict[str, Any]:
        """Return the counts and every ref that was rung more than once."""
        counts = self.counts
        return {
            "calls": counts["calls"],
            "refs": len(self.rings),
            "refs_twice": self.rings.twice(),
            "by_outcome": {
                key.removeprefix("outcome."): count
                for key, count in counts.items()
                if key.startswith("outcome.")
            },
            "refused": counts["refused"],
            "failed": counts["failed"],
            "answers_lost": counts["answers_lost"],
            "invalid": counts["invalid"],
            "unauthorised": counts["unauthorised"],
            "callbacks_planned": counts["callbacks_planned"],
            "callbacks_sent": counts["callbacks_sent"],
            "callbacks_given_up": counts["callbacks_given_up"],
            "callbacks_pending": self.pending(),
        }

    def pending(self) -> int:
        """Return how many callbacks are still to be sent."""
        counts = self.counts
        done = counts["callbacks_sent"] + counts["callbacks_given_up"]
        return counts["callbacks_planned"] - done

    def detail(self, beginning: str = "") -> dict[str, list[dict[str, Any]]]:
        """Return the calls of every ref, or of those that begin so."""
        return {
            ref: [_story(ring) for ring in self.rings.of(ref)]
            for ref in self.rings
            if ref.startswith(beginning)
        }


class ProviderBook:
    """The records of all providers, in memory and in the journal, kept before the answer."""

    def __init__(self, journal: Journal, kept: int = KEPT) -> None:
        self._journal = journal
        self._kept = kept
        self._records: dict[str, ProviderRecord] = {}
        self._generation = 0
        journal.summarise(self._summary)

    def __iter__(self) -> Iterator[ProviderRecord]:
        return iter(self._records.values())

    def of(self, provider: str) -> ProviderRecord:
        if provider not in self._records:
            self._records[provider] = ProviderRecord(provider, self._generation, self._kept)
        return self._records[provider]

    def keep(
        self, provider: str, at: float, call: Call | None, counts: Counter[str]
    ) -> list[CallReport]:
        """Keep one order, whatever became of it; return the callbacks that are now owed."""
        self._journal.append(
            {"fact": "order", "provider": provider, "at": at, "call": call, "counts": counts}
        )
        return self._add(provider, at, call, counts)

    def done(self, reports: Sequence[CallReport], outcome: str) -> None:
        """Keep that callbacks were `sent` or `given_up`."""
        for report in reports:
            if self.is_owed(report):
                key = (report.call.call_id, report.number)
                fact = {"provider": report.provider, "outcome": outcome, "key": key}
                self._journal.append({"fact": "callback", **fact})
                self.of(report.provider).counts[f"callbacks_{outcome}"] += 1

    def is_owed(self, report: CallReport) -> bool:
        """Say whether the record this callback belongs to is still there."""
        return self.of(report.provider).generation == report.generation

    def clear(self, provider: str) -> None:
        """Forget a provider's past, the callbacks it still owes included."""
        self._journal.append({"fact": "cleared", "provider": provider})
        self._forget(provider)

    def recover(self) -> list[CallReport]:
        """Read the journal; return the callbacks still owed."""
        owed: dict[tuple[str, str, int], CallReport] = {}
        for fact in self._journal.replay():
            if fact["fact"] == SUMMARY:
                self._take_up(fact["providers"])
                continue
            provider = fact["provider"]
            if fact["fact"] == "order":
                call = _call(*fact["call"]) if fact["call"] else None
                for report in self._add(provider, fact["at"], call, Counter(fact["counts"])):
                    owed[(provider, report.call.call_id, report.number)] = report
            elif fact["fact"] == "callback":
                self.of(provider).counts[f"callbacks_{fact['outcome']}"] += 1
                owed.pop((provider, *fact["key"]), None)
            elif fact["fact"] == "cleared":
                self._forget(provider)
        still = [report for report in owed.values() if self.is_owed(report)]
        self._give_up_others(still)
        return still

    def _summary(self) -> dict[str, Any]:
        past = {
            name: {"refs": len(record.rings), "counts": record.counts}
            for name, record in self._records.items()
        }
        return {"providers": past}

    def _take_up(self, past: Mapping[str, Mapping[str, Any]]) -> None:
        for provider, counted in past.items():
            record = self.of(provider)
            record.rings.forgot(counted["refs"])
            record.counts.update(counted["counts"])

    def _give_up_others(self, still: Iterable[CallReport]) -> None:
        """Give up callbacks of calls that are in the summary only."""
        known = Counter(report.provider for report in still)
        for record in self:
            pending = record.pending()
            record.counts["callbacks_given_up"] += pending - known[record.name]

    def _add(
        self, provider: str, at: float, call: Call | None, counts: Counter[str]
    ) -> list[CallReport]:
        record = self.of(provider)
        record.counts.update(counts)
        if call is None:
            return []
        record.rings.add(call.order.ref, Ring(at, call))
        record.counts["calls"] += 1
        record.counts[f"outcome.{call.outcome}"] += 1
        record.counts["callbacks_planned"] += len(call.due)
        return [
            CallReport(provider, record.generation, number, due, call)
            for number, due in enumerate(call.due)
        ]

    def _forget(self, provider: str) -> None:
        self._generation += 1
        self._records.pop(provider, None)


def _call(order: list[Any], *rest: Any) -> Call:  # noqa: ANN401 - a row of JSON
    call_id, outcome, code, duration_s, due, early = rest
    return Call(CallOrder(*order), call_id, outcome, code, duration_s, tuple(due), early)


def _story(ring: Ring) -> dict[str, Any]:
    call = ring.call
    return {
        "at": iso(ring.at),
        "id": call.call_id,
        "to": call.order.to,
        "language": call.order.language,
        "script": call.order.script,
        "outcome": call.outcome,
        "code": call.code,
    }
