"""Ports in memory, with the ways in which the real ones fail."""

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ingest.content.checking import ContentRules
from ingest.optouts.domain import Stop, Who
from ingest.ports import Input, Mark
from ingest.quota.ports import Paid
from ingest.quota.purse import Purse
from ingest.quota.wallet import OpenLease, Package, PackageKind, Wallet
from ingest.requests.many import Answer
from yizhan_contracts.events import Event, MessageAccepted, OriginKind, ShipmentAnswered
from yizhan_runtime.errors import Retryable

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeClock:
    """Stands still until it is turned."""

    def __init__(self, now: datetime = NOON) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOON).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)
        await asyncio.sleep(0)

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class FakeInputs:
    """Keeps inputs; ``rival`` stores one between somebody's look and write."""

    def __init__(self) -> None:
        self.stored: dict[str, Input] = {}
        self.done: set[str] = set()
        self.away = False
        self.rivals: list[Input] = []
        self.adds: list[int] = []

    def _check(self) -> None:
        if self.away:
            raise Retryable("the store is away")

    async def find(self, input_ids: Collection[str]) -> Mapping[str, Input]:
        self._check()
        await asyncio.sleep(0)
        return {name: self.stored[name] for name in input_ids if name in self.stored}

    async def add(self, inputs: Sequence[Input]) -> Collection[str]:
        self._check()
        await asyncio.sleep(0)
        self.stored.update({rival.input_id: rival for rival in self.rivals})
        self.rivals.clear()
        existing = {item.input_id for item in inputs if item.input_id in self.stored}
        self.stored.update({i.input_id: i for i in inputs if i.input_id not in existing})
        self.adds.append(len(inputs))
        return existing

    async def add_done(self, input_ids: Sequence[str]) -> None:
        self._check()
        self.done.update(input_ids)

    async def find_done(self, input_ids: Collection[str]) -> Collection[str]:
        return self.done & set(input_ids)

    async def paid_by(self, leases: Sequence[OpenLease]) -> Sequence[Paid]:
        self._check()
        await asyncio.sleep(0)
        names = {lease.lease_id for lease in leases}
        return [
            Paid(
                name,
                item.lease,
                item.message.charging_num,
                item.message.origin.kind is OriginKind.API,
            )
            for name, item in self.stored.items()
            if item.lease in names
        ]

    async def forget(self, input_ids: Collection[str]) -> None:
        for name in input_ids:
            self.stored.pop(name, None)

    async def find_message(self, message_id: str) -> Input | None:
        self._check()
        return next((i for i in self.stored.values() if i.message.message_id == message_id), None)

    async def drop_before(self, message_id: str, limit: int) -> int:
        old = [n for n, i in self.stored.items() if i.message.message_id < message_id][:limit]
        for name in old:
            del self.stored[name]
            self.done.discard(name)
        return len(old)


class FakeAnswers:
    """Keeps answers."""

    def __init__(self) -> None:
        self.stored: dict[str, Answer] = {}
        self.away = False

    async def find(self, answer_id: str) -> Answer | None:
        await asyncio.sleep(0)
        if self.away:
            raise Retryable("the store is away")
        return self.stored.get(answer_id)

    async def add(self, answer: Answer) -> bool:
        await asyncio.sleep(0)
        if self.away:
            raise Retryable("the store is away")
        return self.stored.setdefault(answer.answer_id, answer) is answer


class FakeMarks:
    def __init__(self) -> None:
        self.stored: dict[str, Mark] = {}
        self.rivals: list[Mark] = []

    async def find(self, mark_ids: Collection[str]) -> Mapping[str, Mark]:
        return {name: self.stored[name] for name in mark_ids if name in self.stored}

    async def add(self, marks: Sequence[Mark]) -> Collection[str]:
        self.stored.update({rival.mark_id: rival for rival in self.rivals})
        self.rivals.clear()
        existing = {mark.mark_id for mark in marks if mark.mark_id in self.stored}
        self.stored.update({m.mark_id: m for m in marks if m.mark_id not in existing})
        return existing


class FakeStops:
    """Who wants no messages, by account and number."""

    def __init__(self) -> None:
        self.stopped: dict[Who, tuple[Stop, ...]] = {}

    async def find(self, wanted: Collection[Who]) -> Mapping[Who, tuple[Stop, ...]]:
        await asyncio.sleep(0)
        return {who: self.stopped[who] for who in wanted if who in self.stopped}


class FakeContent:
    """The word lists that a test puts in force."""

    def __init__(self) -> None:
        self.current = ContentRules()


class FakePublisher:
    """Keeps what was published; is away for the next ``failures`` publishes."""

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.publishes = 0
        self.failures = 0
        self.gate: asyncio.Event | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise Retryable("Kafka did not acknowledge in time")
        self.publishes += bool(events)
        self.published.extend(events)

    def messages(self) -> list[MessageAccepted]:
        return [event for event in self.published if isinstance(event, MessageAccepted)]

    def answers(self) -> list[ShipmentAnswered]:
        return [event for event in self.published if isinstance(event, ShipmentAnswered)]


class FakeWallets:
    """Wallets in memory; the purse that it is given to sees what changes."""

    def __init__(self, *wallets: Wallet) -> None:
        self.stored = {wallet.account_id: wallet for wallet in wallets}
        self.watchers: list[Callable[[Wallet], None]] = []
        self.away = False
        self.updates = 0
        self.numbers = itertools.count(1)

    async def take_lease(self, asked: OpenLease, need: int, least: int) -> OpenLease | None:
        await self._answer()
        wallet = self.stored.get(asked.account_id)
        package = wallet.package(asked.kind) if wallet is not None else Package()
        granted = min(package.left, max(need, min(asked.granted, package.left // 8)))
        if wallet is None or wallet.balance_e4 <= 0 or package.left < max(least, 1) or not granted:
            return None
        lease = replace(asked, granted=granted)
        leases = (*package.leases, lease)
        self.put(wallet, asked.kind, replace(package, left=package.left - granted, leases=leases))
        return lease

    async def close_lease(self, lease: OpenLease, used: int) -> bool:
        await self._answer()
        wallet = self.stored[lease.account_id]
        package = wallet.package(lease.kind)
        leases = tuple(one for one in package.leases if one.lease_id != lease.lease_id)
        if leases == package.leases:
            return False
        left, spent = package.left + lease.granted - used, package.spent + used
        self.put(wallet, lease.kind, replace(package, left=left, spent=spent, leases=leases))
        return True

    async def charge(self, account_id: str, kind: PackageKind, units: int) -> bool:
        await self._answer()
        wallet = self.stored[account_id]
        package = wallet.package(kind)
        if package.left < units:
            return False
        spent = package.spent + units
        self.put(wallet, kind, replace(package, left=package.left - units, spent=spent))
        return True

    async def is_open(self, account_id: str, kind: PackageKind, lease_id: str) -> bool:
        await self._answer()
        leases = self.stored[account_id].package(kind).leases
        return any(lease.lease_id == lease_id for lease in leases)

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise Retryable("the wallets are away")
        self.updates += 1

    def put(self, wallet: Wallet, kind: PackageKind, package: Package) -> None:
        self.show(replace(wallet, packages={**wallet.packages, kind: package}))

    def show(self, wallet: Wallet) -> None:
        self.stored[wallet.account_id] = wallet
        for watcher in self.watchers:
            watcher(wallet)


def make_purse(wallets: FakeWallets, inputs: FakeInputs, clock: FakeClock) -> Purse:
    """A purse on wallets and inputs in memory."""
    purse = Purse(wallets, inputs, clock, owner="here", draw_id=lambda: f"l{next(wallets.numbers)}")
    wallets.watchers.append(purse.put_wallet)
    for wallet in wallets.stored.values():
        purse.put_wallet(wallet)
    return purse


def rich_purse(inputs: FakeInputs, clock: FakeClock) -> Purse:
    """A purse that the usual accounts never empty."""
    plenty = {kind: Package(bought=10**9, left=10**9) for kind in PackageKind}
    accounts = ("shop", "other", "waiting", "bench")
    wallets = [Wallet(account, balance_e4=1, packages=plenty) for account in accounts]
    return make_purse(FakeWallets(*wallets), inputs, clock)


def counting_bits() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number
