"""The records of all carriers, in memory and in the journal: the proof of what was sent twice."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from yizhan_simulators.carriers.handed import Accepted, Receipt, Submission
from yizhan_simulators.carriers.receipts import Plan, Said
from yizhan_simulators.carriers.record import CarrierRecord
from yizhan_simulators.carriers.replies import Reply
from yizhan_simulators.journal import SUMMARY, Journal
from yizhan_simulators.repeats import KEPT


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

    def replied(self, replies: Sequence[Reply], at: float) -> None:
        """Keep that replies were taken."""
        for carrier, count in Counter(reply.carrier for reply in replies).items():
            self.keep(carrier, at, [], {"replies_sent": count})

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
            submission.sender,
            submission.tag,
        )
