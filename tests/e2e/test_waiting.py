"""What takes long: sent when the stack starts, looked at here."""

import pytest

from tests.support.world import World
from yizhan_contracts.events import AttemptOutcome, Status
from yizhan_contracts.reasons import Reason

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="session")]


async def test_a_message_past_its_validity_settles_expired_and_is_not_sent(world: World) -> None:
    """Of two messages for a channel that takes one in twenty seconds, valid for thirty."""
    settled = [await world.settled(i, within_s=60) for i in world.dripping]
    assert {event.status for event in settled} == {Status.DELIVERED, Status.EXPIRED}
    (expired,) = [event for event in settled if event.status is Status.EXPIRED]
    assert await world.ends.handed(expired.message_id) == []
    outcomes = {f.outcome for f in world.topics.finished[expired.message_id]}
    assert outcomes == {AttemptOutcome.EXPIRED}
    (push,) = await world.pushed(expired.message_id)
    assert (push["status"], push["resp_message"]) == ("1", "validity-expired")


async def test_silence_is_unknown_and_a_late_delivered_corrects_it_and_is_pushed_again(
    world: World,
) -> None:
    """A receipt that comes after the last deadline: validity, submit timeout, and 10 s."""
    settled = await world.settled(world.late, revision=2, within_s=80)
    assert settled.status is Status.DELIVERED
    first = next(event for event in world.topics.settled[world.late] if event.revision == 1)
    assert (first.status, first.reason) == (Status.UNKNOWN, Reason.RECEIPT_OVERDUE)
    pushes = await world.pushed(world.late, times=2)
    assert [(push["status"], push["resp_message"]) for push in pushes] == [
        ("1", "receipt-overdue"),
        ("0", ""),
    ]
    assert len(await world.ends.handed(world.late)) == 1
