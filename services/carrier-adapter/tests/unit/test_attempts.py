"""The rules of the message protocol for attempts: each test fails without the rule it names."""

import asyncio
from collections.abc import Sequence

import pytest

from carrier_adapter.carriers.base import (
    Accepted,
    Answer,
    Answered,
    Cause,
    Lost,
    MayWrite,
    NotTaken,
    Refused,
    Submission,
    Templated,
)
from carrier_adapter.domain.claims import Claim, ClaimKind
from yizhan_contracts.events import (
    AttemptOutcome,
    CarrierTemplate,
    CountryRoute,
    SenderRules,
    TemplateState,
    TemplateUse,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime.errors import Fatal

from .fakes import EPOCH, FakeCarrier, settle
from .world import TIMEOUT_S, World, message, plan

DOWN = NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "refused")
THROTTLED = NotTaken(Cause.THROTTLED, Reason.THROTTLED, "http 429")


class Slow:
    """Takes messages and answers only when it is told to."""

    def __init__(self, carrier: FakeCarrier) -> None:
        self._carrier = carrier
        self.go = asyncio.Event()
        self.ended = 0

    async def __call__(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        assert may_write()
        self._carrier.take(batch)
        await self.go.wait()
        for one in batch:
            answered(one.attempt_id, Accepted((self._carrier.new_id(),)))
        self.ended += 1


async def test_a_message_is_claimed_then_sent_then_stored_then_published_then_finished() -> None:
    world = World()
    async with world.process() as process:
        (opened,) = process.read(planned := plan())
        await process.turn()
    assert opened.ending == "finished"
    assert world.store.claims[planned.attempt_id].incarnation == process.incarnation
    (stored,) = world.store.outcomes[planned.attempt_id].facts
    (fact,) = world.kafka.facts()
    assert fact.outcome is AttemptOutcome.SUBMITTED
    assert (fact.carrier_account, fact.carrier_message_id) == ("account-a", "c1")
    assert (fact.message, fact.receipt_timeout_s, fact.tried) == (None, 14_400, ("a",))
    assert [value for _, value in world.kafka.values] == [stored]


async def test_claims_outcomes_and_facts_go_in_batches() -> None:
    world = World()
    async with world.process() as process:
        process.read(*(plan() for _ in range(50)))
        await process.turn(0.1)
        assert len(world.kafka.facts()) == 50
    assert [len(batch) for batch in world.carriers["a"].batches] == [10] * 5
    assert len(world.store.calls) <= 12
    assert world.kafka.calls <= 6


async def test_outcome_a_record_read_again_publishes_the_stored_outcome_and_sends_nothing() -> None:
    world = World()
    planned = plan()
    async with world.process() as first:
        first.read(planned)
        await first.turn()
    async with world.process() as second:
        (again,) = second.read(planned)
        await second.turn()
    assert again.ending == "finished"
    assert world.carriers["a"].times_handed(planned.attempt_id) == 1
    before, after = world.kafka.values
    assert before == after


async def test_outcome_is_stored_before_it_is_published() -> None:
    world = World()
    world.store.away, world.store.only = 100, "outcome"
    planned = plan()
    async with world.process() as process:
        process.read(planned)
        await process.turn(2)
        assert world.carriers["a"].handed
        assert not world.kafka.values
        world.store.away = 0
        await process.turn(10)
    assert world.outcomes() == [(planned.attempt_id, "submitted")]


async def test_timeout_a_submit_that_is_not_answered_is_in_doubt_and_never_failed() -> None:
    world = World()
    carrier = world.carriers["a"]
    carrier.behaviour = Slow(carrier)
    async with world.process() as process:
        (opened,) = process.read(planned := plan())
        await process.turn(TIMEOUT_S + 0.1)
    assert opened.ending == "finished"
    assert world.outcomes() == [(planned.attempt_id, "in-doubt")]
    assert world.store.outcomes[planned.attempt_id].facts
    (fact,) = world.kafka.facts()
    assert fact.message == planned.message


async def test_timeout_a_connection_that_breaks_after_writing_is_in_doubt() -> None:
    world = World()
    world.carriers["a"].behaviour = world.carriers["a"].answers(Lost("broken"))
    async with world.process() as process:
        process.read(planned := plan())
        await process.turn()
    assert world.outcomes() == [(planned.attempt_id, "in-doubt")]


async def test_an_answer_that_comes_late_is_a_fact_of_its_own_with_the_carriers_id() -> None:
    world = World()
    carrier = world.carriers["a"]
    carrier.behaviour = slow = Slow(carrier)
    async with world.process() as process:
        process.read(planned := plan())
        await process.turn(TIMEOUT_S + 5)
        slow.go.set()
        await process.turn()
    assert [outcome for _, outcome in world.outcomes()] == ["in-doubt", "submitted"]
    assert world.kafka.facts()[1].carrier_message_id == "c1"
    assert len(world.store.outcomes[planned.attempt_id].facts) == 1


async def test_a_late_answer_is_waited_for_a_bounded_time() -> None:
    world = World()
    carrier = world.carriers["a"]
    carrier.behaviour = slow = Slow(carrier)
    async with world.process() as process:
        process.read(plan())
        await process.turn(TIMEOUT_S * 3 + 1)
        slow.go.set()
        await process.turn()
        assert process.channels["a"].open_batches == 0
    assert slow.ended == 0
    assert [outcome for _, outcome in world.outcomes()] == ["in-doubt"]


async def test_join_a_record_whose_attempt_is_in_flight_waits_until_its_fact_is_published() -> None:
    world = World()
    carrier = world.carriers["a"]
    carrier.behaviour = slow = Slow(carrier)
    planned = plan()
    async with world.process() as process:
        first, second = process.read(planned, planned)
        await process.turn(1)
        assert (first.ending, second.ending) == ("open", "open")
        world.kafka.away = 3
        slow.go.set()
        await process.turn(0.1)
        assert (first.ending, second.ending) == ("open", "open")
        await process.turn(10)
    assert (first.ending, second.ending) == ("finished", "finished")
    assert carrier.times_handed(planned.attempt_id) == 1
    assert {outcome for _, outcome in world.outcomes()} == {"submitted"}


async def test_join_holds_for_the_same_attempt_planned_on_another_channel() -> None:
    world = World("a", "b")
    world.carriers["a"].behaviour = slow = Slow(world.carriers["a"])
    of = message()
    async with world.process() as process:
        _, other = process.read(plan(of, channel="a"), plan(of, channel="b"))
        await process.turn(1)
        assert other.ending == "open"
        slow.go.set()
        await process.turn(1)
    assert other.ending == "finished"
    assert not world.carriers["b"].handed
    assert {fact.channel for fact in world.kafka.facts()} == {"a"}


async def test_owner_anothers_claim_is_in_doubt_only_after_the_submit_timeout() -> None:
    world = World()
    planned = plan()
    async with world.process() as owner, world.process() as reader:
        world.carriers["a"].behaviour = slow = Slow(world.carriers["a"])
        owner.read(planned)
        await owner.turn(1)
        (again,) = reader.read(planned)
        await reader.turn(TIMEOUT_S - 2)
        assert again.ending == "open"
        slow.go.set()
        await reader.turn(10)
    assert again.ending == "finished"
    assert {outcome for _, outcome in world.outcomes()} == {"submitted"}


async def test_owner_a_dead_owners_attempt_is_in_doubt_after_the_submit_timeout() -> None:
    world = World()
    planned = plan()
    async with world.process() as owner:
        world.carriers["a"].behaviour = Slow(world.carriers["a"])
        owner.read(planned)
        await owner.turn(1)
    async with world.process() as reader:
        (again,) = reader.read(planned)
        await reader.turn(TIMEOUT_S + 2)
    assert again.ending == "finished"
    assert world.outcomes() == [(planned.attempt_id, "in-doubt")]
    assert world.carriers["a"].times_handed(planned.attempt_id) == 1


async def test_free_doubt_about_anothers_claim_is_not_stored_so_its_owner_may_still_say() -> None:
    world = World()
    planned = plan()
    async with world.process() as owner:
        world.carriers["a"].behaviour = slow = Slow(world.carriers["a"])
        owner.read(planned)
        await owner.turn(0)
        world.clock.jump(TIMEOUT_S + 5)
        async with world.process() as reader:
            reader.read(planned)
            # The owner is frozen: only the reader's sleeps are woken.
            await settle()
            assert planned.attempt_id not in world.store.outcomes
            slow.go.set()
            await owner.turn(TIMEOUT_S + 2)
    (stored,) = world.store.outcomes[planned.attempt_id].facts
    assert b"c1" in stored
    assert "submitted" in {outcome for _, outcome in world.outcomes()}


async def test_free_the_doubt_names_the_claims_channel_and_not_the_plans() -> None:
    world = World("a", "b")
    planned = plan(channel="b", tried=("x",))
    world.store.claims[planned.attempt_id] = Claim(
        planned.attempt_id, 1, "a", "somebody", ClaimKind.SENT, EPOCH
    )
    async with world.process() as process:
        process.read(planned)
        await process.turn(TIMEOUT_S + 2)
    (fact,) = world.kafka.facts()
    assert (fact.outcome, fact.channel, fact.tried) == (AttemptOutcome.IN_DOUBT, "a", ("x", "a"))
    assert (fact.carrier_account, fact.message) == ("account-a", planned.message)
    assert planned.attempt_id not in world.store.outcomes


async def test_fence_past_valid_until_nothing_is_claimed() -> None:
    world = World()
    async with world.process() as process:
        (opened,) = process.read(planned := plan(valid_for_s=-1))
        await process.turn()
    assert opened.ending == "finished"
    assert not world.store.claims
    assert not world.carriers["a"].handed
    assert world.outcomes() == [(planned.attempt_id, "expired")]


async def test_fence_a_record_that_waited_too_long_in_the_queue_is_expired() -> None:
    world = World(tps=1.0)
    async with world.process() as process:
        process.read(*(plan(valid_for_s=2.5) for _ in range(10)))
        await process.turn(12)
    outcomes = [outcome for _, outcome in world.outcomes()]
    assert outcomes.count("expired") == 10 - len(world.store.claims)
    assert len(world.carriers["a"].handed) <= 4


async def test_fence_an_existing_claim_wins_over_lateness() -> None:
    world = World()
    planned = plan(valid_for_s=60)
    async with world.process() as first:
        first.read(planned)
        await first.turn()
    world.clock.jump(3600)
    async with world.process() as second:
        second.read(planned)
        await second.turn()
    assert [outcome for _, outcome in world.outcomes()] == ["submitted", "submitted"]


async def test_a_claim_that_has_grown_old_is_not_sent_and_says_so() -> None:
    world = World()
    carrier = world.carriers["a"]

    async def frozen(batch: Sequence[Submission], may_write: MayWrite, answered: Answered) -> None:
        world.clock.jump(TIMEOUT_S)
        await carrier.accept(batch, may_write, answered)

    carrier.behaviour = frozen
    async with world.process() as process:
        (opened,) = process.read(planned := plan())
        await process.turn(1)
    assert opened.ending == "finished"
    assert not carrier.handed
    assert world.outcomes() == [(planned.attempt_id, "failed")]
    assert "failed" in world.store.outcomes[planned.attempt_id].facts[0].decode()


async def test_a_claim_whose_insert_timed_out_is_ours_and_is_sent_once() -> None:
    world = World()
    world.store.unknown = 1
    async with world.process() as process:
        (opened,) = process.read(planned := plan())
        await process.turn(2)
    assert opened.ending == "finished"
    assert world.carriers["a"].times_handed(planned.attempt_id) == 1
    assert world.outcomes() == [(planned.attempt_id, "submitted")]


async def test_a_claim_whose_insert_timed_out_long_ago_is_not_sent() -> None:
    world = World()
    world.store.unknown, world.store.only = 8, "claim"
    async with world.process() as process:
        process.read(planned := plan())
        await process.turn(60)
    assert not world.carriers["a"].handed
    assert world.outcomes() == [(planned.attempt_id, "failed")]


async def test_an_outcome_whose_insert_timed_out_is_published_once_it_is_known_to_be_stored() -> (
    None
):
    world = World()
    world.store.unknown, world.store.only = 1, "outcome"
    async with world.process() as process:
        process.read(planned := plan())
        await process.turn(5)
    assert world.outcomes() == [(planned.attempt_id, "submitted")]
    assert len(world.store.outcomes[planned.attempt_id].facts) == 1


async def test_nothing_is_dropped_while_kafka_is_away() -> None:
    world = World()
    world.kafka.away = 20
    async with world.process() as process:
        records = process.read(*(plan() for _ in range(5)))
        await process.turn(5)
        assert {one.ending for one in records} == {"open"}
        await process.turn(120)
    assert {one.ending for one in records} == {"finished"}
    assert len({attempt for attempt, _ in world.outcomes()}) == 5


async def test_same_a_released_attempt_is_not_claimed_by_its_record() -> None:
    world = World()
    world.carriers["a"].behaviour = world.carriers["a"].answers(*[DOWN] * 1000)
    world.carriers["a"].is_reachable = False
    async with world.process() as process:
        process.read(plan())
        await process.turn(1)
        waiting = process.read(*(plans := [plan() for _ in range(5)]))
        await process.turn(5)
        world.carriers["a"].behaviour = world.carriers["a"].accept
        world.carriers["a"].is_reachable = True
        await process.turn(60)
    assert {one.ending for one in waiting} == {"finished"}
    assert not any(planned.attempt_id in world.store.claims for planned in plans)
    released = [attempt for attempt, outcome in world.outcomes() if outcome == "released"]
    assert sorted(released) == sorted(planned.attempt_id for planned in plans)
    assert not world.carriers["a"].handed


async def test_same_a_released_attempt_planned_again_is_sent_under_its_own_id() -> None:
    world = World("a", "b")
    world.carriers["a"].behaviour = world.carriers["a"].answers(*[DOWN] * 1000)
    world.carriers["a"].is_reachable = False
    of = message()
    async with world.process() as process:
        process.read(plan(channel="a"))
        await process.turn(1)
        process.read(plan(of, channel="a"))
        await process.turn(5)
        process.read(plan(of, channel="b", tried=("a",)))
        await process.turn(1)
    mine = [outcome for attempt, outcome in world.outcomes() if attempt.startswith(of.message_id)]
    assert mine == ["released", "submitted"]
    assert [one.recipient for one in world.carriers["b"].handed] == [of.recipient]


async def test_a_release_gives_way_to_a_claim_that_exists() -> None:
    world = World()
    planned = plan()
    async with world.process() as first:
        first.read(planned)
        await first.turn()
    world.configs["a"] = world.configs["a"].model_copy(update={"enabled": False})
    async with world.process() as second:
        second.read(planned)
        await second.turn(1)
    assert [outcome for _, outcome in world.outcomes()] == ["submitted", "submitted"]


async def test_what_was_certainly_not_taken_is_tried_again_within_its_claim() -> None:
    world = World()
    world.carriers["a"].behaviour = world.carriers["a"].answers(DOWN, THROTTLED, DOWN)
    async with world.process() as process:
        process.read(planned := plan())
        await process.turn(5)
    assert world.outcomes() == [(planned.attempt_id, "submitted")]
    assert world.carriers["a"].times_handed(planned.attempt_id) == 1


async def test_what_is_never_taken_fails_while_its_claim_is_young_enough_for_an_answer() -> None:
    world = World()
    world.carriers["a"].behaviour = world.carriers["a"].answers(*[THROTTLED] * 1000)
    async with world.process() as process:
        process.read(planned := plan())
        await process.turn(TIMEOUT_S / 2)
    (fact,) = world.kafka.facts()
    assert (fact.attempt_id, fact.outcome) == (planned.attempt_id, AttemptOutcome.FAILED)
    assert (fact.reason, fact.message, fact.tried) == (Reason.THROTTLED, planned.message, ("a",))


async def test_a_refusal_carries_the_carriers_code_and_the_message() -> None:
    world = World()
    refused = Refused("11", Reason.NUMBER_INVALID, "no such number")
    world.carriers["a"].behaviour = world.carriers["a"].answers(refused)
    async with world.process() as process:
        process.read(planned := plan())
        await process.turn()
    (fact,) = world.kafka.facts()
    assert (fact.outcome, fact.reason) == (AttemptOutcome.REFUSED, Reason.NUMBER_INVALID)
    assert (fact.carrier_code, fact.message) == ("11", planned.message)


async def test_a_message_in_several_parts_is_one_submitted_fact_with_all_ids() -> None:
    world = World()
    world.carriers["a"].behaviour = world.carriers["a"].answers(Accepted(("p1", "p2"), segments=2))
    planned = plan()
    for _ in range(2):
        async with world.process() as process:
            process.read(planned)
            await process.turn()
    facts = [(fact.carrier_message_id, fact.part_ids()) for fact in world.kafka.facts()]
    assert facts == [("p1", ("p1", "p2"))] * 2


async def test_a_message_taken_in_part_is_in_doubt_and_names_what_was_taken() -> None:
    world = World()
    world.carriers["a"].behaviour = world.carriers["a"].answers(Lost("refused: 2", ("p1",), 2))
    async with world.process() as process:
        process.read(planned := plan())
        await process.turn()
        known = process.remembered.get("account-a", "p1")
    (fact,) = world.kafka.facts()
    assert (fact.outcome, fact.part_ids(), fact.segments) == (AttemptOutcome.IN_DOUBT, ("p1",), 2)
    assert known is not None
    assert (known.attempt_id, known.parts) == (planned.attempt_id, 2)


async def test_a_channel_whose_sessions_are_gone_claims_nothing_until_one_is_back() -> None:
    world = World()
    carrier = world.carriers["a"]
    carrier.is_reachable = False
    async with world.process() as process:
        carrier.bound_changed(is_bound=False)
        process.read(planned := plan())
        await process.turn(1.0)
        assert world.store.claims == {}
        carrier.bound_changed(is_bound=True)
        await process.turn()
    assert world.outcomes() == [(planned.attempt_id, "submitted")]


async def test_ncclaim_unroutable_takes_the_claims_of_n_and_later_first() -> None:
    world = World()
    of = message(max_attempts=3)
    async with world.process() as process:
        (opened,) = process.read(plan(of, channel="none", n=2, reason=Reason.NO_ROUTE))
        await process.turn()
    assert opened.ending == "finished"
    claims = {name[-2:]: claim.kind for name, claim in world.store.claims.items()}
    assert claims == {"-2": ClaimKind.CLOSED, "-3": ClaimKind.CLOSED}
    (fact,) = world.kafka.facts()
    assert (fact.outcome, fact.reason) == (AttemptOutcome.UNROUTABLE, Reason.NO_ROUTE)
    assert (fact.message, fact.channel) == (of, "none")


async def test_ncclaim_a_plan_whose_claim_is_closed_is_dropped() -> None:
    world = World()
    of = message()
    async with world.process() as process:
        process.read(plan(of, channel="none", reason=Reason.NO_ROUTE))
        await process.turn()
        (late,) = process.read(plan(of, channel="a"))
        await process.turn()
    assert late.ending == "finished"
    assert not world.carriers["a"].handed
    assert [outcome for _, outcome in world.outcomes()] == ["unroutable"]


@pytest.mark.parametrize("claimed", [1, 2])
async def test_ncclaim_unroutable_is_ignored_when_n_or_a_later_one_is_claimed(claimed: int) -> None:
    world = World()
    of = message()
    async with world.process() as process:
        process.read(plan(of, channel="a", n=claimed))
        await process.turn()
        (none,) = process.read(plan(of, channel="none", n=1, reason=Reason.NO_ROUTE))
        await process.turn()
    assert none.ending == "finished"
    assert [outcome for _, outcome in world.outcomes()] == ["submitted"]


async def test_ncclaim_a_repeat_of_what_was_closed_is_published_again() -> None:
    world = World()
    planned = plan(channel="none", reason=Reason.NO_ROUTE)
    for _ in range(2):
        async with world.process() as process:
            process.read(planned)
            await process.turn()
    assert [outcome for _, outcome in world.outcomes()] == ["unroutable", "unroutable"]


async def test_too_late_to_plan_is_expired_once_its_claims_are_closed() -> None:
    world = World()
    planned = plan(channel="none", reason=Reason.VALIDITY_EXPIRED, valid_for_s=-1)
    async with world.process() as process:
        process.read(planned)
        await process.turn()
    assert world.outcomes() == [(planned.attempt_id, "expired")]
    assert world.store.claims[planned.attempt_id].kind is ClaimKind.CLOSED


async def test_a_revoked_record_that_is_not_begun_is_left_to_the_next_owner() -> None:
    world = World(tps=1.0)
    async with world.process() as process:
        records = process.read(*(plan() for _ in range(5)))
        await process.turn(0.1)
        process.revoke(records)
        await process.turn(30)
        assert process.intake.in_hand == 0
    endings = [one.ending for one in records]
    assert endings.count("abandoned") == 5 - len(world.store.claims) >= 3
    assert len(world.outcomes()) == len(world.store.claims)


async def test_a_drain_that_is_cut_leaves_the_submit_running_and_its_outcome_is_published() -> None:
    world = World()
    world.carriers["a"].behaviour = slow = Slow(world.carriers["a"])
    async with world.process() as process:
        (opened,) = process.read(planned := plan())
        await process.turn(1)
        process.revoke([opened])
        slow.go.set()
        await process.turn()
    assert world.outcomes() == [(planned.attempt_id, "submitted")]
    assert planned.attempt_id in world.store.outcomes


async def test_waiting_for_another_ends_when_the_record_is_revoked() -> None:
    world = World()
    planned = plan()
    world.store.claims[planned.attempt_id] = Claim(
        planned.attempt_id, 1, "a", "somebody", ClaimKind.SENT, EPOCH
    )
    async with world.process() as process:
        (opened,) = process.read(planned)
        await process.turn(1)
        process.revoke([opened])
        await process.turn(60)
    assert opened.ending == "abandoned"
    assert not world.outcomes()


async def test_a_broken_producer_ends_the_process() -> None:
    world = World()
    world.kafka.error = Fatal("poisoned")
    async with world.process() as process:
        process.read(plan())
        with pytest.raises(Fatal):
            await process.turn(1)
        process._tasks.clear()


CRASHES = range(14)


@pytest.mark.parametrize("die_at", CRASHES)
@pytest.mark.parametrize("answer", ["accepted", "lost", "refused"])
async def test_a_crash_between_any_two_steps_sends_once_and_loses_nothing(
    die_at: int, answer: str
) -> None:
    world = World()
    carrier = world.carriers["a"]
    planned = plan()

    async def behave(batch: Sequence[Submission], may_write: MayWrite, answered: Answered) -> None:
        assert may_write()
        await process.steps.step()
        if answer != "refused":
            carrier.take(batch)
        await process.steps.step()
        answers: dict[str, Answer] = {
            "accepted": Accepted(("c1",)),
            "lost": Lost(),
            "refused": Refused("1", Reason.NONE),
        }
        for one in batch:
            answered(one.attempt_id, answers[answer])

    carrier.behaviour = behave
    async with world.process(die_at=die_at) as process:
        (first,) = process.read(planned)
        await process.turn(TIMEOUT_S + 2)
        finished = first.ending == "finished"
    async with world.process() as process:
        (again,) = process.read(planned)
        await process.turn(TIMEOUT_S + 2)
    assert finished == (die_at >= 8)
    assert again.ending == "finished"
    said = {outcome for _, outcome in world.outcomes()}
    assert carrier.times_handed(planned.attempt_id) <= 1
    assert len(said) == 1, "one story, however often it is told"
    if carrier.handed:
        assert said <= {"submitted", "in-doubt"}
    if finished:
        expected = {"accepted": "submitted", "lost": "in-doubt", "refused": "refused"}
        assert said == {expected[answer]}


async def test_what_goes_out_has_the_countrys_sender_and_the_carriers_template() -> None:
    world = World(
        countries={"FR": CountryRoute(senders=SenderRules(rewrite="36180"))},
        templates={
            "score@2": CarrierTemplate(code="SMS_1", variables=("subject", "name", "absent")),
            "score@3": CarrierTemplate(code="SMS_2", state=TemplateState.PENDING),
        },
    )
    used = [
        TemplateUse(template_id="score", version=version, language="zh", variables=_VALUES)
        for version in (2, 3)
    ]
    messages = [message().model_copy(update={"template": use}) for use in used]
    async with world.process() as process:
        process.read(*map(plan, messages))
        await process.turn()
        assert {fact.sender for fact in world.kafka.facts()} == {"36180"}
    handed = {one.attempt_id: one for one in world.carriers["a"].handed}
    approved, pending = (handed[f"{one.message_id}-1"] for one in messages)
    assert (approved.sender, approved.template) == (
        "36180",
        Templated("SMS_1", ("maths", "Li", "")),
    )
    assert pending.template is None


_VALUES = {"name": "Li", "subject": "maths"}
