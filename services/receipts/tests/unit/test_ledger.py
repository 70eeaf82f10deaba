"""The ledger's promises, by the protocol's rules, with a process that may die anywhere."""

import asyncio
import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.receipts.tests.unit.making import (
    HOLD,
    MESSAGE_ID,
    WITH_CALL,
    called,
    finished,
    message,
    receipt,
)
from services.receipts.tests.unit.world import Said, World

from receipts.ledger.facts import Kind
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    CallOutcome,
    Medium,
    MessageSettled,
    ReceiptState,
    RerouteRequested,
    Status,
    VoiceRequested,
)
from yizhan_contracts.reasons import Reason

ACCEPTED = message()
SUBMITTED = finished(AttemptOutcome.SUBMITTED)
DELIVERED = receipt(ReceiptState.DELIVERED)
EARLY = receipt(ReceiptState.DELIVERED, attempt_id=None)
FAILED = receipt(ReceiptState.FAILED, reason=Reason.NUMBER_VACANT, carrier_code="UNDELIV")
REFUSED = finished(AttemptOutcome.REFUSED, reason=Reason.NUMBER_VACANT, carrier_code="11")


def cancelled(n: int = 1) -> AttemptFinished:
    return finished(AttemptOutcome.UNROUTABLE, n, reason=Reason.CANCELLED)


IN_PARTS = finished(
    AttemptOutcome.SUBMITTED,
    carrier_message_id="p-1",
    carrier_message_ids=("p-1", "p-2"),
    segments=2,
)
FIRST_PART = receipt(ReceiptState.DELIVERED, carrier_message_id="p-1", parts=2)
SECOND_PART = receipt(ReceiptState.DELIVERED, carrier_message_id="p-2", attempt_id=None)
FAILED_PART = receipt(
    ReceiptState.FAILED, carrier_message_id="p-2", attempt_id=None, reason=Reason.NUMBER_VACANT
)

STORIES: dict[str, tuple[tuple[Said, ...], Status]] = {
    "delivered": ((ACCEPTED, SUBMITTED, DELIVERED), Status.DELIVERED),
    "delivered, the carrier does not echo our id": (
        (ACCEPTED, SUBMITTED, EARLY),
        Status.DELIVERED,
    ),
    "refused": ((ACCEPTED, REFUSED), Status.FAILED),
    "failed": ((ACCEPTED, SUBMITTED, FAILED), Status.FAILED),
    "failed, then delivered": ((ACCEPTED, SUBMITTED, FAILED, DELIVERED), Status.DELIVERED),
    "in doubt, then delivered": (
        (ACCEPTED, finished(AttemptOutcome.IN_DOUBT, reason=Reason.IN_DOUBT), SUBMITTED, EARLY),
        Status.DELIVERED,
    ),
    "both parts delivered": ((ACCEPTED, IN_PARTS, FIRST_PART, SECOND_PART), Status.DELIVERED),
    "the second of two parts failed": (
        (ACCEPTED, IN_PARTS, FIRST_PART, FAILED_PART),
        Status.FAILED,
    ),
    "a part failed, then both delivered": (
        (ACCEPTED, IN_PARTS, FIRST_PART, FAILED_PART, SECOND_PART),
        Status.DELIVERED,
    ),
    "cancelled": ((ACCEPTED, cancelled()), Status.CANCELLED),
    "refused, then cancelled": (
        (ACCEPTED, finished(AttemptOutcome.REFUSED), cancelled(2)),
        Status.CANCELLED,
    ),
    "failed, then cancelled": (
        (ACCEPTED, SUBMITTED, receipt(ReceiptState.FAILED), cancelled(2)),
        Status.FAILED,
    ),
    "in doubt, then cancelled, then delivered": (
        (
            ACCEPTED,
            finished(AttemptOutcome.IN_DOUBT),
            cancelled(2),
            DELIVERED,
        ),
        Status.DELIVERED,
    ),
    "the second attempt delivers": (
        (
            ACCEPTED,
            finished(AttemptOutcome.REFUSED, reason=Reason.CARRIER_ERROR),
            finished(AttemptOutcome.SUBMITTED, 2, channel="b", carrier_account="carrier-b"),
            receipt(ReceiptState.DELIVERED, 2, channel="b", carrier_account="carrier-b"),
        ),
        Status.DELIVERED,
    ),
}


def check(world: World, status: Status) -> None:
    """Settled once, as it should be, and whoever listens has heard of it last."""
    settled = world.settled()
    assert settled["status"] == status
    told = world.said_last()
    assert (told.status, told.revision) == (status, settled["revision"])
    assert not world.store.early


@pytest.mark.parametrize("story", STORIES)
async def test_any_order_settles_the_same(story: str) -> None:
    """Rules ``first``, ``fold``: whoever comes last sees what came before."""
    records, status = STORIES[story]
    for order in itertools.permutations(records):
        world = World()
        for said in order:
            await world.hear(said)
        check(world, status)


@pytest.mark.parametrize("story", STORIES)
async def test_death_between_any_two_steps_settles_once_and_says_so(story: str) -> None:
    """Rules ``cont``, ``repub``: read again, the record finds its writes there and carries on."""
    records, status = STORIES[story]
    for order in itertools.permutations(records):
        await die_everywhere(order, status)


async def die_everywhere(order: tuple[Said, ...], status: Status) -> None:
    for last, said in enumerate(order):
        dies_before, has_died = 1, True
        while has_died:
            world = World()
            for before in order[:last]:
                await world.hear(before)
            has_died = await world.until_done(lambda: world.hear(said), dies_before)  # noqa: B023
            for after in order[last + 1 :]:
                await world.hear(after)
            check(world, status)
            dies_before += 1


@given(
    st.sampled_from(sorted(STORIES)),
    st.lists(st.integers(0, 3), max_size=5),
    st.integers(0, 2**32),
    st.integers(1, 12),
)
@settings(max_examples=300, deadline=None)
async def test_any_order_repetition_and_interleaving_settles_the_same(
    story: str, repeats: list[int], seed: int, dies_before: int
) -> None:
    said, status = STORIES[story]
    shuffled = [*said, *(said[i % len(said)] for i in repeats)]
    world, random = World(), Random(seed)
    random.shuffle(shuffled)
    world.steps.shuffle = random
    middle = len(shuffled) // 2
    for half in (shuffled[:middle], shuffled[middle:]):
        world.steps.taken, world.steps.dies_before = 0, dies_before
        outcomes = await asyncio.gather(*map(world.hear, half), return_exceptions=True)
        world.steps.dies_before = None
        world.restart()
        await asyncio.gather(
            *(world.hear(s) for s, died in zip(half, outcomes, strict=True) if died)
        )
    check(world, status)


async def test_receipt_and_attempt_at_the_same_moment_find_each_other() -> None:
    """Rule ``first``: each writes its own document before it looks for the other's."""
    for seed in range(200):
        world = World()
        await world.hear(ACCEPTED)
        world.steps.shuffle = Random(seed)
        await asyncio.gather(world.hear(SUBMITTED), world.hear(EARLY))
        check(world, Status.DELIVERED)


async def test_accepted_message_whose_facts_came_first_is_settled_at_once() -> None:
    """Rule ``fold``."""
    world = World()
    await world.hear(SUBMITTED, DELIVERED)
    assert not world.store.settled
    await world.hear(ACCEPTED)
    check(world, Status.DELIVERED)


async def test_two_truths_about_one_attempt_do_not_hide_each_other() -> None:
    """Rule ``factid``: the answer that comes after "in doubt" brings the carrier's id."""
    world = World()
    in_doubt = finished(AttemptOutcome.IN_DOUBT, reason=Reason.IN_DOUBT)
    await world.hear(ACCEPTED, in_doubt, SUBMITTED)
    kinds = {fact["kind"] for fact in world.store.facts.values()}
    assert kinds == {Kind.IN_DOUBT, Kind.SUBMITTED}
    await world.hear(EARLY)
    check(world, Status.DELIVERED)


async def test_settled_is_changed_only_to_delivered() -> None:
    """Rule ``rank``."""
    world = World()
    await world.hear(ACCEPTED, SUBMITTED)
    world.clock.turn(3 * 3600)
    await world.sweeper.sweep()
    assert world.settled()["status"] == Status.UNKNOWN
    await world.hear(FAILED)
    check(world, Status.UNKNOWN)
    assert world.said_last().reason is Reason.RECEIPT_OVERDUE
    await world.hear(DELIVERED)
    check(world, Status.DELIVERED)
    assert world.settled()["revision"] == 2
    await world.hear(FAILED)
    check(world, Status.DELIVERED)


async def test_message_found_settled_is_said_again() -> None:
    """Rule ``repub``: whoever settled it may have died before saying it."""
    world = World()
    await world.hear(ACCEPTED, SUBMITTED, DELIVERED)
    said = len(world.topic.of(MessageSettled))
    for repeated in (ACCEPTED, DELIVERED, REFUSED, SUBMITTED):
        await world.hear(repeated)
    told = world.topic.of(MessageSettled)
    assert len(told) == said + 4
    assert len({event.model_dump_json() for event in told}) == 1


async def test_once_settled_nobody_is_rerouted_or_called() -> None:
    world = World()
    await world.hear(message(policy=WITH_CALL), SUBMITTED)
    world.clock.turn(86_400)
    await world.sweeper.sweep()
    world.clock.turn(86_400)
    await world.sweeper.sweep()
    assert world.settled()["status"] == Status.UNKNOWN
    asked = len(world.topic.of(VoiceRequested))
    await world.hear(receipt(ReceiptState.FAILED, reason=Reason.CARRIER_ERROR))
    assert len(world.topic.of(VoiceRequested)) == asked
    assert not world.topic.of(RerouteRequested)


async def test_failed_receipt_asks_for_the_next_attempt_with_the_whole_message() -> None:
    world = World()
    await world.hear(ACCEPTED, SUBMITTED, receipt(ReceiptState.FAILED, reason=Reason.ROAMING))
    (asked,) = world.topic.of(RerouteRequested)
    assert (asked.n, asked.reason, asked.tried) == (1, Reason.ROAMING, ("a",))
    assert asked.message == ACCEPTED
    assert not world.store.settled


async def test_failed_sms_asks_for_the_call_and_its_answer_delivers() -> None:
    world = World()
    await world.hear(message(policy=WITH_CALL), SUBMITTED)
    await world.hear(receipt(ReceiptState.FAILED, reason=Reason.HANDSET_UNREACHABLE))
    (asked,) = world.topic.of(VoiceRequested)
    assert (asked.sms_failed, asked.reason) == (True, Reason.HANDSET_UNREACHABLE)
    assert not world.store.settled
    await world.hear(called(CallOutcome.ANSWERED))
    check(world, Status.DELIVERED)
    assert world.said_last().via is Medium.VOICE
    assert world.settled()["sms"]["status"] == Status.FAILED


async def test_call_asked_for_again_is_waited_for_no_longer() -> None:
    world = World()
    failed = receipt(ReceiptState.FAILED, reason=Reason.HANDSET_UNREACHABLE)
    await world.hear(message(policy=WITH_CALL), SUBMITTED, failed)
    world.clock.turn(60)
    await world.hear(failed)
    first, second = world.topic.of(VoiceRequested)
    assert first.wait_until == second.wait_until


async def test_sms_that_arrives_after_the_call_is_kept_beside_it() -> None:
    """The status stays what it was; the push, which speaks of the SMS, has something new to say."""
    world = World()
    failed = receipt(ReceiptState.FAILED, reason=Reason.HANDSET_UNREACHABLE)
    await world.hear(message(policy=WITH_CALL), SUBMITTED, failed, called(CallOutcome.ANSWERED))
    await world.hear(DELIVERED)
    settled = world.settled()
    assert (settled["status"], settled["via"], settled["revision"]) == ("delivered", "voice", 1)
    assert settled["sms"]["status"] == Status.DELIVERED
    check(world, Status.DELIVERED)


async def test_receipt_is_matched_to_the_newest_attempt_with_its_id_within_seven_days() -> None:
    world = World()
    old, new = message("0" * 31 + "1"), message("0" * 31 + "2")
    await world.hear(old, finished(AttemptOutcome.SUBMITTED, of=old))
    world.clock.turn(6 * 86_400)
    later = finished(AttemptOutcome.SUBMITTED, of=new, finished_at=world.clock.now())
    await world.hear(new, later, EARLY)
    assert set(world.store.settled) == {new.message_id}


async def test_receipt_without_its_attempt_is_kept_and_not_matched_after_seven_days() -> None:
    world = World()
    await world.hear(EARLY)
    assert len(world.store.early) == 1
    world.clock.turn(8 * 86_400)
    await world.hear(ACCEPTED, SUBMITTED)
    assert not world.store.settled


async def test_receipts_that_are_not_final_are_facts_and_settle_nothing() -> None:
    world = World()
    await world.hear(ACCEPTED, SUBMITTED, receipt(ReceiptState.BUFFERED))
    assert len(world.store.facts) == 2
    assert not world.store.settled
    assert not world.topic.events


async def test_released_attempt_leaves_no_trace() -> None:
    world = World()
    await world.hear(ACCEPTED, finished(AttemptOutcome.RELEASED))
    assert not world.store.facts


async def test_batches_write_and_publish_once_however_many_records_they_hold() -> None:
    world = World()
    many = [message(f"{i:032x}") for i in range(1, 101)]
    await world.hear(*many)
    await world.hear(*(finished(AttemptOutcome.SUBMITTED, of=m) for m in many))
    world.steps.taken = world.store.writes = 0
    await world.hear(*(receipt(ReceiptState.DELIVERED, message_id=m.message_id) for m in many))
    assert len(world.store.settled) == 100
    assert world.store.writes == 2
    assert world.steps.taken == 4


async def test_deliveries_are_counted_once_by_channel_and_country() -> None:
    world = World()
    fault = receipt(ReceiptState.FAILED, reason=Reason.CARRIER_ERROR, carrier_message_id="c-9")
    await world.hear(ACCEPTED, SUBMITTED, DELIVERED, DELIVERED, FAILED, fault)
    (report,) = world.deliveries.take_changed(world.clock.now())
    counts = report.countries["CN"]
    assert (report.channel, counts.delivered, counts.failed) == ("a", 1, 1)
    assert counts.age_s_sum == pytest.approx(8.0)
    assert (sum(counts.delivered_by_age), sum(counts.failed_by_age)) == (1, 1)
    assert not world.deliveries.take_changed(world.clock.now())


async def test_receipts_that_come_before_their_attempt_are_counted_too() -> None:
    world = World()
    await world.hear(ACCEPTED, receipt(ReceiptState.DELIVERED, attempt_id=None), SUBMITTED)
    (report,) = world.deliveries.take_changed(world.clock.now())
    assert sum(report.countries["CN"].delivered_by_age) == 1


async def test_a_bad_number_is_counted_as_heard_and_held_against_nobody() -> None:
    world = World()
    vacant = receipt(ReceiptState.FAILED, reason=Reason.NUMBER_VACANT)
    await world.hear(ACCEPTED, SUBMITTED, vacant)
    (report,) = world.deliveries.take_changed(world.clock.now())
    counts = report.countries["CN"]
    assert (counts.failed, sum(counts.excused_by_age)) == (0, 1)


def test_message_id_of_the_tests_is_an_id() -> None:
    assert len(MESSAGE_ID) == 32


async def test_a_part_alone_delivers_nothing_and_counts_nothing() -> None:
    world = World()
    await world.hear(ACCEPTED, FIRST_PART, IN_PARTS)
    assert not world.store.settled
    assert world.deliveries.take_changed(world.clock.now()) == []
    await world.hear(SECOND_PART)
    assert world.settled()["status"] == Status.DELIVERED
    (report,) = world.deliveries.take_changed(world.clock.now())
    assert report.countries["CN"].delivered == 1


async def test_parts_that_were_taken_of_an_attempt_in_doubt_do_not_deliver_it() -> None:
    doubt = finished(AttemptOutcome.IN_DOUBT, carrier_message_id="p-1", segments=2)
    part = receipt(ReceiptState.DELIVERED, carrier_message_id="p-1", attempt_id=None)
    said: tuple[Said, ...] = (message(policy=HOLD), doubt, part)
    for order in itertools.permutations(said):
        world = World()
        await world.hear(*order)
        assert not world.store.settled
        assert not world.store.early
        await world.hear(IN_PARTS, SECOND_PART)
        assert world.settled()["status"] == Status.DELIVERED


async def test_a_message_in_parts_costs_one_fact_more_per_part_and_no_more() -> None:
    world = World()
    await world.hear(ACCEPTED, IN_PARTS, FIRST_PART, SECOND_PART)
    assert len(world.store.facts) == 3
    one = World()
    await one.hear(ACCEPTED, SUBMITTED, DELIVERED)
    assert len(one.store.facts) == 2
    assert not any("parts" in fact for fact in one.store.facts.values())


async def test_what_is_in_doubt_is_waited_for_though_the_next_attempt_was_cancelled() -> None:
    world = World()
    doubt = finished(AttemptOutcome.IN_DOUBT)
    await world.hear(ACCEPTED, cancelled(2))
    assert not world.store.settled
    await world.hear(doubt)
    assert not world.store.settled
