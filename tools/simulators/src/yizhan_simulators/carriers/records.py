"""What the carriers were handed, counted at their end: the proof that nothing was sent twice."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from yizhan_simulators.carriers.receipts import Plan, Said
from yizhan_simulators.clock import iso
from yizhan_simulators.journal import SUMMARY, Journal
from yizhan_simulators.repeats import KEPT, Repeats

_TEXTS_KEPT = 10_000


class Submission(NamedTuple):  # also a row of the journal: add fields at the end only
    """One message as it was handed over, whatever the protocol."""

    ref: str
    to: str
    sender: str
    text: str
    validity_s: float
    callback: str


class Accepted(NamedTuple):  # also a row of the journal: add fields at the end only
    """A message the carrier took, and what it will say about it."""

    submission: Submission
    country: str
    carrier_message_id: str
    plan: Plan
    echo_ref: bool


class HandOver(NamedTuple):
    """What stays in memory of a message taken."""

    at: float
    to: str
    country: str
    carrier_message_id: str
    final: str


class Receipt(NamedTuple):
    """One statement on its way to the callback; `number` tells a message's statements apart."""

    carrier: str
    generation: int
    carrier_message_id: str
    number: int
    ref: str | None
    to: str
    state: str
    code: str
    due: float
    early: bool
    callback: str


class CarrierRecord:
    """What one carrier was handed since it was last cleared."""

    def __init__(self, name: str, generation: int, kept: int = KEPT) -> None:
        self.name = name
        self.generation = generation
        self.handed = 0
        self.by_ref: Repeats[HandOver] = Repeats(kept)
        self.by_country: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._texts: dict[str, str] = {}
        self._older_texts: dict[str, str] = {}

    def add(self, at: float, accepted: Iterable[Accepted], counts: Mapping[str, int]) -> None:
        for message in accepted:
            submission = message.submission
            self.by_ref.add(
                submission.ref,
                HandOver(
                    at,
                    submission.to,
                    message.country,
                    message.carrier_message_id,
                    message.plan.final,
                ),
            )
            self.by_country[message.country] += 1
            self.handed += 1
            self.counts["receipts_planned"] += len(message.plan.said)
            self._keep_text(message.carrier_message_id, submission.text)
        if counts:
            self.counts.update(counts)

    def summary(self) -> dict[str, Any]:
        """Return the counts and every ref that was handed over more than once."""
        counts = self.counts
        refused = {
            key.removeprefix("refused."): count
            for key, count in counts.items()
            if key.startswith("refused.")
        }
        return {
            "handed": self.handed,
            "refs": len(self.by_ref),
            "refs_twice": self.by_ref.twice(),
            "refused": sum(refused.values()),
            "refused_by_code": refused,
            "throttled": counts["throttled"],
            "failed": counts["failed"],
            "answers_lost": counts["answers_lost"],
            "invalid": counts["invalid"],
            "unauthorised": counts["unauthorised"],
            "probes": counts["probes"],
            "receipts_planned": counts["receipts_planned"],
            "receipts_sent": counts["receipts_sent"],
            "receipts_given_up": counts["receipts_given_up"],
            "receipts_pending": self.pending(),
            "by_country": dict(self.by_country),
        }

    def pending(self) -> int:
        """Return how many receipts are still to be sent."""
        counts = self.counts
        done = counts["receipts_sent"] + counts["receipts_given_up"]
        return counts["receipts_planned"] - done

    def past(self) -> dict[str, Any]:
        """Return the counts, for a journal whose beginning is deleted."""
        return {
            "handed": self.handed,
            "refs": len(self.by_ref),
            "by_country": self.by_country,
            "counts": self.counts,
        }

    def take_up(self, past: Mapping[str, Any]) -> None:
        """Go on from such counts."""
        self.handed += past["handed"]
        self.by_ref.forgot(past["refs"])
        self.by_country.update(past["by_country"])
        self.counts.update(past["counts"])

    def detail(self, beginning: str = "") -> dict[str, list[dict[str, Any]]]:
        """Return the hand-overs of every ref, or of those that begin so."""
        return {
            ref: [self._story(hand_over) for hand_over in self.by_ref.of(ref)]
            for ref in self.by_ref
            if ref.startswith(beginning)
        }

    def _story(self, hand_over: HandOver) -> dict[str, Any]:
        carrier_message_id = hand_over.carrier_message_id
        text = self._texts.get(carrier_message_id) or self._older_texts.get(carrier_message_id)
        return {
            "at": iso(hand_over.at),
            "id": carrier_message_id,
            "to": hand_over.to,
            "country": hand_over.country,
            "final": hand_over.final,
            **({} if text is None else {"text": text}),
        }

    def _keep_text(self, carrier_message_id: str, text: str) -> None:
        self._texts[carrier_message_id] = text
        if len(self._texts) >= _TEXTS_KEPT:  # by halves: evicting one by one costs 4 us each
            self._older_texts, self._texts = self._texts, {}


class CarrierBook:
    """The records of all carriers, in memory and in the journal.

    A hand-over is in the journal before it counts and before it is answered: a killed simulator
    starts again with every message it ever said yes to, and with the receipts it still owes.
    """

    def __init__(self, journal: Journal, kept: int = KEPT) -> None:
        self._journal = journal
        self._kept = kept
        self._records: dict[str, CarrierRecord] = {}
        self._generation = 0
        journal.summarise(self._summary)

    def __iter__(self) -> Iterator[CarrierRecord]:
        return iter(self._records.values())

    def of(self, carrier: str) -> CarrierRecord:
        if carrier not in self._records:
            self._records[carrier] = CarrierRecord(carrier, self._generation, self._kept)
        return self._records[carrier]

    def keep(
        self, carrier: str, at: float, accepted: list[Accepted], counts: Mapping[str, int]
    ) -> list[Receipt]:
        """Keep one submit, whatever became of it; return the receipts that are now owed."""
        self._journal.append(
            {
                "fact": "submit",
                "carrier": carrier,
                "at": at,
                "accepted": accepted,
                "counts": counts,
            }
        )
        record = self.of(carrier)
        record.add(at, accepted, counts)
        return [receipt for message in accepted for receipt in _receipts(record, message)]

    def done(self, receipts: Sequence[Receipt], outcome: str) -> None:
        """Keep that receipts were `sent` or `given_up`."""
        by_carrier: dict[str, list[Receipt]] = {}
        for receipt in receipts:
            if self.is_owed(receipt):
                by_carrier.setdefault(receipt.carrier, []).append(receipt)
        for carrier, done in by_carrier.items():
            keys = [(receipt.carrier_message_id, receipt.number) for receipt in done]
            self._journal.append(
                {"fact": "receipts", "carrier": carrier, "outcome": outcome, "keys": keys}
            )
            self.of(carrier).counts[f"receipts_{outcome}"] += len(done)

    def is_owed(self, receipt: Receipt) -> bool:
        """Say whether the record this receipt belongs to is still there."""
        return self.of(receipt.carrier).generation == receipt.generation

    def clear(self, carrier: str) -> None:
        """Forget a carrier's past, the receipts it still owes included."""
        self._journal.append({"fact": "cleared", "carrier": carrier})
        self._forget(carrier)

    def recover(self) -> list[Receipt]:
        """Read the journal; return the receipts still owed."""
        owed: dict[tuple[str, str, int], Receipt] = {}
        for fact in self._journal.replay():
            if fact["fact"] == SUMMARY:
                self._take_up(fact["carriers"])
                continue
            carrier = fact["carrier"]
            if fact["fact"] == "submit":
                for receipt in self._again(carrier, fact):
                    owed[(carrier, receipt.carrier_message_id, receipt.number)] = receipt
            elif fact["fact"] == "receipts":
                self.of(carrier).counts[f"receipts_{fact['outcome']}"] += len(fact["keys"])
                for carrier_message_id, number in fact["keys"]:
                    owed.pop((carrier, carrier_message_id, number), None)
            elif fact["fact"] == "cleared":
                self._forget(carrier)
        still = [receipt for receipt in owed.values() if self.is_owed(receipt)]
        self._give_up_others(still)
        return still

    def _summary(self) -> dict[str, Any]:
        return {"carriers": {name: record.past() for name, record in self._records.items()}}

    def _take_up(self, past: Mapping[str, Mapping[str, Any]]) -> None:
        for carrier, counted in past.items():
            self.of(carrier).take_up(counted)

    def _give_up_others(self, still: Iterable[Receipt]) -> None:
        """Give up receipts of messages that are in the summary only."""
        known = Counter(receipt.carrier for receipt in still)
        for record in self:
            pending = record.pending()
            record.counts["receipts_given_up"] += pending - known[record.name]

    def _again(self, carrier: str, fact: dict[str, Any]) -> list[Receipt]:
        accepted = [_accepted(*row) for row in fact["accepted"]]
        record = self.of(carrier)
        record.add(fact["at"], accepted, fact["counts"])
        return [receipt for message in accepted for receipt in _receipts(record, message)]

    def _forget(self, carrier: str) -> None:
        self._generation += 1
        self._records.pop(carrier, None)


def _accepted(submission: list[Any], *rest: Any) -> Accepted:  # noqa: ANN401 - a row of JSON
    country, carrier_message_id, (final, said), echo_ref = rest
    return Accepted(
        Submission(*submission),
        country,
        carrier_message_id,
        Plan(final, [Said(*statement) for statement in said]),
        echo_ref,
    )


def _receipts(record: CarrierRecord, message: Accepted) -> Iterator[Receipt]:
    submission = message.submission
    for number, said in enumerate(message.plan.said):
        yield Receipt(
            record.name,
            record.generation,
            message.carrier_message_id,
            number,
            submission.ref if message.echo_ref else None,
            submission.to,
            said.state,
            said.code,
            said.due,
            said.early,
            submission.callback,
        )


def encode_receipts(receipts: Sequence[Receipt]) -> bytes:
    """Write the body of a receipt webhook."""
    return to_json({"receipts": [_wire(receipt) for receipt in receipts]})


def _wire(receipt: Receipt) -> dict[str, str]:
    wire = {
        "id": receipt.carrier_message_id,
        "to": receipt.to,
        "state": receipt.state,
        "code": receipt.code,
        "at": iso(receipt.due),
    }
    if receipt.ref is not None:
        wire["ref"] = receipt.ref
    return wire


def message_of(ref: str) -> str:
    """Return the message part of an attempt's reference: what is before the last hyphen."""
    return ref.rpartition("-")[0] or ref


def across(records: Iterable[CarrierRecord]) -> dict[str, Any]:
    """Add up all carriers, and find what only shows across them."""
    carriers_of: dict[str, set[str]] = {}
    refs: Counter[str] = Counter()
    hand_overs: Counter[str] = Counter()
    delivered: Counter[str] = Counter()
    for record in records:
        for ref in record.by_ref:
            message = message_of(ref)
            carriers_of.setdefault(message, set()).add(record.name)
            for hand_over in record.by_ref.of(ref):
                refs[ref] += 1
                hand_overs[message] += 1
                delivered[message] += hand_over.final == "delivered"
    return {
        "handed": refs.total(),
        "refs": len(refs),
        "refs_twice": _above_one(refs),
        "messages": len(hand_overs),
        "messages_twice": _above_one(hand_overs),
        "messages_on_several_carriers": {
            message: sorted(names) for message, names in carriers_of.items() if len(names) > 1
        },
        "messages_delivered_twice": _above_one(delivered),
    }


def _above_one(counted: Counter[str]) -> list[str]:
    return [key for key, count in counted.items() if count > 1]
