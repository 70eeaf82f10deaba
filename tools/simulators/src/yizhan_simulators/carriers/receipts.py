"""What a carrier will say of a message later: planned when it is taken, pure."""

from random import Random
from typing import NamedTuple

from yizhan_simulators.behaviour import MessageBehaviour, ReceiptBehaviour, ReceiptState, by_prefix
from yizhan_simulators.draws import hits

DELIVERED_CODE = "000"
WANTS_ALL = 1
WANTS_FAILURES = 2


class Said(NamedTuple):
    """One statement about a message: when, what, and whether before the submit is answered."""

    due: float
    state: str
    code: str
    early: bool = False


class Plan(NamedTuple):  # also a row of the journal: add fields at the end only
    """How it ends for the handset, and what the carrier says about it."""

    final: str
    said: list[Said]

    def wanted(self, wants: int) -> "Plan":
        """Leave out what was not asked for (SMPP 5.2.17: 1 all, 2 failures, 0 none)."""
        if wants == WANTS_FAILURES:
            return Plan(self.final, [said for said in self.said if said.state != "delivered"])
        return self if wants == WANTS_ALL else Plan(self.final, [])


def plan_receipts(
    to: str, behaviour: MessageBehaviour, now: float, rng: Random, part: int = 0
) -> Plan:
    """Plan every receipt of one message, or part of one (1 and up), that was just taken."""
    receipt = behaviour.receipt
    fate = receipt.parts.get(str(part)) if part else None
    fate = fate or by_prefix(receipt.numbers, to)
    state, code = _parse(fate, receipt) if fate else _draw(receipt, rng)
    if state == "none":
        return Plan("failed", [])
    if hits(rng, behaviour.accept_but_no_receipt_ratio):
        return Plan(state, [])
    return Plan(state, _statements(state, code, receipt, now, rng))


def _draw(receipt: ReceiptBehaviour, rng: Random) -> tuple[str, str]:
    if receipt.delivered_ratio >= 1 or hits(rng, receipt.delivered_ratio):
        return "delivered", DELIVERED_CODE
    if hits(rng, receipt.unknown_code_ratio):
        return receipt.fail_state, unknown_code(rng)
    return receipt.fail_state, receipt.fail_code


def unknown_code(rng: Random) -> str:
    """Draw a code that no table has: a number of three digits that nobody assigned."""
    return str(rng.randrange(700, 1000))


def _parse(fate: str, receipt: ReceiptBehaviour) -> tuple[str, str]:
    state, _, code = fate.partition(":")
    return state, code or (DELIVERED_CODE if state == "delivered" else receipt.fail_code)


def _statements(
    state: str, code: str, receipt: ReceiptBehaviour, now: float, rng: Random
) -> list[Said]:
    early = hits(rng, receipt.early_ratio)
    delay_s = 0.0 if early else _delay_s(receipt, rng)
    said = [Said(now + delay_s, state, code, early)]
    if hits(rng, receipt.buffered_ratio):
        before_s = _delay_s(receipt, rng) if receipt.reorder else delay_s / 3
        said.insert(0, Said(now + before_s, "buffered", DELIVERED_CODE, early))
    if hits(rng, receipt.duplicate_ratio):
        again = now + delay_s + receipt.duplicate_after_ms.draw_s(rng)
        said.append(Said(again, state, code))
    if hits(rng, receipt.contradict_ratio):
        again = now + delay_s + receipt.duplicate_after_ms.draw_s(rng)
        said.append(Said(again, *_opposite(state, receipt)))
    return said


def _delay_s(receipt: ReceiptBehaviour, rng: Random) -> float:
    delay_s = receipt.delay_ms.draw_s(rng)
    return delay_s * rng.uniform(0, 2) if receipt.reorder else delay_s


def _opposite(state: str, receipt: ReceiptBehaviour) -> tuple[ReceiptState, str]:
    if state == "delivered":
        return receipt.fail_state, receipt.fail_code
    return "delivered", DELIVERED_CODE
