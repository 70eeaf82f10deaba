"""Reminders: each crossing is told once, also after a crash."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from services.ingest.tests.unit.fakes import FakeClock, FakePublisher

from ingest.accounts.plan import Plan
from ingest.catalogue import Account, AccountState
from ingest.quota.reminding import Reminding
from ingest.quota.wallet import E4, Notice, Package, PackageKind, Wallet
from yizhan_contracts.events import AccountNotified, NoticeKind
from yizhan_runtime.errors import Retryable

PLAN = Plan(remind_at=(100, 10), remind_balance_at=(Decimal("5.00"),))


class World:
    """A wallet, and what is told of it."""

    def __init__(self, left: int, balance: int = 50) -> None:
        package = Package(bought=1000, left=left)
        kinds = {PackageKind.DOMESTIC: package, PackageKind.INTERNATIONAL: Package()}
        self.wallet = Wallet("shop", balance * E4, "CNY", kinds)
        self.crossings = 0
        self.publisher = FakePublisher()
        self.clock = FakeClock()
        self.reminding = Reminding(self, self, self.publisher, self.clock)

    def account(self, account_id: str) -> Account | None:
        return Account(id=account_id, name="A", state=AccountState.VERIFIED, sender="A", plan=PLAN)

    async def claim(self, account_id: str, mark: str, left: float) -> Notice | None:
        if mark in self.wallet.told:
            return None
        notice = Notice(mark, self.crossings, left, self.clock.now())
        self.crossings += 1
        told = self.wallet.told | {mark}
        self.show(replace(self.wallet, told=told, notices=(*self.wallet.notices, notice)))
        return notice

    async def told(self, account_id: str, number: int) -> None:
        kept = tuple(one for one in self.wallet.notices if one.number != number)
        self.show(replace(self.wallet, notices=kept))

    async def rearm(self, account_id: str, mark: str) -> None:
        self.show(replace(self.wallet, told=self.wallet.told - {mark}))

    def show(self, wallet: Wallet) -> None:
        self.wallet = wallet
        self.reminding.see(wallet)

    async def becomes(self, left: int, balance: int = 50) -> Sequence[str]:
        """Change what is left; give the ids of what is told now."""
        before = len(self.publisher.published)
        domestic = Package(bought=1000, left=left)
        kinds = {**self.wallet.packages, PackageKind.DOMESTIC: domestic}
        self.show(replace(self.wallet, balance_e4=balance * E4, packages=kinds))
        await self.reminding.look()
        new = self.publisher.published[before:]
        return [one.notice_id for one in new if isinstance(one, AccountNotified)]


async def test_each_crossing_is_told_once_and_again_after_a_purchase() -> None:
    world = World(1000)
    assert await world.becomes(101) == []
    assert await world.becomes(100) == ["shop.domestic.100.0"]
    assert await world.becomes(50) == []
    assert await world.becomes(3, balance=5) == ["shop.domestic.10.1", "shop.balance.5.2"]
    assert await world.becomes(900) == []
    assert await world.becomes(9) == ["shop.domestic.100.3", "shop.domestic.10.4"]
    assert world.wallet.notices == ()
    assert len(world.publisher.published) == 5
    first = world.publisher.published[0]
    assert isinstance(first, AccountNotified)
    assert (first.kind, first.package, first.left) == (NoticeKind.PACKAGE_LOW, "domestic", 100)


async def test_what_a_crash_left_untold_is_told_under_the_same_id() -> None:
    world = World(1000)
    world.publisher.failures = 1
    with pytest.raises(Retryable):
        await world.becomes(100)
    assert world.publisher.published == []
    world.clock.turn(timedelta(minutes=1).total_seconds())
    assert await world.becomes(99) == ["shop.domestic.100.0"]
    assert await world.becomes(98) == []


async def test_what_somebody_else_claimed_is_not_told_twice() -> None:
    world = World(1000)
    stale = replace(world.wallet, packages={PackageKind.DOMESTIC: Package(bought=1000, left=5)})
    assert await world.becomes(100) == ["shop.domestic.100.0"]
    world.reminding.see(stale)
    await world.reminding.look()
    assert [one.mark for one in world.wallet.notices] == []
    assert len(world.publisher.published) == 2
