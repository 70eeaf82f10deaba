"""Wallets in MongoDB: one document an account, each change one conditional update of it.

{_id, version, changed_at, balance_e4, currency, entries: [...],
 packages: {<kind>: {bought, left, spent, returned, leases: [...], purchases: [...]}}}
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ingest.quota.wallet import Notice, OpenLease, PackageKind, Wallet, wallet_of
from yizhan_runtime.clock import Clock
from yizhan_runtime.feed import Feed
from yizhan_runtime.mongo import Document, Mongo

WALLETS = "wallets"
_SHARE = 8
"""A lease takes no more than this part of what is left, beyond what is needed at once."""
_KEPT = 1000
"""Purchases and entries that a wallet remembers; a repeat of an older one would count again."""


class MongoWallets:
    """Implements ``ports.Wallets``. ``feed`` must be loaded and running."""

    def __init__(self, mongo: Mongo, clock: Clock) -> None:
        self._mongo = mongo
        self._clock = clock
        self._watchers: list[Callable[[Wallet], None]] = []
        self.feed = Feed(mongo, WALLETS, self._show, clock)

    def watch(self, watcher: Callable[[Wallet], None]) -> None:
        """Show every wallet, and each change of one."""
        self._watchers.append(watcher)

    def _show(self, document: Document) -> None:
        wallet = wallet_of(document)
        for watcher in self._watchers:
            watcher(wallet)

    async def take_lease(self, asked: OpenLease, need: int, least: int) -> OpenLease | None:
        package = f"packages.{asked.kind}"
        query = {
            "_id": asked.account_id,
            "balance_e4": {"$gt": 0},
            f"{package}.left": {"$gte": max(least, 1)},
        }
        update = _lease_update(asked, need, self._clock.now())
        document = await self._mongo.find_one_and_update(WALLETS, query, update)
        if document is None:
            await self.find(asked.account_id)  # it shows what is missing
            return None
        leases = self._seen(document).package(asked.kind).leases
        taken = next((one for one in leases if one.lease_id == asked.lease_id), None)
        return taken if taken is not None and taken.granted else None

    async def close_lease(self, lease: OpenLease, used: int) -> bool:
        package = f"packages.{lease.kind}"
        update = {
            "$pull": {f"{package}.leases": {"_id": lease.lease_id}},
            "$inc": {f"{package}.left": lease.granted - used, f"{package}.spent": used},
        }
        query = {"_id": lease.account_id, f"{package}.leases._id": lease.lease_id}
        return await self._write(query, update) is not None

    async def charge(self, account_id: str, kind: PackageKind, units: int) -> bool:
        package = f"packages.{kind}"
        query = {"_id": account_id, f"{package}.left": {"$gte": units}}
        update = {"$inc": {f"{package}.left": -units, f"{package}.spent": units}}
        return await self._write(query, update) is not None

    async def is_open(self, account_id: str, kind: PackageKind, lease_id: str) -> bool:
        query = {"_id": account_id, f"packages.{kind}.leases._id": lease_id}
        return bool(await self._mongo.find(WALLETS, query, fields=["_id"]))

    async def find(self, account_id: str) -> Wallet | None:
        """Load one wallet."""
        found = await self._mongo.find_by_ids(WALLETS, [account_id])
        return self._seen(found[account_id]) if account_id in found else None

    async def open(self, wallets: Sequence[Wallet], entry_id: str, by: str) -> None:
        """Make those that are not there, with what they begin with."""
        now = self._clock.now()
        await self._mongo.insert_new(WALLETS, [_new(one, entry_id, by, now) for one in wallets])
        await self.feed.refresh()

    async def buy(
        self, account_id: str, kind: PackageKind, units: int, purchase_id: str, by: str
    ) -> Wallet | None:
        """Add to a package; None if this purchase is in it already."""
        package = f"packages.{kind}"
        entry = _entry(purchase_id, by, self._clock.now(), units=units)
        query = {"_id": account_id, f"{package}.purchases._id": {"$ne": purchase_id}}
        update = {
            "$inc": {f"{package}.left": units, f"{package}.bought": units},
            "$push": {f"{package}.purchases": {"$each": [entry], "$slice": -_KEPT}},
        }
        return await self._write(query, update)

    async def purchased(self, account_id: str, kind: PackageKind, purchase_id: str) -> int:
        """Say how much a purchase was, 0 for none."""
        return await self._amount(account_id, ("packages", kind, "purchases"), purchase_id, "units")

    async def book(self, account_id: str, amount_e4: int, entry_id: str, by: str) -> Wallet | None:
        """Add to the balance, or take from it; None if this entry is booked already."""
        entry = _entry(entry_id, by, self._clock.now(), amount_e4=amount_e4)
        query = {"_id": account_id, "entries._id": {"$ne": entry_id}}
        update = {
            "$inc": {"balance_e4": amount_e4},
            "$push": {"entries": {"$each": [entry], "$slice": -_KEPT}},
        }
        return await self._write(query, update)

    async def booked(self, account_id: str, entry_id: str) -> int:
        """Say how much an entry was, 0 for none."""
        return await self._amount(account_id, ("entries",), entry_id, "amount_e4")

    async def _amount(self, account_id: str, path: Sequence[str], entry_id: str, field: str) -> int:
        found: Any = await self._mongo.find_by_ids(WALLETS, [account_id])
        for step in (account_id, *path):
            found = found.get(step, {})
        return next((int(one[field]) for one in found or () if one["_id"] == entry_id), 0)

    async def set_returned(self, day: tuple[str, PackageKind, str], units: int) -> None:
        """Take the difference to what was taken for that day; not below zero, and then later."""
        account_id, kind, date = day
        package = f"packages.{kind}"
        found = await self._mongo.find_by_ids(WALLETS, [account_id])
        known: Any = found.get(account_id, {})
        for step in ("packages", kind, "days"):
            known = known.get(step, {})
        before = known.get(date, 0)
        if units == before or account_id not in found:
            return
        query = {
            "_id": account_id,
            f"{package}.days.{date}": before if date in known else {"$exists": False},
            f"{package}.left": {"$gte": before - units},
        }
        delta = units - before
        update = {
            "$inc": {f"{package}.left": delta, f"{package}.returned": delta},
            "$set": {f"{package}.days.{date}": units},
        }
        await self._write(query, update)

    async def claim(self, account_id: str, mark: str, left: float) -> Notice | None:
        now = self._clock.now()
        notice = {"mark": mark, "number": {"$ifNull": ["$crossings", 0]}, "left": left, "at": now}
        update = {
            "told": _appended("$told", mark),
            "notices": _appended("$notices", notice),
            "crossings": {"$add": [{"$ifNull": ["$crossings", 0]}, 1]},
            "version": {"$add": ["$version", 1]},
            "changed_at": now,
        }
        query = {"_id": account_id, "told": {"$ne": mark}}
        document = await self._mongo.find_one_and_update(WALLETS, query, [{"$set": update}])
        if document is None:
            return None
        mine = [notice for notice in self._seen(document).notices if notice.mark == mark]
        return mine[-1]

    async def told(self, account_id: str, number: int) -> None:
        await self._write({"_id": account_id}, {"$pull": {"notices": {"number": number}}})

    async def rearm(self, account_id: str, mark: str) -> None:
        await self._write({"_id": account_id, "told": mark}, {"$pull": {"told": mark}})

    async def _write(self, query: Mapping[str, Any], update: Mapping[str, Any]) -> Wallet | None:
        full = {
            **update,
            "$inc": {**update.get("$inc", {}), "version": 1},
            "$set": {**update.get("$set", {}), "changed_at": self._clock.now()},
        }
        document = await self._mongo.find_one_and_update(WALLETS, query, full)
        return self._seen(document) if document is not None else None

    def _seen(self, document: Document) -> Wallet:
        self.feed.take(document)
        return wallet_of(document)


def _new(wallet: Wallet, entry_id: str, by: str, now: datetime) -> Document:
    return {
        "_id": wallet.account_id,
        "version": 1,
        "changed_at": now,
        "balance_e4": wallet.balance_e4,
        "currency": wallet.currency,
        "entries": [_entry(entry_id, by, now, amount_e4=wallet.balance_e4)],
        "packages": {
            kind.value: {
                "bought": package.bought,
                "left": package.bought,
                "purchases": [_entry(entry_id, by, now, units=package.bought)],
            }
            for kind, package in wallet.packages.items()
        },
    }


def _lease_update(asked: OpenLease, need: int, now: datetime) -> list[Document]:
    """Move quota into a lease; how much, the server decides on what is left at that moment."""
    package = f"packages.{asked.kind}"
    left = f"${package}.left"
    share = {"$min": [asked.granted, {"$toLong": {"$floor": {"$divide": [left, _SHARE]}}}]}
    granted = {"$min": [left, {"$max": [need, share]}]}
    lease = {
        "_id": asked.lease_id,
        "owner": asked.owner,
        "granted": granted,
        "taken_at": asked.taken_at,
        "until": asked.until,
        "dead_at": asked.dead_at,
    }
    return [
        {
            "$set": {
                f"{package}.leases": _appended(f"${package}.leases", lease),
                f"{package}.left": {"$subtract": [left, granted]},
                "version": {"$add": ["$version", 1]},
                "changed_at": now,
            }
        }
    ]


def _appended(field: str, value: object) -> Document:
    return {"$concatArrays": [{"$ifNull": [field, []]}, [value]]}


def _entry(entry_id: str, by: str, at: datetime, **amount: int) -> Document:
    return {"_id": entry_id, "by": by, "at": at, **amount}
