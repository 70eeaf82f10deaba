"""Nothing to do: nothing written anywhere, and hardly any CPU."""

import asyncio
import time
from collections import Counter

import psutil
import pytest
from pymongo import MongoClient

from tests.support.notes import note
from tests.support.records import consumer_of, partitions
from tests.support.settling import until
from tests.support.world import SERVICES, World
from yizhan_contracts.topics import all_topics

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]

IDLE_S = 25.0
MOST_CPU = 0.05
"""Of one core, for one process. A busy loop takes all of it."""

CURSORS = 2
"""The sweeper's. A check of a message that settled long ago may fall into these seconds: the cursor
that passes it is saved, once a minute at most."""

Counts = Counter[str]


async def test_an_idle_stack_writes_nothing_and_costs_little(world: World) -> None:
    await _until_quiet(world)
    before, cpu_before, begun = await _writes(world), _cpu(world), time.monotonic()
    await asyncio.sleep(IDLE_S)
    written = await _writes(world)
    written.subtract(before)
    spent = {
        name: (seconds - cpu_before[name]) / (time.monotonic() - begun)
        for name, seconds in _cpu(world).items()
    }
    shares = ", ".join(f"{name} {share:.1%}" for name, share in spent.items())
    note(f"CPU of an idle stack over {IDLE_S:.0f} s: {shares}; in all {sum(spent.values()):.1%}")
    assert _kept(written) <= CURSORS
    assert {what: count for what, count in written.items() if count} == {}
    assert {name: share for name, share in spent.items() if share > MOST_CPU} == {}


def _kept(written: Counts) -> int:
    """Take the sweeper's cursors out of what was written; give how often they were saved."""
    return sum(written.pop(what) for what in list(written) if what.endswith("_receipts.cursors"))


async def _until_quiet(world: World) -> None:
    """Wait for the last message to settle, and for the reports of it to be over."""
    accepted = world.accepted
    await until(lambda: accepted <= world.topics.settled.keys(), "all settled", within_s=60)
    await world.settled(world.late, revision=2, within_s=60)
    same, last, moving = 0, await _writes(world), list[str]()

    async def is_quiet() -> bool:
        nonlocal same, last, moving
        now = await _writes(world)
        changed = [what for what, n in now.items() if n != last[what]]
        same, last, moving = (0 if changed else same + 1), now, moving + changed
        return same >= 5

    try:
        await until(is_quiet, "nothing more written", within_s=60, every_s=1.0)
    except AssertionError as error:
        raise AssertionError(f"still written: {moving[-20:]}") from error


async def _writes(world: World) -> Counts:
    """Count what was ever committed, published or inserted: by the services, Kafka and mongod."""
    counts: Counts = Counter()
    for service in SERVICES:
        for name, value in (await world.metrics(service)).items():
            if name.startswith(("yizhan_commits_total", "yizhan_records_published_total")):
                counts[f"{service} {name}"] = int(value)
    async with consumer_of(world) as consumer:
        names = [topic.name for topic in all_topics(world.channels())]
        for tp, end in (await consumer.end_offsets(await partitions(world, *names))).items():
            counts[f"records of {tp.topic}"] += end
    return counts | Counter(await asyncio.to_thread(_mongo_writes, world))


def _mongo_writes(world: World) -> dict[str, int]:
    prefix = world.namespace.replace(".", "_").replace("-", "_")
    with MongoClient[dict[str, object]](world.stack.servers.mongo_url) as client:
        top = client.admin.command("top")["totals"]
    return {
        f"MongoDB {kind} {collection}": used[kind]["count"]
        for collection, used in top.items()
        if collection.startswith(prefix)
        for kind in ("insert", "update", "remove")
    }


def _cpu(world: World) -> dict[str, float]:
    found = {}
    for name in (*SERVICES, "simulators"):
        times = psutil.Process(world.stack.pid(name)).cpu_times()
        found[name] = times.user + times.system
    return found
