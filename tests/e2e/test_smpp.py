"""A carrier that speaks SMPP, one of the demo: nothing else may tell it from the others."""

import asyncio
from collections import Counter

import pytest

from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.events import AttemptOutcome, Status

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(90),
    pytest.mark.asyncio(loop_scope="session"),
]

CARRIER = "delta-americas"
COUNTRY = "MX"
"""A country whose first channel is that carrier's."""


async def test_a_message_goes_out_over_a_bind_and_its_receipt_comes_back(world: World) -> None:
    message_id = await world.send(world.number(COUNTRY))
    settled = await world.settled(message_id)
    assert (settled.status, settled.channel) == (Status.DELIVERED, CARRIER)
    (handed,) = await world.ends.handed(message_id)
    assert handed.carrier == CARRIER
    assert len(await world.pushed(message_id)) == 1


async def test_binds_that_are_cut_lose_nothing_and_what_goes_twice_was_in_doubt(
    world: World,
) -> None:
    await world.ends.carrier(CARRIER, latency_ms=150)
    sending = [asyncio.ensure_future(world.send(world.number(COUNTRY))) for _ in range(60)]
    ids = await asyncio.gather(*sending)
    await until(lambda: any(i in world.topics.finished for i in ids), "the first answer")
    await world.ends.cut(CARRIER)
    settled = await asyncio.gather(*(world.settled(i, within_s=60) for i in ids))
    assert {one.status for one in settled} == {Status.DELIVERED}
    for message_id in ids:
        outcomes = Counter(fact.outcome for fact in world.topics.finished[message_id])
        handed = await world.ends.handed(message_id)
        assert len(handed) <= 1 + outcomes[AttemptOutcome.IN_DOUBT]
        assert len({one.ref for one in handed}) == len(handed), "no attempt went twice"
