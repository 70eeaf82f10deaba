"""What all channels of the process share on the way of an attempt."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from carrier_adapter.domain.claims import Claim
from carrier_adapter.domain.holds import hold_of
from carrier_adapter.receiving.remembered import RememberedIds
from carrier_adapter.sending.facts import FactWriter
from carrier_adapter.sending.flight import Flight
from carrier_adapter.sending.inquiry import Directory, Inquiry
from yizhan_runtime.gathering import Gathering
from yizhan_telecom.holds import Holds


@dataclass(frozen=True)
class Desk:
    """``incarnation`` names this process, and is on every claim that it makes."""

    incarnation: str
    claims: Gathering[Claim, Collection[str]]
    inquiry: Inquiry
    writer: FactWriter
    remembered: RememberedIds
    directory: Directory
    holds: Holds
    hold_back: Callable[[Flight], None]
    """Set a held flight aside, or cancel it."""
    put_off: Callable[[Flight], None]
    """Set a flight aside that has come back before its turn."""

    def is_held(self, flight: Flight) -> bool:
        """Tell whether a flight is under a hold: looked at before every claim."""
        return hold_of(self.holds, flight.plan) is not None
