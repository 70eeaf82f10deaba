"""What one carrier was handed, as it counts it."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from yizhan_simulators.carriers.handed import Accepted
from yizhan_simulators.carriers.parts import Assembly, PartKey
from yizhan_simulators.clock import iso
from yizhan_simulators.repeats import KEPT, Repeats

_TEXTS_KEPT = 10_000


class HandOver(NamedTuple):
    """What stays in memory of a message taken."""

    at: float
    to: str
    country: str
    carrier_message_id: str
    final: str
    parts: int = 1


class CarrierRecord:
    """What one carrier was handed since it was last cleared."""

    def __init__(self, name: str, generation: int, kept: int = KEPT) -> None:
        self.name = name
        self.generation = generation
        self.handed = 0
        self.by_ref: Repeats[HandOver] = Repeats(kept)
        self.by_country: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._parts: Assembly[Accepted] = Assembly()
        self._texts: dict[str, str] = {}
        self._older_texts: dict[str, str] = {}

    def add(self, at: float, accepted: Iterable[Accepted], counts: Mapping[str, int]) -> None:
        for message in accepted:
            self.counts["receipts_planned"] += len(message.plan.said)
            submission = message.submission
            if submission.total == 1:
                self._add_whole(at, [message], submission.text)
            else:
                self._add_part(at, message)
        if counts:
            self.counts.update(counts)

    def _add_part(self, at: float, message: Accepted) -> None:
        part = message.submission
        self.counts["parts"] += 1
        key = PartKey(part.sender, part.to, part.reference, part.total)
        whole = self._parts.add(key, part.number, message)
        if whole:
            self._add_whole(at, whole, "".join(one.submission.text for one in whole))

    def _add_whole(self, at: float, parts: Sequence[Accepted], text: str) -> None:
        first = parts[0]
        to = first.submission.to
        hand_over = HandOver(
            at, to, first.country, first.carrier_message_id, _final(parts), len(parts)
        )
        self.by_ref.add(first.submission.ref or ref_by_text(to, text), hand_over)
        self.by_country[first.country] += 1
        self.handed += 1
        self._keep_text(first.carrier_message_id, text)

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
            "parts": counts["parts"],
            "parts_twice": self._parts.twice,
            "incomplete": len(self._parts),
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
            "replies_sent": counts["replies_sent"],
            "binds": counts["binds"],
            "binds_refused": counts["binds_refused"],
            "malformed": counts["malformed"],
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
            **({} if hand_over.parts == 1 else {"parts": hand_over.parts}),
            **({} if text is None else {"text": text}),
        }

    def _keep_text(self, carrier_message_id: str, text: str) -> None:
        self._texts[carrier_message_id] = text
        if len(self._texts) >= _TEXTS_KEPT:  # by halves: evicting one by one costs 4 us each
            self._older_texts, self._texts = self._texts, {}


def ref_by_text(to: str, text: str) -> str:
    """Name a message that brought no reference: the same number and text is the same message."""
    return f"{to}#{hashlib.blake2s(text.encode(), digest_size=6).hexdigest()}"


def _final(parts: Sequence[Accepted]) -> str:
    """Say how it ends for the handset: a message lacks what one of its parts lacks."""
    finals = [part.plan.final for part in parts]
    return next((final for final in finals if final != "delivered"), "delivered")


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
