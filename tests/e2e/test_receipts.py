"""Receipts before the answer, after it, twice, out of order, contradictory: the same state."""

import pytest

from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.events import AttemptOutcome, Status
from yizhan_contracts.reasons import Reason

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="session")]

CARRIER = "cathay-asia"

BEHAVIOURS = {
    "before the answer": {"early_ratio": 1},
    "before the answer, without our reference": {"early_ratio": 1, "echo_ref": False},
    "after the answer, without our reference": {"echo_ref": False},
    "twice": {"duplicate_ratio": 1},
    "twice and before the answer": {"duplicate_ratio": 1, "early_ratio": 1},
    "with an intermediate one": {"buffered_ratio": 1},
    "out of order": {"buffered_ratio": 1, "duplicate_ratio": 1, "reorder": True},
}


@pytest.mark.parametrize("how", BEHAVIOURS)
async def test_receipts_that_come_in_any_way_settle_the_same(world: World, how: str) -> None:
    await world.ends.carrier(CARRIER, latency_ms=200, receipt=BEHAVIOURS[how])
    ids = [await world.send(world.number("TH")) for _ in range(3)]
    for message_id in ids:
        settled = await world.settled(message_id)
        assert (settled.status, settled.revision, settled.attempts) == (Status.DELIVERED, 1, 1)
    for message_id in ids:
        assert [push["status"] for push in await world.pushed(message_id)] == ["0"]
        assert len(await world.ends.handed(message_id)) == 1


async def test_a_delivered_that_contradicts_a_failure_corrects_it_and_is_pushed_again(
    world: World,
) -> None:
    await world.ends.carrier(
        CARRIER,
        receipt={"delivered_ratio": 0, "fail_code": "MK:0001", "contradict_ratio": 1},
    )
    message_id = await world.send(world.number("VN"))
    settled = await world.settled(message_id, revision=2)
    assert settled.status is Status.DELIVERED
    said = world.topics.settled[message_id]
    first = next(event for event in said if event.revision == 1)
    assert (first.status, first.reason) == (Status.FAILED, Reason.NUMBER_VACANT)
    pushes = await world.pushed(message_id, times=2)
    assert [push["status"] for push in pushes] == ["1", "0"]
    assert len(await world.ends.handed(message_id)) == 1


async def test_a_failure_that_contradicts_a_delivered_changes_nothing(world: World) -> None:
    await world.ends.carrier(CARRIER, receipt={"contradict_ratio": 1})
    message_id = await world.send(world.number("ID"))
    settled = await world.settled(message_id)
    assert (settled.status, settled.revision) == (Status.DELIVERED, 1)
    await until(lambda: _has_both(world, message_id), "the contradiction to be known")
    assert {(s.status, s.revision) for s in world.topics.settled[message_id]} == {
        (Status.DELIVERED, 1)
    }
    assert [push["status"] for push in await world.pushed(message_id)] == ["0"]


async def _has_both(world: World, message_id: str) -> bool:
    timeline = (await world.story(message_id))["timeline"]
    return {"delivered", "failed"} <= {event.get("state") for event in timeline}


async def test_a_lost_answer_is_in_doubt_and_resent_as_a_new_attempt(world: World) -> None:
    # Its receipt comes too late to be of help before the next attempt is planned.
    await world.ends.carrier(
        CARRIER, by_country={"MY": {"lose_answer_ratio": 1, "receipt": {"delay_ms": 4000}}}
    )
    message_id = await world.send(world.number("MY"))
    settled = await world.settled(message_id)
    assert (settled.status, settled.attempts) == (Status.DELIVERED, 2)
    first, second = await world.ends.handed(message_id)
    assert (first.ref, first.carrier) == (f"{message_id}-1", CARRIER)
    assert (second.ref, second.carrier) == (f"{message_id}-2", "apex-global")
    outcomes = {f.attempt_id: f.outcome for f in world.topics.finished[message_id]}
    assert outcomes[first.ref] is AttemptOutcome.IN_DOUBT
    assert len(await world.pushed(message_id)) == 1


async def test_an_attempt_in_doubt_that_is_held_is_settled_by_its_receipt(world: World) -> None:
    await world.ends.carrier(
        CARRIER, by_country={"SG": {"lose_answer_ratio": 1, "receipt": {"delay_ms": 1500}}}
    )
    message_id = await world.send(world.number("SG"), account="-hold")
    settled = await world.settled(message_id)
    assert settled.status is Status.DELIVERED
    assert len(await world.ends.handed(message_id)) == 1
    (finished,) = world.topics.finished[message_id]
    assert finished.outcome is AttemptOutcome.IN_DOUBT
