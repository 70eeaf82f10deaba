"""Leases in this process's hands."""

import asyncio
from dataclasses import dataclass

from ingest.quota.wallet import OpenLease, PackageKind

Pot = tuple[str, PackageKind]
"""An account and one kind of package."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How leases are taken. ``grace_s`` passes between a lease's last use and its recovery."""

    lease_s: float = 60.0
    grace_s: float = 120.0
    min_block: int = 50
    max_block: int = 10_000


DEFAULT_TERMS = Terms()


class Lease:
    """An open lease of this process."""

    __slots__ = ("flying", "is_unsure", "open", "usable_until", "used")

    def __init__(self, lease: OpenLease, usable_until: float) -> None:
        self.open = lease
        self.used = 0
        self.usable_until = usable_until
        self.flying = 0
        """Payments of which it is not known yet whether their inputs are stored."""
        self.is_unsure = False
        """An input may have been stored or not: only the store can tell what was used."""

    @property
    def left(self) -> int:
        return self.open.granted - self.used


class Holding:
    """This process's part of one pot."""

    __slots__ = ("block", "leases", "lock", "refused_until", "taken", "taken_at", "waiting")

    def __init__(self, block: int) -> None:
        self.leases: list[Lease] = []
        self.block = block
        self.taken = 0
        self.waiting = 0
        """Units that rounds are short of: one lease is to be good for all of them."""
        self.taken_at = float("-inf")
        self.refused_until = float("-inf")
        self.lock = asyncio.Lock()

    def payer(self, units: int, now: float) -> Lease | None:
        for lease in self.leases:
            if lease.open.granted - lease.used >= units and now < lease.usable_until:
                return lease
        return None
