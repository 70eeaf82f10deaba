"""What is handed to a carrier and what it owes for it: the rows of its journal."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import to_json

from yizhan_simulators.carriers.receipts import WANTS_ALL, Plan
from yizhan_simulators.clock import iso


class Submission(NamedTuple):  # also a row of the journal: add fields at the end only
    """One message as it was handed over, whatever the protocol."""

    ref: str
    to: str
    sender: str
    text: str
    validity_s: float
    callback: str
    wants: int = WANTS_ALL
    reference: int = 0
    """With `total` above 1: what the parts of a message have in common; `number` is from 1."""
    number: int = 1
    total: int = 1
    tag: int = 0
    """The optional parameter of SMPP in which `ref` came; receipts echo it there."""


class Accepted(NamedTuple):  # also a row of the journal: add fields at the end only
    """A message the carrier took, and what it will say about it."""

    submission: Submission
    country: str
    carrier_message_id: str
    plan: Plan
    echo_ref: bool


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
    sender: str = ""
    tag: int = 0


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
