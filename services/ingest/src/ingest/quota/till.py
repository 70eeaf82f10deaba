"""The payments of one round of requests, or of one batch of events."""

from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ingest.codes import Code, Refusal
from ingest.quota.leases import Holding, Lease, Pot
from ingest.quota.wallet import PackageKind, kind_for
from yizhan_contracts.events import MessageAccepted
from yizhan_runtime.errors import Retryable

if TYPE_CHECKING:
    from ingest.quota.purse import Purse

_REFILLS = 20


@dataclass(slots=True)
class _Shortage:
    seen: int
    """How many leases there had been when it was noticed."""
    need: int = 0
    least: int = 1_000_000


class Till:
    """The payments of one round, until what they paid for is stored and, if need be, published.

    Left by an exception it takes them back or, once storing has begun, leaves it to the store to
    tell what was used.
    """

    def __init__(self, purse: "Purse") -> None:
        self._purse = purse
        self._now = purse.now()
        self._paid: dict[str, tuple[Lease, int]] = {}
        self._short: dict[Pot, _Shortage] = {}
        self._is_storing = False
        self._refills = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_storing:
            self.cancel()
        for lease, _ in self._paid.values():
            lease.flying -= 1
            lease.is_unsure = lease.is_unsure or error is not None
        self._paid.clear()

    def charge(
        self, input_id: str, message: MessageAccepted, home_region: str
    ) -> str | tuple[Refusal, ...]:
        """Pay for a message, if it costs anything: what is a test does not. As ``pay``."""
        if message.test:
            return ""
        category = message.template.category if message.template is not None else ""
        kind = kind_for(home_region, message.country, category)
        return self.pay(input_id, message.account_id, kind, message.charging_num)

    def pay(
        self, input_id: str, account_id: str, kind: PackageKind, units: int
    ) -> str | tuple[Refusal, ...]:
        """Pay for an input; give the lease's id, or why not.

        An empty tuple says that nothing is known yet: ``refill``, ``cancel`` and pay again.
        """
        holding = self._purse.holding((account_id, kind))
        lease = holding.payer(units, self._now)
        if lease is None or account_id in self._purse.broke:
            return self._unpaid(holding, account_id, kind, units)
        lease.used += units
        lease.flying += 1
        self._paid[input_id] = (lease, units)
        if lease.left * 4 < lease.open.granted and lease is holding.leases[-1]:
            self._purse.want((account_id, kind))
        return lease.open.lease_id

    def _unpaid(
        self, holding: Holding, account_id: str, kind: PackageKind, units: int
    ) -> tuple[Refusal, ...]:
        if self._now < holding.refused_until:
            wallet = self._purse.wallet(account_id)
            return wallet.refusals(kind, units) or (Refusal(Code.PACKAGE_EMPTY),)
        short = self._short.setdefault((account_id, kind), _Shortage(holding.taken))
        short.need += units
        short.least = min(short.least, units)
        return ()

    async def refill(self) -> bool:
        """Take leases for what was short, and payments back; False if nothing was short.

        Raises Retryable.
        """
        short = self._short
        if not short:
            return False
        self.cancel()
        self._refills += 1
        if self._refills > _REFILLS:
            raise Retryable("other rounds are always quicker to spend what was leased")
        for pot, shortage in short.items():
            await self._purse.take(pot, shortage.need, shortage.least, shortage.seen)
        self._now = self._purse.now()
        return True

    def cancel(self) -> None:
        """Take every payment back: nothing was stored."""
        for lease, units in self._paid.values():
            lease.used -= units
            lease.flying -= 1
        self._paid.clear()
        self._short = {}

    def storing(self) -> None:
        """Say that inputs are about to be stored."""
        self._is_storing = True

    async def settle(self, existing: Collection[str]) -> None:
        """Say that all is stored; what was there already was paid before."""
        for input_id in existing:
            if (paid := self._paid.pop(input_id, None)) is not None:
                paid[0].used -= paid[1]
                paid[0].flying -= 1
        if self._purse.is_late(self._now):
            await self._purse.check(self._paid)
