"""A call from order to outcome: what is kept of it, and what the callback says."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import to_json

from yizhan_simulators.clock import iso


class CallOrder(NamedTuple):  # also a row of the journal: add fields at the end only
    """One call as it was ordered, whatever the protocol."""

    ref: str
    to: str
    language: str
    script: str
    callback: str


class Call(NamedTuple):  # also a row of the journal: add fields at the end only
    """A call the provider took, and when it will say what of it."""

    order: CallOrder
    call_id: str
    outcome: str
    code: str
    duration_s: float
    due: tuple[float, ...]
    early: bool


class CallReport(NamedTuple):
    """One callback on its way; `number` tells a call's callbacks apart."""

    provider: str
    generation: int
    number: int
    due: float
    call: Call

    @property
    def callback(self) -> str:
        return self.call.order.callback


def encode_report(reports: Sequence[CallReport]) -> bytes:
    """Write the body of a call's callback: one call a POST."""
    (report,) = reports
    call = report.call
    return to_json(
        {
            "id": call.call_id,
            "ref": call.order.ref,
            "outcome": call.outcome,
            "code": call.code,
            "at": iso(report.due),
            "duration_s": call.duration_s,
        }
    )
