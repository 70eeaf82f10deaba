import asyncio
from typing import NamedTuple

import pytest
from tools.simulators.tests.support import ManualClock, until

from yizhan_simulators.clock import iso, steady_clock
from yizhan_simulators.timers import SLOT_S, Timers, Wheel


class Item(NamedTuple):
    due: float
    name: str = ""


def test_nothing_comes_out_before_it_is_due() -> None:
    wheel: Wheel[Item] = Wheel(slot_s=0.05)
    for due in (10.01, 10.02, 10.07, 12):
        wheel.add(Item(due))

    assert wheel.pop_due(10.0) == []
    assert wheel.pop_due(10.04) == []
    assert wheel.next_due() == pytest.approx(10.05)
    assert wheel.pop_due(10.051) == [Item(10.01), Item(10.02)]
    assert wheel.pop_due(20) == [Item(10.07), Item(12)]
    assert wheel.next_due() is None


async def test_timers_hand_over_each_slot_once_and_in_order() -> None:
    fired: list[list[Item]] = []
    clock = steady_clock()
    timers: Timers[Item] = Timers(fired.append, clock)
    start = clock()
    timers.add(Item(start + 0.25 + n / 10_000, f"late {n}") for n in range(50))
    timers.add([Item(start, "now")])
    await until(lambda: sum(map(len, fired)) == 51)

    assert fired[0] == [Item(start, "now")]
    assert len(fired) <= 3
    assert clock() >= start + 0.25


async def test_stopped_timers_fire_nothing() -> None:
    fired: list[list[Item]] = []
    timers: Timers[Item] = Timers(fired.append, ManualClock(0))
    timers.add([Item(SLOT_S)])
    timers.stop()
    await asyncio.sleep(3 * SLOT_S)

    assert fired == []


def test_iso_has_milliseconds_and_a_zone() -> None:
    assert iso(1_800_000_000.1236) == "2027-01-15T08:00:00.123Z"
