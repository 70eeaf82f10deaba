"""The pushes that customers got, counted at their end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from yizhan_simulators.clock import iso
from yizhan_simulators.customers.pushes import ACKNOWLEDGED
from yizhan_simulators.journal import SUMMARY, Journal
from yizhan_simulators.repeats import KEPT, Repeats
from yizhan_simulators.revision import Problem

_MALFORMED_KEPT = 100


class Arrival(NamedTuple):  # also a row of the journal: add fields at the end only
    """One result as it arrived, and the answer its push got."""

    sms_id: str
    phone: str
    status: str
    resp_message: str
    receive_time: str
    charging_num: str
    at: float
    answer: str


class CustomerRecord:
    """What one customer got since it was last cleared."""

    def __init__(self, name: str, kept: int = KEPT) -> None:
        self.name = name
        self.arrivals: Repeats[Arrival] = Repeats(kept)
        self.counts: Counter[str] = Counter()
        self.last: Counter[str] = Counter()
        self.malformed: list[dict[str, Any]] = []
        self.events: Counter[str] = Counter()
        """By type, those that were acknowledged."""

    def add(self, arrivals: Iterable[Arrival], counts: Counter[str]) -> None:
        self.counts.update(counts)
        for arrival in arrivals:
            before = self.arrivals.of(arrival.sms_id)
            if before:
                self.last[before[-1].status] -= 1
            self.last[arrival.status] += 1
            self.arrivals.add(arrival.sms_id, arrival)
            self.counts["results"] += 1
            if arrival.answer == ACKNOWLEDGED and not any(map(_is_acknowledged, before)):
                self.counts["acknowledged"] += 1

    def add_event(self, event_type: str, *, is_taken: bool) -> None:
        if is_taken:
            self.events[event_type] += 1
        else:
            self.counts["events_not_acknowledged"] += 1

    def add_malformed(self, at: float, problems: Iterable[Problem]) -> None:
        self.counts["malformed"] += 1
        if len(self.malformed) < _MALFORMED_KEPT:
            found = [Problem(*problem)._asdict() for problem in problems]
            self.malformed.append({"at": iso(at), "problems": found})

    def summary(self) -> dict[str, Any]:
        """Return the counts; `last` counts the smsIds by their newest status."""
        return {
            "pushes": self.counts["pushes"],
            "count": self.counts["results"],
            "sms_ids": len(self.arrivals),
            "sms_ids_acknowledged": self.counts["acknowledged"],
            "sms_ids_twice": self.arrivals.twice(),
            "last": {status: self.last[status] for status in ("0", "1")},
            "not_acknowledged": self.counts["not_acknowledged"],
            "events": dict(self.events),
            "events_not_acknowledged": self.counts["events_not_acknowledged"],
            "malformed": self.counts["malformed"],
            "malformed_first": self.malformed,
        }

    def past(self) -> dict[str, Any]:
        """Return the counts, for a journal whose beginning is deleted."""
        return {
            "sms_ids": len(self.arrivals),
            "counts": self.counts,
            "last": self.last,
            "events": self.events,
            "malformed": self.malformed,
        }

    def take_up(self, past: Mapping[str, Any]) -> None:
        """Go on from such counts."""
        self.arrivals.forgot(past["sms_ids"])
        self.counts.update(past["counts"])
        self.last.update(past["last"])
        self.events.update(past.get("events", {}))
        self.malformed += past["malformed"]

    def detail(self, beginning: str = "", phone: str = "") -> dict[str, dict[str, Any]]:
        """Return last status and arrivals of every smsId, or of those asked for."""
        return {
            sms_id: self._story(sms_id)
            for sms_id in self.arrivals
            if sms_id.startswith(beginning)
            and (not phone or any(a.phone == phone for a in self.arrivals.of(sms_id)))
        }

    def _story(self, sms_id: str) -> dict[str, Any]:
        return {
            "status": self.arrivals.last(sms_id).status,
            "arrivals": [
                {**arrival._asdict(), "at": iso(arrival.at)} for arrival in self.arrivals.of(sms_id)
            ],
        }


class CustomerBook:
    """The records of all customers, in memory and in the journal, kept before the answer."""

    def __init__(self, journal: Journal, kept: int = KEPT) -> None:
        self._journal = journal
        self._kept = kept
        self._records: dict[str, CustomerRecord] = {}
        journal.summarise(self._summary)

    def __iter__(self) -> Iterator[CustomerRecord]:
        return iter(self._records.values())

    def of(self, customer: str) -> CustomerRecord:
        if customer not in self._records:
            self._records[customer] = CustomerRecord(customer, self._kept)
        return self._records[customer]

    def keep(self, customer: str, arrivals: list[Arrival], counts: Counter[str]) -> None:
        """Keep one push."""
        self._journal.append(
            {"fact": "push", "customer": customer, "arrivals": arrivals, "counts": counts}
        )
        self.of(customer).add(arrivals, counts)

    def keep_event(self, customer: str, event_type: str, *, is_taken: bool) -> None:
        """Keep that an event came, and whether it was acknowledged."""
        self._journal.append(
            {"fact": "event", "customer": customer, "type": event_type, "taken": is_taken}
        )
        self.of(customer).add_event(event_type, is_taken=is_taken)

    def keep_malformed(self, customer: str, at: float, problems: list[Problem]) -> None:
        """Keep that a push broke the format, and how."""
        self._journal.append(
            {"fact": "malformed", "customer": customer, "at": at, "problems": problems}
        )
        self.of(customer).add_malformed(at, problems)

    def clear(self, customer: str) -> None:
        """Forget what a customer got."""
        self._journal.append({"fact": "cleared", "customer": customer})
        self._records.pop(customer, None)

    def recover(self) -> None:
        """Read the journal."""
        for fact in self._journal.replay():
            if fact["fact"] == SUMMARY:
                self._take_up(fact["customers"])
                continue
            record = self.of(fact["customer"])
            if fact["fact"] == "push":
                arrivals = [Arrival(*row) for row in fact["arrivals"]]
                record.add(arrivals, Counter(fact["counts"]))
            elif fact["fact"] == "event":
                record.add_event(fact["type"], is_taken=fact["taken"])
            elif fact["fact"] == "malformed":
                record.add_malformed(fact["at"], [Problem(*row) for row in fact["problems"]])
            elif fact["fact"] == "cleared":
                self._records.pop(fact["customer"], None)

    def _summary(self) -> dict[str, Any]:
        return {"customers": {name: record.past() for name, record in self._records.items()}}

    def _take_up(self, past: Mapping[str, Mapping[str, Any]]) -> None:
        for customer, counted in past.items():
            self.of(customer).take_up(counted)


def _is_acknowledged(arrival: Arrival) -> bool:
    return arrival.answer == ACKNOWLEDGED
