"""Limits of an account: what is over is told when to come back, what is within counts once."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from services.ingest.tests.unit.asgi import Reply
from services.ingest.tests.unit.fakes import NOON, FakeClock, FakeInputs
from services.ingest.tests.unit.making import US, catalogue
from services.ingest.tests.unit.test_api import BODY, World, check_problem, running
from services.ingest.tests.unit.test_forms import send_many

from ingest.catalogue import Account
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.limits.admitting import Admission
from ingest.limits.allowance import Allowance
from ingest.limits.frequency import Slot, Wanted, take_slots
from ingest.limits.model import AccountLimits, Period, PerRecipient, period_of
from ingest.limits.throttle import Throttle


class FakeCounters:
    """What was drawn, in memory; ``rivals`` draw between somebody's look and write."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.rivals: list[int] = []

    async def drawn(self, counter: str, ends_at: datetime) -> int:
        found = self.counts.setdefault(counter, 0)
        self.counts[counter] += self.rivals.pop() if self.rivals else 0
        return found

    async def draw(self, counter: str, drawn: int, units: int) -> bool:
        if self.counts[counter] != drawn:
            return False
        self.counts[counter] += units
        return True

    async def give_back(self, left: Mapping[str, int]) -> None:
        for counter, units in left.items():
            self.counts[counter] -= units


class FakeSlots:
    """Slots in memory; ``rival`` takes the first place between somebody's look and write."""

    def __init__(self) -> None:
        self.taken: dict[str, str] = {}
        self.rivals = 0

    async def owners(self, slot_ids: Collection[str]) -> Mapping[str, str]:
        return {name: self.taken[name] for name in slot_ids if name in self.taken}

    async def add(self, slots: Sequence[Slot]) -> Collection[str]:
        if slots and self.rivals:
            self.rivals -= 1
            self.taken[slots[0].slot_id] = "a rival"
        lost = {slot.slot_id for slot in slots if slot.slot_id in self.taken}
        self.taken |= {slot.slot_id: slot.owner for slot in slots if slot.slot_id not in lost}
        return lost


class _Catalogue:
    def __init__(self, limits: AccountLimits) -> None:
        self._plain, self.limits = catalogue(), limits

    def account(self, account_id: str) -> Account | None:
        found = self._plain.account(account_id)
        return found.model_copy(update={"limits": self.limits}) if found else None


class Limited(World):
    """The API with limits for every account."""

    def __init__(self, **limits: Any) -> None:
        super().__init__()
        accounts = _Catalogue(AccountLimits(**limits))
        self.counters, self.slots = FakeCounters(), FakeSlots()
        allowance = Allowance(self.counters, self.clock)
        self.requests._admission = Admission(
            accounts, self.inputs, allowance, self.slots, self.clock
        )
        self.authenticator._accounts = accounts


async def limited(**limits: Any) -> AsyncIterator[Any]:
    async for world in running(Limited(**limits)):
        yield world


def after(reply: Reply) -> int:
    return int(reply.headers["retry-after"])


# ---- requests a second ---------------------------------------------------------------------------


def test_a_seconds_requests_are_let_through_and_then_as_many_as_time_brings() -> None:
    clock, account = FakeClock(), _Catalogue(AccountLimits(requests_per_s=4)).account("shop")
    assert account is not None
    throttle = Throttle(clock, instances=2)
    let_in = [_lets(throttle, account) for _ in range(4)]
    clock.turn(0.5)
    let_in += [_lets(throttle, account) for _ in range(2)]
    clock.turn(3600)
    let_in += [_lets(throttle, account) for _ in range(4)]
    assert let_in == [True, True, False, False, True, False, True, True, False, False]


def _lets(throttle: Throttle, account: Account) -> bool:
    try:
        throttle.take(account)
    except RequestRefused:
        return False
    return True


async def test_a_request_over_the_rate_is_told_when_to_come_back() -> None:
    async for world in limited(requests_per_s=0.25):
        assert (await world.post()).status == 202
        reply = await world.post()
        check_problem(reply, 429, Code.RATE_EXCEEDED)
        assert after(reply) == 4
        world.clock.turn(4)
        assert (await world.post()).status == 202


# ---- a day, a month ------------------------------------------------------------------------------


async def test_a_day_holds_so_many_and_begins_anew_in_the_accounts_zone() -> None:
    async for world in limited(messages_per_day=2):
        assert [(await world.post()).status for _ in range(2)] == [202, 202]
        reply = await world.post()
        check_problem(reply, 429, Code.DAY_EXHAUSTED)
        assert after(reply) == 4 * 3600  # noon in UTC is eight in the evening in Shanghai
        world.clock.turn(4 * 3600)
        assert (await world.post()).status == 202


async def test_a_month_holds_so_many_and_a_repeat_counts_once() -> None:
    async for world in limited(messages_per_month=2, messages_per_day=100):
        for _ in range(3):
            assert (await world.post(key="k")).status == 202
        assert (await world.post(key="other")).status == 202
        check_problem(await world.post(key="third"), 429, Code.MONTH_EXHAUSTED)
        assert (await world.post(key="k")).status == 202
        assert world.counters.counts["shop.2026-11"] == 2


async def test_of_many_rows_only_those_over_the_limit_are_refused() -> None:
    async for world in limited(messages_per_day=1):
        answer = (await send_many(world)).json()
        told = [row.get("code", row["status"]) for row in answer["messages"]]
        assert told == ["accepted", Code.NUMBER_COUNTRY_CODE_MISSING, Code.DAY_EXHAUSTED]


async def test_an_instance_that_was_too_slow_draws_again_and_never_over_the_limit() -> None:
    account = _Catalogue(AccountLimits(messages_per_day=10)).account("shop")
    assert account is not None
    counters = FakeCounters()
    counters.rivals = [3, 4]
    allowance = Allowance(counters, FakeClock())
    granted, against = await allowance.take(account, 5)
    assert (granted, against is None) == (3, False)
    assert counters.counts == {"shop.2026-11-23": 10}


async def test_a_stop_gives_back_what_was_drawn_and_not_used() -> None:
    account = _Catalogue(AccountLimits(messages_per_day=1000)).account("shop")
    assert account is not None
    counters = FakeCounters()
    allowance = Allowance(counters, FakeClock())
    assert (await allowance.take(account, 3))[0] == 3
    assert counters.counts["shop.2026-11-23"] == 20
    await allowance.close()
    assert counters.counts["shop.2026-11-23"] == 3


@pytest.mark.parametrize(
    ("period", "at", "zone", "name", "hours"),
    [
        (Period.DAY, datetime(2026, 11, 23, 15, 59, tzinfo=UTC), "Asia/Shanghai", "2026-11-23", 1),
        (Period.DAY, datetime(2026, 11, 23, 16, 0, tzinfo=UTC), "Asia/Shanghai", "2026-11-24", 24),
        # 25 hours: clocks go back in the night to the 25th
        (Period.DAY, datetime(2026, 10, 24, 22, 0, tzinfo=UTC), "Europe/Berlin", "2026-10-25", 25),
        (Period.MONTH, datetime(2026, 12, 31, 16, 0, tzinfo=UTC), "Asia/Shanghai", "2027-01", 744),
        (Period.MONTH, datetime(2028, 2, 1, tzinfo=UTC), "UTC", "2028-02", 29 * 24),
    ],
)
def test_days_and_months_are_those_of_the_accounts_zone(
    period: Period, at: datetime, zone: str, name: str, hours: int
) -> None:
    told, ends_at = period_of(period, at, zone)
    left = ends_at.astimezone(UTC) - at
    assert told == name
    assert timedelta(hours=hours - 1) < left <= timedelta(hours=hours)


# ---- per recipient -------------------------------------------------------------------------------


async def test_a_number_gets_so_many_in_a_window_and_others_are_not_concerned() -> None:
    async for world in limited(per_recipient={"messages": 2, "window_s": 3600}):
        assert [(await world.post()).status for _ in range(2)] == [202, 202]
        reply = await world.post()
        check_problem(reply, 429, Code.RECIPIENT_TOO_OFTEN, "to")
        assert after(reply) == 3600
        assert (await world.post({**BODY, "to": "+12015550145"})).status == 202
        world.clock.turn(3600)
        assert (await world.post()).status == 202


async def test_a_repeat_takes_no_second_place() -> None:
    async for world in limited(per_recipient={"messages": 1, "window_s": 3600}):
        world.publisher.failures = 1
        assert (await world.post(key="k")).status == 503
        world.clock.turn(5)
        assert (await world.post(key="k")).status == 202
        check_problem(await world.post(key="j"), 429, Code.RECIPIENT_TOO_OFTEN, "to")


async def test_places_go_to_whoever_is_first() -> None:
    slots, limit = FakeSlots(), PerRecipient(messages=2, window_s=60)
    wanted = [Wanted(name, "shop", US, limit) for name in ("a", "b", "c")]
    slots.rivals = 1
    full = await take_slots(slots, wanted, NOON)
    assert len(full) == 2
    assert len(slots.taken) == 2
    again = await take_slots(slots, wanted, NOON)
    assert again == full
    assert set(full.values()) == {NOON + timedelta(seconds=60)}


async def test_accounts_without_limits_ask_no_store() -> None:
    class Unasked(FakeInputs):
        async def find(self, input_ids: Collection[str]) -> Any:
            raise AssertionError("asked")

    unlimited = _Catalogue(AccountLimits(requests_per_s=1))
    counters = Allowance(FakeCounters(), FakeClock())
    admission = Admission(unlimited, Unasked(), counters, FakeSlots(), FakeClock())
    assert await admission.refusals([]) == {}
