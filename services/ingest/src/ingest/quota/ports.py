"""What quota needs of its stores. Every method raises Retryable while the store is away."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.ports import Input
from ingest.quota.wallet import Notice, OpenLease, PackageKind


@dataclass(frozen=True, slots=True)
class Paid:
    """An input that a lease paid for."""

    input_id: str
    lease_id: str
    units: int
    is_request: bool
    """It came over HTTP: nobody reads it again as an event is read again."""


class Wallets(Protocol):
    """Wallets and their leases. Each method that writes is one conditional update.

    Whoever watches them sees the wallet that a method wrote or found before the method returns.
    """

    async def take_lease(self, asked: OpenLease, need: int, least: int) -> OpenLease | None:
        """Take up to ``asked.granted``, and ``need`` if that is more, of what is left.

        Gives the lease with what was granted; None where less than ``least`` is left or the
        balance is not above zero.
        """
        ...

    async def close_lease(self, lease: OpenLease, used: int) -> bool:
        """Give back what was not used. False: it was closed already, and nothing changed."""
        ...

    async def charge(self, account_id: str, kind: PackageKind, units: int) -> bool:
        """Spend without a lease, if so much is left."""
        ...

    async def is_open(self, account_id: str, kind: PackageKind, lease_id: str) -> bool: ...


class Notices(Protocol):
    """Which thresholds were crossed and told; kept in the wallet."""

    async def claim(self, account_id: str, mark: str, left: float) -> Notice | None:
        """Claim a crossing. None: somebody else did."""
        ...

    async def told(self, account_id: str, number: int) -> None: ...

    async def rearm(self, account_id: str, mark: str) -> None:
        """Let a threshold be crossed again."""
        ...


class PaidInputs(Protocol):
    """The inputs, seen by what paid for them."""

    async def paid_by(self, leases: Sequence[OpenLease]) -> Sequence[Paid]:
        """Find all that these leases paid for."""
        ...

    async def find(self, input_ids: Collection[str]) -> Mapping[str, Input]: ...

    async def add_done(self, input_ids: Sequence[str]) -> None: ...

    async def find_done(self, input_ids: Collection[str]) -> Collection[str]: ...

    async def forget(self, input_ids: Collection[str]) -> None: ...
