"""The wallets that accounts begin with, from the accounts file."""

from collections.abc import Iterable

from ingest.catalogue import Account
from ingest.quota.mongo import MongoWallets
from ingest.quota.wallet import E4, Package, Wallet

SEED = "seed"


async def seed(wallets: MongoWallets, accounts: Iterable[Account]) -> None:
    """Open the wallets that are not there. One that is there is left alone: it is money."""
    await wallets.open([wallet_for(account) for account in accounts], SEED, "file")


def wallet_for(account: Account) -> Wallet:
    """Say what an account's wallet begins with."""
    packages = {kind: Package(bought=units) for kind, units in account.packages.items()}
    return Wallet(account.id, int(account.balance * E4), account.currency, packages)
