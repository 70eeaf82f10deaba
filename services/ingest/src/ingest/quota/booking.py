"""Purchases and money: each booked once, by the name that whoever books gives it."""

from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.quota.mongo import MongoWallets
from ingest.quota.wallet import PackageKind, Wallet

BY = "operator"


class Booking:
    """Books on wallets. Every method raises Retryable while MongoDB is away: then repeat it."""

    def __init__(self, wallets: MongoWallets) -> None:
        self._wallets = wallets

    async def load(self, account_id: str) -> Wallet:
        """Give a wallet as it is now, an empty one for none."""
        return await self._wallets.find(account_id) or Wallet(account_id)

    async def buy(self, account_id: str, kind: PackageKind, units: int, purchase_id: str) -> Wallet:
        """Add to a package. Raises RequestRefused where that name bought something else."""
        await self._wallets.open([Wallet(account_id)], BY, BY)
        booked = await self._wallets.buy(account_id, kind, units, purchase_id, BY)
        if booked is None:
            before = await self._wallets.purchased(account_id, kind, purchase_id)
            self._check(before, units, "purchase_id")
        return booked or await self.load(account_id)

    async def book(self, account_id: str, amount_e4: int, entry_id: str) -> Wallet:
        """Add to the balance, or take from it. Raises RequestRefused as ``buy``."""
        await self._wallets.open([Wallet(account_id)], BY, BY)
        booked = await self._wallets.book(account_id, amount_e4, entry_id, BY)
        if booked is None:
            before = await self._wallets.booked(account_id, entry_id)
            self._check(before, amount_e4, "entry_id")
        return booked or await self.load(account_id)

    def _check(self, before: int, now: int, field: str) -> None:
        if before != now:
            raise RequestRefused.of(422, Code.BOOKED_OTHERWISE, field)
