"""What an account has bought and has left, as it stands in its wallet. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ingest.codes import Code, Refusal

MARKETING = "marketing"
E4 = 10_000
"""Money is counted in ten-thousandths of the currency's unit: calls cost less than a cent."""


class PackageKind(StrEnum):
    """Packages of different kinds are never exchanged for each other. Counted in chargingNum."""

    DOMESTIC = "domestic"
    INTERNATIONAL = "international"
    DOMESTIC_MARKETING = "domestic-marketing"
    INTERNATIONAL_MARKETING = "international-marketing"


_AT_HOME = {True: PackageKind.DOMESTIC, False: PackageKind.INTERNATIONAL}
_MARKETING = {
    PackageKind.DOMESTIC: PackageKind.DOMESTIC_MARKETING,
    PackageKind.INTERNATIONAL: PackageKind.INTERNATIONAL_MARKETING,
}
_PLAIN = {marketing: plain for plain, marketing in _MARKETING.items()}


def kind_for(home_region: str, country: str, category: str) -> PackageKind:
    """Say which package pays. Domestic is the account's home region alone: for CN not HK, MO, TW.

    Notifications and verification codes share packages; marketing has its own.
    """
    plain = _AT_HOME[country == home_region]
    return _MARKETING[plain] if category == MARKETING else plain


@dataclass(frozen=True, slots=True)
class OpenLease:
    """A block of quota that one process may spend until ``until``.

    From ``dead_at`` on, which is long after, anybody closes it.
    """

    lease_id: str
    account_id: str
    kind: PackageKind
    owner: str
    granted: int
    taken_at: datetime
    until: datetime
    dead_at: datetime


@dataclass(frozen=True, slots=True)
class Package:
    """One kind's quota: ``bought + returned = left + spent + what open leases hold``."""

    bought: int = 0
    left: int = 0
    spent: int = 0
    returned: int = 0
    leases: tuple[OpenLease, ...] = ()

    @property
    def leased(self) -> int:
        """Give what open leases hold, spent or not."""
        return sum(lease.granted for lease in self.leases)

    @property
    def unspent(self) -> int:
        """Give what is not known to be spent: it only sinks, but for purchases and returns."""
        return self.left + self.leased


@dataclass(frozen=True, slots=True)
class Notice:
    """A threshold that was crossed, for the ``number``-th time, and is perhaps not told yet."""

    mark: str
    number: int
    left: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Wallet:
    """An account's packages and balance."""

    account_id: str
    balance_e4: int = 0
    currency: str = "CNY"
    packages: Mapping[PackageKind, Package] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    """Thresholds that are crossed and claimed."""
    notices: tuple[Notice, ...] = ()

    def package(self, kind: PackageKind) -> Package:
        return self.packages.get(kind, Package())

    def refusals(self, kind: PackageKind, units: int) -> tuple[Refusal, ...]:
        """Say which condition fails for a message of so many units: package, balance or both."""
        refusals = []
        if self.package(kind).left < units:
            refusals.append(self._package_refusal(kind, units))
        if self.balance_e4 <= 0:
            refusals.append(Refusal(Code.BALANCE_EMPTY))
        return tuple(refusals)

    def _package_refusal(self, kind: PackageKind, units: int) -> Refusal:
        plain = _PLAIN.get(kind)
        if plain is not None and not self.package(kind).bought and self.package(plain).left:
            detail = f"There is a {plain} package, and none for marketing."
            return Refusal(Code.PACKAGE_NOT_FOR_MARKETING, "template", detail)
        return Refusal(Code.PACKAGE_EMPTY, detail=f"The {kind} package has no {units} left.")


def wallet_of(document: Mapping[str, Any]) -> Wallet:
    """Read a wallet; kinds of a newer version are ignored."""
    account_id = document["_id"]
    packages = {
        PackageKind(kind): _package_of(account_id, PackageKind(kind), package)
        for kind, package in document["packages"].items()
        if kind in set(PackageKind)
    }
    return Wallet(
        account_id,
        document["balance_e4"],
        document["currency"],
        packages,
        frozenset(document.get("told", ())),
        tuple(
            Notice(one["mark"], one["number"], one["left"], one["at"])
            for one in document.get("notices", ())
        ),
    )


def _package_of(account_id: str, kind: PackageKind, document: Mapping[str, Any]) -> Package:
    leases = tuple(
        OpenLease(
            one["_id"],
            account_id,
            kind,
            one["owner"],
            one["granted"],
            one["taken_at"],
            one["until"],
            one["dead_at"],
        )
        for one in document.get("leases", ())
    )
    return Package(
        document.get("bought", 0),
        document.get("left", 0),
        document.get("spent", 0),
        document.get("returned", 0),
        leases,
    )
