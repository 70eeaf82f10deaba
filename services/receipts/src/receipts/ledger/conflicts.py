"""Receipts that contradict each other, by kind, and the rule for each.

| kind | the rule |
|---|---|
| delivered and failed, for one part | delivered wins: carriers give up on what a handset has |
| failed, by two codes | the one that Yizhan knows explains it |
| delivered, though the submit was refused | delivered wins |
| delivered by two attempts | the earlier is the message's: its recipient has it twice |
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

from receipts.ledger.facts import Fact, Kind
from yizhan_contracts.events import ReceiptState


class Conflict(StrEnum):
    """How what is said of one attempt contradicts itself."""

    DELIVERED_AND_FAILED = "delivered-and-failed"
    TWO_FAILURES = "two-failures"
    DELIVERED_THOUGH_REFUSED = "delivered-though-refused"
    DELIVERED_TWICE = "delivered-twice"
    """By two attempts of one message: its recipient has it twice."""


RULES: Final = {
    Conflict.DELIVERED_AND_FAILED: "delivered wins over failed",
    Conflict.TWO_FAILURES: "the code that is known explains the failure",
    Conflict.DELIVERED_THOUGH_REFUSED: "delivered wins over the refusal",
    Conflict.DELIVERED_TWICE: "the earlier delivery is the message's",
}
_REFUSALS: Final = frozenset({Kind.REFUSED, Kind.FAILED})


def conflicts_of(receipts: Sequence[Fact], kinds: Collection[Kind]) -> tuple[Conflict, ...]:
    """Give how one attempt's receipts contradict each other, or what the carrier answered."""
    if not receipts or (len(receipts) == 1 and not _REFUSALS & set(kinds)):
        return ()
    delivered = {fact.part for fact in receipts if fact.state == ReceiptState.DELIVERED}
    failed = [fact for fact in receipts if fact.state == ReceiptState.FAILED]
    codes: dict[str, set[str]] = {}
    for fact in failed:
        codes.setdefault(fact.part, set()).add(fact.carrier_code)
    found = []
    if delivered & codes.keys():
        found.append(Conflict.DELIVERED_AND_FAILED)
    if any(len(its) > 1 for its in codes.values()):
        found.append(Conflict.TWO_FAILURES)
    if delivered and _REFUSALS & set(kinds):
        found.append(Conflict.DELIVERED_THOUGH_REFUSED)
    return tuple(found)
