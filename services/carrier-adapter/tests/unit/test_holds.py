"""What is held is never claimed: it waits without being in the way, expires, or is cancelled."""

from typing import Any

import pytest

from carrier_adapter.domain.claims import ClaimKind
from yizhan_contracts.events import AttemptOutcome, HoldKind, TemplateUse
from yizhan_contracts.reasons import Reason

from .fakes import EPOCH
from .world import TIMEOUT_S, World, message, plan

TEMPLATE = TemplateUse(template_id="ready", version=3, language="en")
HELD: list[tuple[HoldKind, str, dict[str, Any]]] = [
    (HoldKind.TEMPLATE, "ready", {"template": TEMPLATE}),
    (HoldKind.BATCH, "b-1", {"batch_id": "b-1"}),
    (HoldKind.SHIPMENT, "s-1", {"shipment_id": "s-1"}),
]
EPOCH_MS = int(EPOCH.timestamp() * 1000)
CRASHES = range(8)


@pytest.mark.parametrize(("kind", "held_id", "how"), HELD, ids=[kind for kind, *_ in HELD])
async def test_what_is_held_waits_and_others_pass(
    kind: HoldKind, held_id: str, how: dict[str, Any]
) -> None:
    world = World()
    async with world.process() as process:
        process.hold(kind, held_id)
        held, other = process.read(planned := plan(**how), passing := plan())
        await process.turn(1)
        assert (held.ending, held.delay, other.ending) == ("parked", "5s", "finished")
        assert set(world.store.claims) == {passing.attempt_id}
        process.hold(kind, held_id, held=False)
        (again,) = process.read(planned, first_seen_ms=EPOCH_MS)
        await process.turn(1)
        assert again.ending == "finished"
    assert world.carriers["a"].times_handed(planned.attempt_id) == 1


async def test_an_account_is_held_whole() -> None:
    world = World()
    async with world.process() as process:
        process.hold(HoldKind.ACCOUNT, "demo")
        records = process.read(plan(), plan())
        await process.turn(1)
    assert [one.ending for one in records] == ["parked"] * 2
    assert not world.store.claims


async def test_a_batch_is_held_within_its_account() -> None:
    world = World()
    async with world.process() as process:
        process.hold(HoldKind.BATCH, "b-1", account_id="another")
        (passing,) = process.read(plan(batch_id="b-1"))
        await process.turn(1)
        process.hold(HoldKind.BATCH, "b-1", account_id="demo")
        (held,) = process.read(plan(batch_id="b-1"))
        await process.turn(1)
    assert (passing.ending, held.ending) == ("finished", "parked")


async def test_a_channel_is_held_and_others_go_on() -> None:
    world = World("a", "b")
    async with world.process() as process:
        process.hold(HoldKind.CHANNEL, "a")
        (held,), (other,) = process.read(plan()), process.read(plan(channel="b"))
        await process.turn(1)
    assert (held.ending, other.ending) == ("parked", "finished")


async def test_what_is_held_past_its_validity_expires() -> None:
    world = World()
    async with world.process() as process:
        process.hold(HoldKind.ACCOUNT, "demo")
        process.read(plan(valid_for_s=-1))
        await process.turn(1)
    assert [outcome for _, outcome in world.outcomes()] == ["expired"]


@pytest.mark.parametrize(
    ("held_for_s", "valid_for_s", "delay"),
    [(0, 3600, "5s"), (29, 3600, "5s"), (31, 3600, "60s"), (31, 69, "5s")],
)
async def test_what_is_held_for_long_is_looked_at_seldom_but_before_its_last_deadline(
    held_for_s: int, valid_for_s: int, delay: str
) -> None:
    world = World()
    async with world.process() as process:
        process.hold(HoldKind.ACCOUNT, "demo")
        first_seen_ms = EPOCH_MS - held_for_s * 1000
        (held,) = process.read(plan(valid_for_s=valid_for_s), first_seen_ms=first_seen_ms)
        await process.turn()
    assert (held.ending, held.delay) == ("parked", delay)


async def test_cclaim_what_is_cancelled_takes_its_claim_first_and_is_reported_once_for_all() -> (
    None
):
    """The claim decides: an adapter that has not heard of the hold sends nothing."""
    world = World()
    planned = plan()
    async with world.process() as process, world.process() as other:
        process.hold(HoldKind.ACCOUNT, "demo", cancel=True)
        process.read(planned)
        await process.turn(1)
        (again,) = other.read(planned)
        await process.turn(1)
        assert again.ending == "finished"
    claim = world.store.claims[planned.attempt_id]
    assert (claim.kind, claim.channel) == (ClaimKind.CANCELLED, "a")
    facts = world.kafka.facts()
    said = [(one.channel, one.outcome, one.reason, one.message) for one in facts]
    cancelled = ("a", AttemptOutcome.UNROUTABLE, Reason.CANCELLED, planned.message)
    assert said == [cancelled] * 2
    assert not world.carriers["a"].handed


async def test_cclaim_a_claim_that_is_there_wins_over_the_cancellation() -> None:
    world = World()
    planned = plan()
    async with world.process() as other:
        other.read(planned)
        await other.turn(1)
    async with world.process() as process:
        process.hold(HoldKind.ACCOUNT, "demo", cancel=True)
        process.read(planned)
        await process.turn(1)
    assert [outcome for _, outcome in world.outcomes()] == ["submitted"] * 2


@pytest.mark.parametrize("die_at", CRASHES)
async def test_crepub_death_at_any_step_of_a_cancellation_neither_sends_nor_loses(
    die_at: int,
) -> None:
    world = World()
    planned = plan()
    async with world.process(die_at=die_at) as process:
        process.hold(HoldKind.ACCOUNT, "demo", cancel=True)
        process.read(planned)
        await process.turn(TIMEOUT_S)
    was_claimed = planned.attempt_id in world.store.claims
    async with world.process() as process:  # nothing is held any more
        (opened,) = process.read(planned)
        await process.turn(TIMEOUT_S * 2)
        assert opened.ending == "finished"
    outcomes = {outcome for _, outcome in world.outcomes()}
    assert outcomes == ({"unroutable"} if was_claimed else {"submitted"})
    assert len(world.carriers["a"].handed) == (not was_claimed)


async def test_what_the_router_cancels_is_closed_on_the_channel_none() -> None:
    world = World()
    async with world.process() as process:
        process.read(plan(message(max_attempts=2), channel="none", reason=Reason.CANCELLED))
        await process.turn(1)
    (fact,) = world.kafka.facts()
    assert (fact.outcome, fact.reason) == (AttemptOutcome.UNROUTABLE, Reason.CANCELLED)
    assert {claim.kind for claim in world.store.claims.values()} == {ClaimKind.CLOSED}


async def test_a_hold_that_comes_while_the_store_is_away_is_looked_at_too() -> None:
    world = World()
    world.store.away, world.store.only = 3, "claim"
    async with world.process() as process:
        (opened,) = process.read(plan())
        await process.turn()
        process.hold(HoldKind.ACCOUNT, "demo")
        await process.turn(10)
    assert opened.ending == "parked"
    assert not world.store.claims


async def test_what_comes_back_goes_first_and_never_holds_its_retry_topic_up_for_long() -> None:
    world = World(tps=1.0)
    async with world.process() as process:
        process.read(*(plan() for _ in range(50)))
        await process.turn(1)
        returned = process.read(*(plan() for _ in range(30)), first_seen_ms=EPOCH_MS)
        before = len(world.carriers["a"].handed)
        await process.turn(9)
        sent = {one.attempt_id for one in world.carriers["a"].handed[before:]}
        await process.turn(3)
        endings = [one.ending for one in returned]
    mine = {one.record.record.event.attempt_id for one in returned}
    assert len(sent & mine) >= len(sent) - 1
    assert set(endings) == {"finished", "parked"}
    assert {one.delay for one in returned if one.ending == "parked"} == {"5s"}
