"""A channel dies under its queue while a router is killed: all of it goes out by others, once."""

import asyncio
import os
from collections import Counter
from datetime import datetime

import pytest

from tests.fault.conftest import QUEUE
from tests.support.conservation import conserved
from tests.support.settling import until
from tests.support.world import World
from yizhan_contracts.events import AttemptOutcome, Status

pytestmark = [
    pytest.mark.fault,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

QUEUED = int(os.environ.get("YIZHAN_TEST_QUEUED", "300"))
OTHERS = ("apex-global", "fallback-global")


async def test_the_queue_of_a_channel_that_dies_goes_out_by_others_once(world: World) -> None:
    """Ten thousand, and how long they take: ``python -m bench.failover queue``."""
    await asyncio.gather(*(world.operate("router", f"/v1/channels/{c}/drain") for c in OTHERS))
    ids = await asyncio.gather(*(world.send(world.number(QUEUE)) for _ in range(QUEUED)))
    await until(lambda: all(i in world.topics.plans for i in ids), "all to be planned")
    assert {world.topics.plans[i][0].channel for i in ids} == {"queue"}
    await asyncio.gather(*(world.operate("router", f"/v1/channels/{c}/enable") for c in OTHERS))
    await world.ends.carrier("queue", down=True)
    await asyncio.to_thread(world.stack.kill, _router(world))
    # Lost answers, and what was on its way when the carrier died.
    balance = await conserved(world, ids, most_in_doubt=20 + QUEUED // 10)
    assert balance.statuses.keys() <= {Status.DELIVERED, Status.FAILED}

    valid_until = {i: world.topics.plans[i][0].message.valid_until for i in ids}
    handed = [one for i in ids for one in await world.ends.handed(i)]
    assert max(Counter(one.ref for one in handed).values()) == 1
    late = [o for o in handed if _at(o.story["at"]) > valid_until[o.ref.partition("-")[0]]]
    assert not late
    released = {
        fact.attempt_id
        for i in ids
        for fact in world.topics.finished[i]
        if fact.outcome is AttemptOutcome.RELEASED
    }
    assert len(released) > QUEUED // 2


def _router(world: World) -> str:
    return next(name for name in world.stack.names if name.startswith("router"))


def _at(said: str) -> datetime:
    return datetime.fromisoformat(said)
