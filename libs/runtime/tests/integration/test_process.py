"""A service as a process: signals, exit codes, instances, idleness."""

import asyncio
import json
import random
import signal
import socket
import time
from collections import Counter
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from libs.runtime.tests.support import until_async

from yizhan_contracts.topics import VOICE_FINISHED, VOICE_REQUESTED

pytestmark = pytest.mark.integration

IN, OUT = VOICE_REQUESTED.name, VOICE_FINISHED.name
GROUP = "voice-fallback"


async def relayed(corner: Any) -> Counter[bytes]:
    return Counter(record.value for record in await corner.read(OUT))


async def until_relayed(corner: Any, count: int, within_s: float = 40.0) -> Counter[bytes]:
    async def all_there() -> bool:
        return len(await relayed(corner)) >= count

    await until_async(all_there, within_s)
    return await relayed(corner)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("mode", "delay_s"), [("batches", 0.1), ("window", 0.3)])
async def test_a_sigterm_under_load_loses_nothing_and_repeats_nothing(
    corner: Any, program: Any, mode: str, delay_s: float
) -> None:
    settings = {"program_mode": mode, "program_delay_s": delay_s}
    values = [b"%d" % n for n in range(3000)]
    first = await (await program(**settings).start()).until_started()
    feeding = asyncio.create_task(corner.send(IN, values))
    await until_relayed(corner, 200)
    first.signal(signal.SIGTERM)
    begun = time.monotonic()
    assert await first.exit_code() == 0
    assert time.monotonic() - begun < 10
    await feeding
    second = await (await program(**settings).start()).until_started()
    assert await until_relayed(corner, 3000) == Counter(values)
    second.signal(signal.SIGTERM)
    assert await second.exit_code() == 0
    assert await corner.committed(GROUP, IN) == 3000
    assert all(line.startswith("{") for line in second.text().splitlines()), second.text()


@pytest.mark.timeout(120)
async def test_a_kill_under_load_loses_nothing(corner: Any, program: Any) -> None:
    values = [b"%d" % n for n in range(2000)]
    settings = {"program_mode": "window", "program_delay_s": 0.2, "instance": "a"}
    first = await (await program(**settings).start()).until_started()
    await corner.send(IN, values)
    await until_relayed(corner, 200)
    first.signal(signal.SIGKILL)
    await first.exit_code()
    begun = time.monotonic()
    await (await program(**settings).start()).until_started()
    started_s = time.monotonic() - begun
    assert set(await until_relayed(corner, 2000)) == set(values)
    # A static member takes its partitions over: it does not wait for the session of the dead one.
    assert started_s < 8.0


async def test_missing_topics_and_wrong_partition_counts_are_named(
    corner: Any, program: Any
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=corner.kafka_url)
    await admin.start()
    names = [corner.namespace + name for name in (IN, "voice-fallback.dlq")]
    await admin.delete_topics(names)
    while corner.namespace + IN in await admin.list_topics():
        await asyncio.sleep(0.2)
    await admin.create_topics([NewTopic(corner.namespace + IN, 3, 1)])
    await admin.close()
    started = await program().start()
    assert await started.exit_code() == 78
    [why] = [line["why"] for line in started.said("ending")]
    assert f"topic {corner.namespace}{IN} has 3 partitions, not 6" in why
    assert f"topic {corner.namespace}voice-fallback.dlq is missing" in why
    assert "yizhan topics apply" in why


async def test_settings_that_are_wrong_are_named_without_their_values(program: Any) -> None:
    wrong = await program(log_level="secret-level", publish_timeout_s=-7).start()
    assert await wrong.exit_code() == 78
    [line] = wrong.said("cannot run like this")
    assert "log_level" in line["why"]
    assert "publish_timeout_s" in line["why"]
    assert "secret" not in json.dumps(wrong.lines())


async def test_a_port_that_is_taken_is_named(program: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        started = await program(http_port=port).start()
        assert await started.exit_code() == 78
        assert f"127.0.0.1:{port}" in started.said("ending")[0]["why"]


async def test_a_kafka_that_never_comes_is_exit_code_75(program: Any) -> None:
    started = await program(kafka_url="127.0.0.1:1", start_timeout_s=2).start()
    assert await started.exit_code() == 75
    assert started.said("waiting")


async def test_a_signal_during_the_start_ends_it_at_once(program: Any) -> None:
    started = await program(kafka_url="127.0.0.1:1").start()
    await until_async(lambda: _said(started, "waiting"), 20)
    begun = time.monotonic()
    started.signal(signal.SIGTERM)
    assert await started.exit_code() == 0
    assert time.monotonic() - begun < 5


async def _said(program: Any, event: str) -> bool:
    return bool(program.said(event))


async def test_a_poisoned_producer_ends_the_process(corner: Any, program: Any) -> None:
    started = await (await program().start()).until_started()
    await corner.configure(OUT, **{"max.message.bytes": "2000"})
    await corner.send(IN, [_incompressible(10_000)])
    assert await started.exit_code() == 70
    assert "poisoned: MessageSizeTooLargeError" in started.said("ending")[0]["why"]
    assert await corner.committed(GROUP, IN) == 0


def _incompressible(size: int) -> bytes:
    return random.Random(7).randbytes(size)


@pytest.mark.timeout(150)
async def test_of_two_processes_with_one_instance_id_one_ends_and_the_other_goes_on(
    corner: Any, program: Any
) -> None:
    first = await (await program(instance="same").start()).until_started()
    await corner.send(IN, [b"before"])
    await until_relayed(corner, 1)
    second = await program(instance="same").start()

    async def one_has_ended() -> bool:
        return not (first.is_running() and second.is_running())

    await until_async(one_has_ended, 90)
    loser, survivor = (first, second) if second.is_running() else (second, first)
    assert await loser.exit_code() in (70, 75)
    await survivor.until_started()
    await corner.send(IN, [b"after %d" % n for n in range(60)])
    await until_relayed(corner, 61)


async def test_more_instances_than_partitions_are_all_ready(corner: Any, program: Any) -> None:
    # Each retry topic has two partitions: the third instance is spare there.
    all_started = [await program().start() for _ in range(3)]
    for one in all_started:
        await one.until_started()

    async def all_ready() -> bool:
        return all([(await one.get("/ready"))[0] == 200 for one in all_started])

    await until_async(all_ready, 20)


@pytest.mark.timeout(120)
async def test_idle_it_writes_nothing_commits_nothing_and_hardly_runs(
    corner: Any, program: Any
) -> None:
    started = await (await program(program_mongo=True).start()).until_started()
    await corner.send(IN, [b"warm"])
    await until_relayed(corner, 1)
    await asyncio.sleep(2)
    before = await _activity(started)
    cpu_before, begun = started.cpu_s(), time.monotonic()
    await asyncio.sleep(20)
    cpu = (started.cpu_s() - cpu_before) / (time.monotonic() - begun)
    assert await _activity(started) == before
    print(f"\nidle: {cpu:.2%} of a core")  # noqa: T201 - the figure is the point
    assert cpu < 0.06
    assert (await started.get("/ready"))[0] == 200


async def _activity(program: Any) -> list[float]:
    names = (
        "yizhan_commits_total",
        "yizhan_records_published_total",
        "yizhan_records_consumed_total",
        "yizhan_handler_seconds_count",
    )
    writes = [await program.metric("yizhan_mongo_seconds_count", operation="insert")]
    return [*[await program.metric(name) for name in names], *writes]


async def test_a_mongodb_that_never_comes_is_exit_code_75(program: Any) -> None:
    nowhere = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500"
    started = await program(program_mongo=True, mongo_url=nowhere, start_timeout_s=3).start()
    assert await started.exit_code() == 75
    assert "MongoDB ping on admin failed" in started.said("ending")[0]["why"]
