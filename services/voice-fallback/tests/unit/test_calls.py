"""The rules of calls: each test fails without the rule it names."""

import asyncio

import pytest

from voice_fallback.domain.story import Ring
from voice_fallback.ports import MessageState
from voice_fallback.providers.base import Lost, NotTaken, Refused
from yizhan_contracts.events import CallOutcome
from yizhan_contracts.reasons import Reason

from .world import EPOCH, SILENCE_S, World, request, settle

DOWN = NotTaken(Reason.CARRIER_UNAVAILABLE, "refused")


async def test_a_call_is_claimed_asked_about_dialled_heard_stored_and_published() -> None:
    world = World()
    async with world.process() as process:
        (opened,) = process.read(asked := request())
        await process.turn(1)
        assert opened.ending == "open"
        await world.report()
        await process.turn()
    assert opened.ending == "finished"
    (fact,) = world.kafka.finished()
    assert (fact.outcome, fact.reason, fact.rings) == (CallOutcome.ANSWERED, Reason.NONE, 1)
    assert (fact.provider, fact.provider_call_id, fact.account_id) == ("vox", "call", "demo")
    assert fact.answered_at is not None
    names = {name.removeprefix(asked.message_id) for name in world.store.documents}
    assert names == {"", "-1", "-1.result", ".outcome"}
    (order,) = world.vox.rung
    assert (order.ref, order.recipient) == (f"{asked.message_id}-1", asked.recipient)


async def test_vout_a_call_read_again_publishes_its_stored_outcome_and_rings_nobody() -> None:
    world = World()
    asked = request()
    async with world.process() as first:
        first.read(asked)
        await first.turn()
        await world.report()
        await first.turn()
    world.clock.jump(60)
    async with world.process() as second:
        (again,) = second.read(asked)
        await second.turn()
    assert again.ending == "finished"
    assert len(world.vox.rung) == 1
    before, after = world.kafka.finished()
    assert before == after


async def test_vout_a_ring_that_was_claimed_by_a_dead_process_is_unknown_and_never_rung_again() -> (
    None
):
    world = World()
    world.vox.outcomes = [""]
    asked = request()
    async with world.process() as first:
        first.read(asked)
        await first.turn(1)
    async with world.process() as second:
        (again,) = second.read(asked)
        await second.turn(SILENCE_S - 1)
        assert again.ending == "open"
        await second.turn(2)
    assert again.ending == "finished"
    assert world.kafka.outcomes() == ["unknown"]
    assert len(world.vox.rung) == 1


async def test_the_report_of_a_call_that_outlived_its_process_is_its_outcome() -> None:
    world = World()
    asked = request()
    async with world.process() as first:
        first.read(asked)
        await first.turn(1)
    async with world.process() as second:
        second.read(asked)
        await second.turn(20)
        await world.report(second)
        await second.turn()
    assert world.kafka.outcomes() == ["answered"]
    assert len(world.vox.rung) == 1


async def test_a_report_that_came_while_nobody_was_there_to_hear_it_is_found() -> None:
    world = World()
    asked = request()
    async with world.process() as first:
        first.read(asked)
        await first.turn(1)
    async with world.process() as second:
        await world.report(second)
        second.read(asked)
        await second.turn()
    assert world.kafka.outcomes() == ["answered"]


async def test_a_report_to_another_instance_is_found_within_seconds() -> None:
    world = World()
    async with world.process() as other, world.process() as owner:
        owner.read(request())
        await owner.turn(1)
        await world.report(other)
        await owner.turn(4)
    assert world.kafka.outcomes() == ["answered"]


async def test_vread_a_message_that_is_settled_is_not_rung() -> None:
    world = World()
    world.ledger.state = MessageState.SETTLED
    async with world.process() as process:
        (opened,) = process.read(request())
        await process.turn()
    assert opened.ending == "finished"
    assert not world.vox.rung
    assert world.kafka.outcomes() == ["cancelled"]


async def test_vread_the_ledger_is_asked_between_the_claim_and_the_dial() -> None:
    world = World()
    seen: list[bool] = []
    asked = request()
    ask = world.ledger.ask

    async def asking(message_id: str) -> MessageState:
        is_claimed = f"{message_id}-1" in world.store.documents
        seen.append(is_claimed)
        # Delivered becomes known just after the claim.
        return MessageState.SETTLED if is_claimed else await ask(message_id)

    world.ledger.ask = asking  # type: ignore[method-assign]
    async with world.process() as process:
        process.read(asked)
        await process.turn()
    assert seen == [False, True]
    assert not world.vox.rung
    assert world.kafka.outcomes() == ["cancelled"]


async def test_vread_without_an_answer_it_is_asked_again_and_nobody_is_rung_past_the_limit() -> (
    None
):
    world = World()
    world.ledger.state = MessageState.NO_ANSWER
    async with world.process() as process:
        (opened,) = process.read(asked := request(wait_s=60))
        await process.turn(59)
        assert opened.ending == "open"
        # Nothing is claimed yet: a restart would cost nothing.
        assert f"{asked.message_id}-1" not in world.store.documents
        assert 5 <= world.ledger.asked <= 100
        await process.turn(10)
    assert not world.vox.rung
    assert world.kafka.outcomes() == ["cancelled"]


async def test_vread_an_answer_that_comes_in_time_lets_the_call_go() -> None:
    world = World()
    world.ledger.state = MessageState.NO_ANSWER
    async with world.process() as process:
        process.read(request(wait_s=60))
        await process.turn(30)
        world.ledger.state = MessageState.OPEN
        await process.turn(6)
        await world.report()
        await process.turn()
    assert world.kafka.outcomes() == ["answered"]


async def test_vread_what_was_asked_before_a_freeze_does_not_count() -> None:
    world = World()
    world.vox.freezes_for_s = 30.0
    async with world.process() as process:
        process.read(request())
        await settle()
        world.vox.freezes_for_s = 0.0
        world.ledger.state = MessageState.SETTLED
        await process.turn(10)
    assert not world.vox.rung
    assert world.kafka.outcomes() == ["cancelled"]


async def test_past_wait_until_nothing_is_dialled() -> None:
    world = World()
    async with world.process() as process:
        process.read(request(wait_s=-1))
        await process.turn()
    assert not world.vox.rung
    assert world.kafka.outcomes() == ["cancelled"]


async def test_a_call_is_rung_once_however_often_its_record_is_read() -> None:
    world = World()
    asked = request()
    async with world.process() as process:
        records = process.read(asked, asked)
        await process.turn(1)
        records += process.read(asked)
        await process.turn(1)
        assert {one.ending for one in records} == {"open"}
        await world.report()
        await process.turn()
    assert {one.ending for one in records} == {"finished"}
    assert len(world.vox.rung) == 1
    assert world.kafka.outcomes() == ["answered"]


async def test_two_processes_with_one_record_ring_once() -> None:
    world = World()
    asked = request()
    both = asyncio.Barrier(2)
    ask = world.ledger.ask

    async def asking(message_id: str) -> MessageState:
        if world.ledger.asked < 2:
            await ask(message_id)
            await both.wait()
        return world.ledger.state

    world.ledger.ask = asking  # type: ignore[method-assign]
    async with world.process() as first, world.process() as second:
        first.read(asked)
        second.read(asked)
        await second.turn(1)
        await world.report(first)
        await second.turn(10)
    assert len(world.vox.rung) == 1
    assert set(world.kafka.outcomes()) == {"answered"}


@pytest.mark.parametrize("outcome", ["no-answer", "busy"])
async def test_who_does_not_answer_is_rung_again_with_a_claim_of_its_own(outcome: str) -> None:
    world = World(max_rings=3, ring_again_after_s=20)
    world.vox.outcomes = [outcome, outcome]
    async with world.process() as process:
        (opened,) = process.read(asked := request())
        for _ in range(3):
            await process.turn(1)
            await world.report()
            await process.turn(20)
    assert opened.ending == "finished"
    assert [order.ref[-2:] for order in world.vox.rung] == ["-1", "-2", "-3"]
    (fact,) = world.kafka.finished()
    assert (fact.outcome, fact.rings) == (CallOutcome.ANSWERED, 3)
    assert f"{asked.message_id}-3" in world.store.documents


async def test_who_never_answers_is_given_up_after_the_last_ring() -> None:
    world = World(max_rings=2)
    world.vox.outcomes = ["no-answer", "busy"]
    async with world.process() as process:
        process.read(request())
        for _ in range(2):
            await process.turn(1)
            await world.report()
            await process.turn(20)
    (fact,) = world.kafka.finished()
    assert (fact.outcome, fact.rings) == (CallOutcome.BUSY, 2)
    assert fact.reason is Reason.VOICE_UNANSWERED


async def test_nobody_is_rung_again_past_wait_until() -> None:
    world = World(max_rings=3, ring_again_after_s=20)
    world.vox.outcomes = ["no-answer"]
    async with world.process() as process:
        process.read(request(wait_s=15))
        await process.turn(1)
        await world.report()
        await process.turn(60)
    assert len(world.vox.rung) == 1
    assert world.kafka.outcomes() == ["no-answer"]


async def test_a_message_that_settles_between_two_rings_is_not_rung_again() -> None:
    world = World(max_rings=3)
    world.vox.outcomes = ["no-answer"]
    async with world.process() as process:
        process.read(request())
        await process.turn(1)
        await world.report()
        world.ledger.state = MessageState.SETTLED
        await process.turn(60)
    assert len(world.vox.rung) == 1
    assert world.kafka.outcomes() == ["no-answer"]


async def test_a_refused_call_has_failed_with_the_providers_code() -> None:
    world = World()
    world.vox.answers = [Refused("21211", "no such number")]
    world.vox.outcomes = [""]
    async with world.process() as process:
        process.read(request())
        await process.turn(1)
    (fact,) = world.kafka.finished()
    assert (fact.outcome, fact.provider_code) == (CallOutcome.FAILED, "21211")


async def test_what_a_provider_did_not_take_is_tried_elsewhere_and_again() -> None:
    world = World(names=("vox", "bell"))
    world.vox.answers = [DOWN] * 100
    world.providers["bell"].answers = [DOWN]
    async with world.process() as process:
        process.read(request())
        await process.turn(20)
        await world.report()
        await process.turn()
    assert not world.vox.rung
    (fact,) = world.kafka.finished()
    assert (fact.outcome, fact.provider, fact.rings) == (CallOutcome.ANSWERED, "bell", 1)


async def test_when_no_provider_ever_takes_it_the_call_is_cancelled() -> None:
    world = World()
    world.vox.answers = [DOWN] * 1000
    async with world.process() as process:
        process.read(request(wait_s=60))
        await process.turn(70)
    (fact,) = world.kafka.finished()
    assert (fact.outcome, fact.reason) == (CallOutcome.CANCELLED, Reason.CARRIER_UNAVAILABLE)
    assert fact.rings == 0


async def test_a_country_that_no_provider_serves_is_not_waited_for() -> None:
    world = World(vox={"countries": ["FR"]})
    async with world.process() as process:
        process.read(request())
        await process.turn()
    (fact,) = world.kafka.finished()
    assert (fact.outcome, fact.reason) == (CallOutcome.CANCELLED, Reason.NO_ROUTE)


async def test_an_order_whose_answer_is_lost_is_heard_of_or_unknown() -> None:
    world = World()
    world.vox.answers = [Lost("broken"), Lost("broken")]
    world.vox.outcomes = ["answered", ""]
    async with world.process() as process:
        process.read(request())
        await process.turn(1)
        await world.report()
        await process.turn()
        process.read(request())
        await process.turn(SILENCE_S + 1)
    assert world.kafka.outcomes() == ["answered", "unknown"]
    assert len(world.vox.rung) == 2


async def test_an_answer_reported_after_unknown_is_a_fact_of_its_own() -> None:
    world = World()
    async with world.process() as process:
        process.read(request())
        await process.turn(SILENCE_S + 1)
        await world.report()
        await process.turn()
    assert world.kafka.outcomes() == ["unknown", "answered"]


async def test_a_report_before_the_order_is_answered_is_heard() -> None:
    world = World()
    dial = world.vox.dial

    async def dialling(*args: object) -> object:
        answer = await dial(*args)  # type: ignore[arg-type]
        await world.report()
        return answer

    world.vox.dial = dialling  # type: ignore[method-assign, assignment]
    async with world.process() as process:
        process.read(request())
        await process.turn()
    assert world.kafka.outcomes() == ["answered"]


async def test_no_more_calls_at_a_time_than_the_provider_carries() -> None:
    world = World(vox={"max_concurrent": 3})
    async with world.process() as process:
        records = process.read(*(request() for _ in range(10)))
        for _ in range(5):
            await process.turn(1)
            assert len(world.owed) <= 3
            await world.report()
        await process.turn(1)
    assert {one.ending for one in records} == {"finished"}
    assert world.vox.most_open == 3


async def test_a_ring_whose_claim_timed_out_is_rung_once() -> None:
    world = World()
    async with world.process() as process:
        world.store.unknown = 2
        process.read(request())
        await process.turn(2)
        await world.report()
        await process.turn()
    assert len(world.vox.rung) == 1
    assert world.kafka.outcomes() == ["answered"]


async def test_nothing_is_dropped_while_mongo_and_kafka_are_away() -> None:
    world = World()
    world.store.away, world.kafka.away = 5, 5
    async with world.process() as process:
        (opened,) = process.read(request())
        await process.turn(30)
        await world.report()
        await process.turn(30)
    assert opened.ending == "finished"
    assert world.kafka.outcomes() == ["answered"]


async def test_calling_hours_are_waited_for_unclaimed() -> None:
    hours = {"enabled": True, "window": "08:00-21:00", "zones": {"CN": "Europe/Lisbon"}}
    world = World(hours=hours)
    world.clock.jump(11.5 * 3600)  # 21:30 in Lisbon
    async with world.process() as process:
        (opened,) = process.read(asked := request(wait_s=24 * 3600))
        await process.turn(3600)
        assert f"{asked.message_id}-1" not in world.store.documents
        process.revoke([opened])
        await process.turn()
    assert opened.ending == "abandoned"
    async with world.process() as process:
        process.read(asked)
        await process.turn(8 * 3600)
        assert not world.vox.rung
        await process.turn(1.5 * 3600 + 1)
        await world.report()
        await process.turn()
    assert world.kafka.outcomes() == ["answered"]


async def test_calling_hours_that_open_too_late_cancel_the_call() -> None:
    world = World(hours={"enabled": True, "window": "08:00-09:00", "zones": {"CN": "UTC"}})
    async with world.process() as process:
        process.read(request(wait_s=600))
        await process.turn(600)
    assert world.kafka.outcomes() == ["cancelled"]
    assert not world.vox.rung


async def test_a_revoked_call_that_rings_goes_on_to_its_outcome() -> None:
    world = World()
    async with world.process() as process:
        (opened,) = process.read(request())
        await process.turn(1)
        process.revoke([opened])
        await process.turn(1)
        await world.report()
        await process.turn()
    assert world.kafka.outcomes() == ["answered"]


async def test_a_claim_of_another_that_is_alive_is_waited_for() -> None:
    world = World()
    asked = request()
    ring = Ring(asked.message_id, 1, "somebody", "vox", EPOCH)
    world.store.documents[ring.ref] = ring
    async with world.process() as process:
        (opened,) = process.read(asked)
        await process.turn(50)
        assert opened.ending == "open"
        world.owed.append((ring.ref, "vox", "answered"))
        await world.report()
        await process.turn(5)
    assert world.kafka.outcomes() == ["answered"]
    assert not world.vox.rung


@pytest.mark.parametrize("die_at", range(22))
@pytest.mark.parametrize("outcome", ["answered", "no-answer", "failed"])
async def test_a_crash_between_any_two_steps_rings_no_claim_twice_and_always_ends(
    die_at: int, outcome: str
) -> None:
    world = World(max_rings=1)
    world.vox.outcomes = [outcome]
    asked = request()
    async with world.process(die_at=die_at) as process:
        (first,) = process.read(asked)
        await process.turn(1)
        if world.owed:
            # A report that a dead process does not take is repeated by the provider.
            owed = list(world.owed)
            reporting = asyncio.ensure_future(world.report())
            await settle()
            if not reporting.done():
                reporting.cancel()
                world.owed = owed
        await process.turn(1)
        finished = first.ending == "finished"
    async with world.process() as process:
        (again,) = process.read(asked)
        await process.turn(1)
        await world.report()
        await process.turn(SILENCE_S + 60)
    assert again.ending == "finished"
    assert len(world.vox.rung) <= 1
    said = set(world.kafka.outcomes())
    assert len(said) == 1, "one story, however often it is told"
    assert said <= {outcome, "unknown"}
    if world.vox.rung or finished:
        assert said == {outcome}
