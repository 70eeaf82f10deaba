"""Conservation: what was accepted is settled or in flight, and whatever is neither has a name."""

from typing import Any

from services.receipts.tests.unit.making import finished, message, message_id_of, receipt
from services.receipts.tests.unit.world import World

from receipts.ledger.balance import ACCEPTED, IN_FLIGHT, Cell
from receipts.ledger.conservation import Conservation
from yizhan_contracts.events import AttemptOutcome, Lane, ReceiptState

HOUR, DAY = 3600.0, 86_400.0


async def told(world: World) -> dict[str, Any]:
    return await Conservation(world.store, world.ledger.look, world.clock).count(None, None)


async def hear_of(world: World, number: int, **changes: Any) -> None:
    of = message(message_id_of(number), **changes)
    carrier_id = f"c-{number}"
    await world.hear(of, finished(AttemptOutcome.SUBMITTED, of=of, carrier_message_id=carrier_id))


async def deliver(world: World, number: int) -> None:
    message_id, carrier_id = message_id_of(number), f"c-{number}"
    await world.hear(
        receipt(ReceiptState.DELIVERED, message_id=message_id, carrier_message_id=carrier_id)
    )


async def test_messages_balance_by_country_and_lane_and_attempts_by_channel() -> None:
    world = World()
    for number in range(5):
        await hear_of(world, number, lane=Lane.URGENT if number % 2 else Lane.STANDARD)
    await hear_of(world, 5, country="FR")
    for number in (0, 1, 2):
        await deliver(world, number)
    world.clock.turn(60)
    found = await told(world)
    assert (found["accepted"], found["settled"]["delivered"], found["in_flight"]) == (6, 3, 3)
    assert found["in_flight_ids"] == [message_id_of(i) for i in (3, 4, 5)]
    assert found["lanes"] == [
        lane("CN", "standard", 3, 1, delivered=2),
        lane("CN", "urgent", 2, 1, delivered=1),
        lane("FR", "standard", 1, 1),
    ]
    assert found["channels"] == [
        {"channel": "a", "finished": {"submitted": 6}, "awaiting_receipt": 3}
    ]
    assert found["holds"]
    assert not any(found["leaks"].values())


def lane(
    country: str, name: str, accepted: int, in_flight: int, **settled: int
) -> dict[str, object]:
    return {
        "country": country,
        "lane": name,
        "accepted": accepted,
        "settled": settled,
        "in_flight": in_flight,
    }


async def test_every_leak_is_named_by_its_kind_however_many_there_are() -> None:
    world = World()
    for number in range(250):
        await world.hear(message(message_id_of(number)))
    await hear_of(world, 300)
    await deliver(world, 300)
    del world.store.messages[message_id_of(300)]
    await world.hear(finished(AttemptOutcome.SUBMITTED, of=message(message_id_of(301))))
    world.clock.turn(DAY)
    found = await told(world)
    assert not found["holds"]
    assert found["leaks"]["unsettled"] == [message_id_of(i) for i in range(250)]
    assert found["leaks"]["never-accepted"] == [message_id_of(300)]
    assert set(found["leaks"]["without-message"]) == {message_id_of(300), message_id_of(301)}


async def test_what_is_still_waited_for_is_no_leak() -> None:
    world = World()
    await hear_of(world, 1)
    world.clock.turn(HOUR + 500)
    assert (await told(world))["holds"]
    world.clock.turn(200)
    assert (await told(world))["leaks"]["unsettled"] == [message_id_of(1)]
    await world.full_sweep.sweep()
    assert (await told(world))["holds"]


async def test_balance_is_what_the_check_counts() -> None:
    world = World()
    for number in range(4):
        await hear_of(world, number)
    await deliver(world, 0)
    world.clock.turn(60)
    total = await world.balance.count()
    assert total == {
        Cell("CN", "standard", ACCEPTED): 4,
        Cell("CN", "standard", "delivered"): 1,
        Cell("CN", "standard", IN_FLIGHT): 3,
    }


async def test_closed_slices_are_counted_once_and_taken_over_by_whoever_comes_next() -> None:
    world = World()
    await hear_of(world, 1)
    await deliver(world, 1)
    world.clock.turn(DAY + 600)
    total = await world.balance.count()
    assert len(world.store.balances) == 1
    world.restart()
    assert await world.balance.count() == total
    world.clock.turn(60)
    world.steps.taken = world.store.writes = 0
    assert await world.balance.count() == total
    assert world.steps.taken == 1, "one look for the next id"
    assert world.store.writes == 0


async def test_slice_with_anything_in_flight_stays_open() -> None:
    world = World()
    await hear_of(world, 1)
    world.clock.turn(2 * DAY)
    await world.balance.count()
    assert not world.store.balances
    await deliver(world, 1)
    world.clock.turn(2 * DAY)
    total = await world.balance.count()
    assert total[Cell("CN", "standard", IN_FLIGHT)] == 0
    assert len(world.store.balances) == 1
