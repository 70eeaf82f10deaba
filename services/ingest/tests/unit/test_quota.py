"""Leases: what is paid, what comes back, and that a crash anywhere loses and makes nothing."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from services.ingest.tests.unit.fakes import (
    NOON,
    FakeClock,
    FakeInputs,
    FakePublisher,
    FakeWallets,
    make_purse,
)

from ingest.codes import Code
from ingest.metrics import IngestMetrics
from ingest.ports import Input
from ingest.quota.keeper import Keeper
from ingest.quota.leases import Terms
from ingest.quota.purse import Purse
from ingest.quota.wallet import OpenLease, Package, PackageKind, Wallet, kind_for
from yizhan_contracts.events import Lane, MessageAccepted, Origin, OriginKind, Policy
from yizhan_runtime.errors import Retryable

HOME = PackageKind.DOMESTIC
TERMS = Terms()


def wallet(left: int, balance_e4: int = 1, kind: PackageKind = HOME) -> Wallet:
    return Wallet("shop", balance_e4, packages={kind: Package(bought=left, left=left)})


def item(name: str, units: int = 1, origin: OriginKind = OriginKind.API) -> Input:
    message = MessageAccepted(
        message_id=f"{int.from_bytes(name.encode()):032x}",
        account_id="shop",
        lane=Lane.STANDARD,
        recipient="+12015550123",
        country="CN",
        sender="Yizhan",
        text="x",
        charging_num=units,
        policy=Policy(),
        origin=Origin(kind=origin, arrived_at=NOON),
        accepted_at=NOON,
        valid_until=NOON,
    )
    return Input(name, message, NOON)


class World:
    """A process and its stores; ``restart`` loses what is in memory."""

    def __init__(self, left: int, balance_e4: int = 1) -> None:
        self.clock = FakeClock()
        self.inputs = FakeInputs()
        self.publisher = FakePublisher()
        self.wallets = FakeWallets(wallet(left, balance_e4))
        self.bought = left
        self.restart()

    def restart(self) -> None:
        self.wallets.watchers.clear()
        self.purse = make_purse(self.wallets, self.inputs, self.clock)
        self.keeper = Keeper(
            self.purse,
            self.wallets,
            self.inputs,
            self.publisher,
            clock=self.clock,
            metrics=IngestMetrics(CollectorRegistry()),
        )

    async def accept(self, *items: Input) -> list[str]:
        """Do what a round does; give the names of those that were refused."""
        return await accept(self.purse, self.inputs, self.publisher, items)

    async def wait_and_recover(self) -> None:
        self.clock.turn(TERMS.lease_s + TERMS.grace_s + 1)
        await self.keeper.recover_dead()

    @property
    def package(self) -> Package:
        return self.wallets.stored["shop"].package(HOME)

    @property
    def accepted(self) -> int:
        """What was published, each message once."""
        units = {m.message_id: m.charging_num for m in self.publisher.messages()}
        return sum(units.values())

    def check(self) -> None:
        """Everything that was leased is back, and nothing else."""
        assert self.package.leases == ()
        assert self.package.left == self.bought - self.accepted


async def accept(
    purse: Purse, inputs: FakeInputs, publisher: FakePublisher, items: Sequence[Input]
) -> list[str]:
    with purse.open_till() as till:
        while True:
            paid, refused = [], []
            for one in items:
                lease = till.charge(one.input_id, one.message, "CN")
                if isinstance(lease, str):
                    paid.append(replace(one, lease=lease))
                else:
                    refused.append(one.input_id)
            if not await till.refill():
                break
        till.storing()
        existing = await inputs.add(paid)
        await till.settle(existing)
        await publisher.publish([i.message for i in paid if i.input_id not in existing])
    return refused


@pytest.mark.parametrize(
    ("country", "category", "kind"),
    [
        ("CN", "notification", "domestic"),
        ("CN", "verification", "domestic"),
        ("HK", "notification", "international"),
        ("TW", "verification", "international"),
        ("CN", "marketing", "domestic-marketing"),
        ("001", "marketing", "international-marketing"),
    ],
)
def test_the_home_region_alone_is_domestic_and_marketing_is_apart(
    country: str, category: str, kind: str
) -> None:
    assert kind_for("CN", country, category) == kind


def test_each_condition_that_fails_is_told() -> None:
    def codes(one: Wallet, kind: PackageKind = HOME) -> list[Code]:
        return [refusal.code for refusal in one.refusals(kind, 2)]

    assert codes(wallet(2)) == []
    assert codes(wallet(1)) == [Code.PACKAGE_EMPTY]
    assert codes(wallet(2, balance_e4=0)) == [Code.BALANCE_EMPTY]
    assert codes(wallet(0, balance_e4=-5)) == [Code.PACKAGE_EMPTY, Code.BALANCE_EMPTY]
    assert codes(wallet(9), PackageKind.INTERNATIONAL) == [Code.PACKAGE_EMPTY]
    assert codes(wallet(9), PackageKind.DOMESTIC_MARKETING) == [Code.PACKAGE_NOT_FOR_MARKETING]
    abroad = PackageKind.INTERNATIONAL_MARKETING
    assert codes(wallet(9), abroad) == [Code.PACKAGE_EMPTY]


async def test_a_payment_that_a_lease_covers_asks_nobody() -> None:
    world = World(left=100_000)
    await world.accept(item("a"))
    before = world.wallets.updates
    for number in range(TERMS.min_block - 1):
        await world.accept(item(f"n{number}"))
    assert world.wallets.updates == before


async def test_what_is_left_over_goes_to_who_comes_first_and_not_below_zero() -> None:
    world = World(left=5)
    refused = await world.accept(*(item(f"i{n}", units=2) for n in range(4)))
    assert refused == ["i2", "i3"]
    assert await world.accept(item("one-more")) == []
    assert await world.accept(item("too-much")) == ["too-much"]
    await world.keeper.close_all()
    world.check()
    assert world.package.left == 0


async def test_a_round_larger_than_what_is_at_hand_is_filled_up() -> None:
    world = World(left=10_000)
    await world.accept(item("a"))
    await world.accept(*(item(f"n{n}", units=3) for n in range(30)))
    await world.accept(*(item(f"m{n}") for n in range(200)))
    await world.keeper.close_all()
    world.check()
    assert world.package.spent == 291


async def test_without_balance_nothing_is_sent_though_the_lease_has_quota() -> None:
    world = World(left=1000)
    await world.accept(item("a"))
    world.wallets.show(replace(world.wallets.stored["shop"], balance_e4=0))
    assert await world.accept(item("b")) == ["b"]
    world.wallets.show(replace(world.wallets.stored["shop"], balance_e4=1))
    world.clock.turn(1)
    assert await world.accept(item("c")) == []


async def test_a_repeat_pays_once() -> None:
    world = World(left=100)
    await world.accept(item("a", 3))
    await world.accept(item("a", 3))
    await world.keeper.close_all()
    world.check()
    assert world.package.spent == 3


async def test_a_package_that_was_bought_meanwhile_is_seen() -> None:
    world = World(left=0)
    assert await world.accept(item("a")) == ["a"]
    world.wallets.put(world.wallets.stored["shop"], HOME, Package(bought=10, left=10))
    world.clock.turn(1)
    assert await world.accept(item("a")) == []


async def test_a_lease_that_is_old_pays_nothing_more_and_is_given_back() -> None:
    world = World(left=1000)
    await world.accept(item("a"))
    (first,) = world.package.leases
    world.clock.turn(TERMS.lease_s)
    await world.accept(item("b"))
    await world.keeper.close(world.purse.over())
    assert first.lease_id not in {lease.lease_id for lease in world.package.leases}
    await world.keeper.close_all()
    world.check()


async def test_busy_packages_are_leased_ahead_in_larger_blocks() -> None:
    world = World(left=1_000_000)
    task = asyncio.create_task(world.keeper.ahead())
    for number in range(2000):
        await world.accept(item(f"n{number}"))
    updates = world.wallets.updates
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert updates < 12


async def test_when_storing_is_in_doubt_the_store_tells_what_was_used() -> None:
    world = World(left=100)
    add = world.inputs.add

    async def add_and_fail(items: Sequence[Input]) -> None:
        await add(items)
        raise Retryable("no answer")

    world.inputs.add = add_and_fail  # type: ignore[method-assign, assignment]
    with pytest.raises(Retryable):
        await world.accept(item("a", 7))
    await world.keeper.close_all()
    assert world.package.leased
    await world.wait_and_recover()
    assert world.accepted == 7  # it was stored and paid: it is published
    world.check()


def frozen_while_storing(world: World) -> None:
    """Let so much time pass before inputs are stored that their lease is closed."""
    add = world.inputs.add

    async def add_late(inputs: Sequence[Input]) -> Collection[str]:
        world.clock.turn(TERMS.lease_s + TERMS.grace_s + 1)
        await world.keeper.recover_dead()
        return await add(inputs)

    world.inputs.add = add_late  # type: ignore[method-assign]


async def test_a_process_that_was_frozen_past_its_lease_pays_again() -> None:
    world = World(left=100)
    frozen_while_storing(world)
    await world.accept(item("a", 7))
    assert world.package.spent == 7
    world.check()


async def test_what_cannot_be_paid_again_is_unmade() -> None:
    world = World(left=100)
    frozen_while_storing(world)
    recover = world.keeper.recover_dead

    async def recover_and_spend() -> None:
        await recover()
        spent = replace(world.package, left=0, spent=100)
        world.wallets.put(world.wallets.stored["shop"], HOME, spent)

    world.keeper.recover_dead = recover_and_spend  # type: ignore[method-assign]
    with pytest.raises(Retryable):
        await world.accept(item("a", 7))
    assert world.inputs.stored == {}
    assert world.publisher.published == []


class Crash(BaseException):
    """The process ends here."""


class Fuse:
    """Ends the process at the n-th call that leaves it, before or after the call is done."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after

    async def burn(self, call: object) -> object:
        self.left -= 1
        if self.left == 0 and not self.after:
            call.close()  # type: ignore[attr-defined]
            raise Crash
        result = await call  # type: ignore[misc]
        if self.left == 0:
            raise Crash
        return result


def fused(world: World, fuse: Fuse) -> None:
    for target, names in (
        (world.wallets, ("take_lease", "close_lease")),
        (world.inputs, ("add", "find", "find_done", "add_done", "paid_by")),
        (world.publisher, ("publish",)),
    ):
        for name in names:
            original = getattr(target, name)

            def call(*args: object, _original: object = original, **kwargs: object) -> object:
                return fuse.burn(_original(*args, **kwargs))  # type: ignore[operator]

            setattr(target, name, call)


async def scenario(world: World) -> None:
    """Rounds with repeats and refusals, a lease that ends, one that is recovered."""
    await world.accept(item("a", 2), item("b", 3))
    await world.accept(item("a", 2), item("c", 30))
    world.clock.turn(TERMS.lease_s)
    await world.keeper.close(world.purse.over())
    await world.accept(item("d", 40), item("e", 40))
    world.restart()
    await world.wait_and_recover()
    await world.accept(item("f", 5))
    await world.keeper.close_all()


STEPS = 40


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("at", range(1, STEPS))
async def test_a_crash_at_any_step_leaves_the_package_exact(at: int, where: str) -> None:
    world = World(left=100)
    plain = {**vars(world.wallets)}, {**vars(world.inputs)}, {**vars(world.publisher)}
    fused(world, Fuse(at, after=where == "after"))
    try:
        await scenario(world)
    except Crash:
        pass
    else:
        assert at > 15, "the scenario has become short"
    for target, attributes in zip(
        (world.wallets, world.inputs, world.publisher), plain, strict=True
    ):
        for name in set(vars(target)) - set(attributes):
            delattr(target, name)
    world.restart()
    await world.wait_and_recover()
    world.check()


@given(
    left=st.integers(0, 60),
    rounds=st.lists(st.lists(st.integers(1, 9), max_size=6), max_size=8),
    processes=st.integers(1, 3),
)
def test_several_processes_never_spend_more_than_there_is(
    left: int, rounds: list[list[int]], processes: int
) -> None:
    asyncio.run(_compete(left, rounds, processes))


async def _compete(left: int, rounds: list[list[int]], processes: int) -> None:
    world = World(left)
    purses = [make_purse(world.wallets, world.inputs, world.clock) for _ in range(processes)]
    work = [
        accept(
            purses[at % processes],
            world.inputs,
            world.publisher,
            [item(f"{at}-{n}", units) for n, units in enumerate(units_of)],
        )
        for at, units_of in enumerate(rounds)
    ]
    await asyncio.gather(*work)
    assert world.package.left >= 0
    stored = sum(one.message.charging_num for one in world.inputs.stored.values())
    assert stored <= left
    world.clock.turn(TERMS.lease_s + TERMS.grace_s + 1)
    world.restart()
    await world.keeper.recover_dead()
    assert world.package.left == left - stored


def test_an_open_lease_names_its_kind_for_who_reads_the_input() -> None:
    lease = OpenLease("domestic.1", "shop", HOME, "o", 1, NOON, NOON, NOON + timedelta(seconds=1))
    assert lease.lease_id.startswith(f"{lease.kind}.")
