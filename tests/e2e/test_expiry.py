"""What is not handed over in time is never handed over."""

import pytest

from tests.support.world import World
from yizhan_contracts.events import AttemptOutcome, Status

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="session")]


async def test_a_message_past_its_validity_settles_expired_and_is_not_sent(world: World) -> None:
    """Of two messages for a channel that takes one in a hundred seconds, valid for thirty."""
    settled = [await world.settled(i, within_s=60) for i in world.dripping]
    assert {event.status for event in settled} == {Status.DELIVERED, Status.EXPIRED}
    (expired,) = [event for event in settled if event.status is Status.EXPIRED]
    assert await world.ends.handed(expired.message_id) == []
    assert [f.outcome for f in world.topics.finished[expired.message_id]] == [
        AttemptOutcome.EXPIRED
    ]
    (push,) = await world.pushed(expired.message_id)
    assert (push["status"], push["resp_message"]) == ("1", "validity-expired")
