"""The sweeps: what nobody says is found, and said again after a death."""

import asyncio
from random import Random

from services.receipts.tests.unit.making import (
    WITH_CALL,
    finished,
    message,
    message_id_of,
    receipt,
)
from services.receipts.tests.unit.world import World

from receipts.ledger.catching_up import CatchingUp
from receipts.ledger.consequences import SettledBy
from yizhan_contracts.events import (
    AttemptOutcome,
    MessageSettled,
    OverduePolicy,
    Policy,
    ReceiptState,
    RerouteRequested,
    Status,
    VoiceRequested,
)
from yizhan_contracts.reasons import Reason

SUBMITTED = finished(AttemptOutcome.SUBMITTED)
HOUR = 3600.0


async def test_silence_is_unknown_at_the_last_deadline_and_not_before() -> None:
    world = World()
    await world.hear(message(), SUBMITTED)
    world.clock.turn(HOUR - 1)
    await world.sweeper.sweep()
    assert not world.store.settled
    world.clock.turn(3)
    await world.sweeper.sweep()
    assert world.said_last().status is Status.UNKNOWN


async def test_attempt_never_claimed_is_expired_once_its_validity_and_a_submit_are_over() -> None:
    world = World()
    late = finished(AttemptOutcome.EXPIRED, reason=Reason.VALIDITY_EXPIRED)
    await world.hear(message(), late)
    world.clock.turn(620)
    await world.sweeper.sweep()
    assert not world.store.settled
    world.clock.turn(3)
    await world.sweeper.sweep()
    assert world.said_last().status is Status.EXPIRED


async def test_sweep_that_died_before_it_said_what_it_settled_says_it() -> None:
    """Rule ``srepub``: the cursor is saved last, and what a sweep settled is said again."""
    dies_before, has_died = 1, True
    while has_died:
        world = World()
        await world.hear(message(), SUBMITTED)
        world.clock.turn(HOUR / 2)
        await world.sweeper.sweep()
        world.clock.turn(HOUR)
        has_died = await world.until_done(world.sweeper_sweep, dies_before)
        assert world.said_last().status is Status.UNKNOWN
        dies_before += 1
    assert dies_before > 8


async def test_full_sweep_that_died_before_it_said_what_it_settled_says_it() -> None:
    dies_before, has_died = 1, True
    while has_died:
        world = World()
        await world.hear(message(), SUBMITTED)
        world.clock.turn(2 * HOUR)
        has_died = await world.until_done(world.full_sweep_sweep, dies_before)
        world.clock.turn(60)
        await world.full_sweep.sweep()
        assert world.said_last().status is Status.UNKNOWN
        dies_before += 1
    assert dies_before > 8


async def test_full_sweep_finds_what_slipped_behind_the_cursor() -> None:
    world = World()
    await world.hear(message(message_id_of(9)))
    world.clock.turn(HOUR)
    await world.sweeper.sweep()
    behind = message(message_id_of(1))
    await world.hear(behind)
    world.store.messages[behind.message_id]["check_at"] = behind.valid_until
    world.clock.turn(HOUR)
    await world.sweeper.sweep()
    assert behind.message_id not in world.store.settled
    await world.full_sweep.sweep()
    assert world.store.settled[behind.message_id]["settled_by"] == SettledBy.FULL_SWEEP


async def test_full_sweep_begins_at_the_oldest_open_message_and_hourly_at_the_very_start() -> None:
    world = World()
    await world.hear(*(message(message_id_of(i)) for i in range(2, 8)))
    world.clock.turn(HOUR)
    await world.full_sweep.sweep()
    await world.full_sweep.sweep()
    world.steps.taken = 0
    await world.full_sweep.sweep()
    assert world.steps.taken < 6
    await world.hear(message(message_id_of(1)))
    world.clock.turn(HOUR)
    await world.full_sweep.sweep()
    assert len(world.store.settled) == 7


async def test_sweep_pages_through_many_that_are_due_at_the_same_moment() -> None:
    world = World()
    many = [message(message_id_of(i)) for i in range(7)]
    await world.hear(*many)
    world.clock.turn(HOUR)
    await world.sweeper.sweep()
    assert len(world.store.settled) == 7


async def test_what_a_record_settled_is_not_said_again_by_the_sweeper() -> None:
    world = World()
    await world.hear(message(), SUBMITTED, receipt(ReceiptState.DELIVERED))
    world.clock.turn(2 * HOUR)
    await world.sweeper.sweep()
    await world.full_sweep.sweep()
    assert len(world.topic.of(MessageSettled)) == 1


async def test_sweeps_write_and_publish_nothing_when_all_is_settled() -> None:
    world = World()
    await world.hear(message(), SUBMITTED, receipt(ReceiptState.DELIVERED))
    world.clock.turn(2 * HOUR)
    await world.sweeper.sweep()
    await world.full_sweep.sweep()
    world.store.writes = 0
    said = len(world.topic.events)
    for _ in range(3):
        await world.sweeper.sweep()
        await world.full_sweep.sweep()
        world.clock.turn(1)
    assert world.store.writes == 0
    assert len(world.topic.events) == said


async def test_overdue_receipt_asks_for_the_call_and_counts_against_the_channel() -> None:
    world = World()
    await world.hear(message(policy=WITH_CALL), SUBMITTED)
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    (asked,) = world.topic.of(VoiceRequested)
    assert (asked.sms_failed, asked.reason) == (False, Reason.RECEIPT_OVERDUE)
    (report,) = world.deliveries.take_changed(world.clock.now())
    assert report.countries["CN"].overdue == 1
    assert not world.store.settled
    world.clock.turn(613)
    await world.sweeper.sweep()
    assert world.said_last().status is Status.UNKNOWN


async def test_million_queued_messages_call_nobody_before_they_are_handed_over() -> None:
    world = World()
    await world.hear(message(policy=WITH_CALL))
    world.clock.turn(2 * HOUR)
    await world.sweeper.sweep()
    assert not world.topic.of(VoiceRequested)


async def test_overdue_receipt_is_rerouted_where_the_policy_says_so() -> None:
    world = World()
    policy = Policy(on_overdue=OverduePolicy.REROUTE)
    soon = finished(AttemptOutcome.SUBMITTED, receipt_timeout_s=60.0)
    await world.hear(message(policy=policy), soon)
    world.clock.turn(63)
    await world.sweeper.sweep()
    (asked,) = world.topic.of(RerouteRequested)
    assert (asked.n, asked.reason) == (1, Reason.RECEIPT_OVERDUE)


async def test_two_sweepers_at_once_settle_once() -> None:
    world = World()
    await world.hear(message(), SUBMITTED)
    world.clock.turn(2 * HOUR)
    first = world.sweeper
    world.restart()
    await first.sweep()
    await world.sweeper.sweep()
    assert world.settled()["revision"] == 1
    assert {event.status for event in world.topic.of(MessageSettled)} == {Status.UNKNOWN}


async def test_receipt_at_the_very_moment_of_the_deadline_wins() -> None:
    """Whoever comes second to ``settled`` sees the other: a late "delivered" corrects it."""
    outcomes = set()
    for seed in range(100):
        world = World()
        await world.hear(message(), SUBMITTED)
        world.clock.turn(2 * HOUR)
        world.steps.shuffle = Random(seed)
        await asyncio.gather(world.sweeper.sweep(), hear_some_time(world, seed % 50))
        settled = world.settled()
        assert settled["status"] == Status.DELIVERED
        said = {event.revision for event in world.topic.of(MessageSettled)}
        assert max(said) == settled["revision"]
        outcomes.add(settled["revision"])
    assert outcomes == {1, 2}


async def hear_some_time(world: World, later: int) -> None:
    for _ in range(later):
        await asyncio.sleep(0)
    await world.hear(receipt(ReceiptState.DELIVERED))


async def test_message_that_comes_after_its_own_deadline_is_still_looked_at() -> None:
    world = World()
    world.clock.turn(2 * HOUR)
    await world.sweeper.sweep()
    await world.hear(message())
    world.clock.turn(13)
    await world.sweeper.sweep()
    assert world.said_last().status is Status.UNKNOWN


def test_deadlines_wait_while_old_records_are_being_read() -> None:
    clock = World().clock
    catching_up = CatchingUp(clock, 15.0)
    assert catching_up.is_on()
    clock.turn(16)
    assert not catching_up.is_on()
    catching_up.saw([int(clock.now().timestamp() * 1000) - 60_000])
    assert catching_up.is_on()
    clock.turn(6)
    catching_up.saw([int(clock.now().timestamp() * 1000) - 1000])
    assert not catching_up.is_on()
