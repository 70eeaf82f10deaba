"""Receipts that no attempt explains are given up after a time: seen, kept aside, never matched."""

from services.receipts.tests.unit.making import finished, message, receipt
from services.receipts.tests.unit.world import REGISTRY, World

from yizhan_contracts.events import AttemptOutcome, ReceiptState

NAMELESS = receipt(ReceiptState.DELIVERED, attempt_id=None, carrier_message_id="nobody")
DAY = 86_400.0


def given_up() -> float:
    value = REGISTRY.get_sample_value("yizhan_receipts_unmatched_total", {"channel": "a"})
    return value or 0.0


async def test_receipt_without_an_attempt_is_given_up_after_seven_days_and_counted() -> None:
    world, before = World(), given_up()
    await world.hear(NAMELESS)
    world.clock.turn(7 * DAY - 1)
    await world.ageing.age()
    assert len(world.store.early) == 1
    world.clock.turn(2)
    await world.ageing.age()
    assert not world.store.early
    (kept,) = world.store.unmatched.values()
    assert kept["carrier_message_id"] == "nobody"
    assert kept["aged_at"] == world.clock.now()
    assert given_up() == before + 1


async def test_receipt_that_was_matched_is_never_given_up() -> None:
    world = World()
    early = receipt(ReceiptState.DELIVERED, attempt_id=None)
    await world.hear(early, message(), finished(AttemptOutcome.SUBMITTED))
    world.clock.turn(8 * DAY)
    await world.ageing.age()
    assert not world.store.unmatched


async def test_ageing_that_died_in_between_counts_once_and_loses_nothing() -> None:
    dies_before, has_died = 1, True
    while has_died:
        world, before = World(), given_up()
        await world.hear(NAMELESS)
        world.clock.turn(8 * DAY)
        has_died = await world.until_done(world.age, dies_before)
        assert len(world.store.unmatched) == 1
        assert not world.store.early
        assert given_up() <= before + 1
        dies_before += 1
    assert dies_before > 3
