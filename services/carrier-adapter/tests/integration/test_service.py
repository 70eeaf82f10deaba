"""The service on real Kafka and MongoDB, handing over to the simulated carriers over HTTP."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import aiohttp
import pytest

from carrier_adapter.adapters.mongo import MongoAttemptStore
from carrier_adapter.conservation import ChannelCount, Conservation
from yizhan_contracts.events import (
    AttemptFinished,
    ChannelReported,
    HoldChanged,
    ReceiptReceived,
    ReceiptState,
    ReplyReceived,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime import SystemClock
from yizhan_runtime.errors import Retryable

from .world import (
    SECRETS,
    Simulators,
    World,
    configured,
    count,
    free_port,
    now,
    over_smpp,
    plans,
    simulators,
)

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(kafka_url: str, mongo_url: str, namespace: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        world = World(kafka_url, mongo_url, namespace, stack)
        await world.begin("a", "b")
        yield world


@pytest.fixture
async def sims() -> AsyncIterator[Simulators]:
    async with simulators() as running:
        yield running


async def test_a_thousand_attempts_are_handed_over_once_and_their_receipts_taken(
    world: World, sims: Simulators
) -> None:
    await sims.set("a", receipt={"delay_ms": 20, "delivered_ratio": 0.9, "duplicate_ratio": 0.2})
    await world.publish([configured("a", sims.url)])
    await world.publish(planned := plans(1000, "a"))
    async with world.adapter(adapter_channels="a") as service:
        finished = await world.until(AttemptFinished, 1000)
        receipts = await world.until(ReceiptReceived, 1100)
        conservation = Conservation(MongoAttemptStore(service.mongo()), SystemClock())
        (channel,) = (await conservation.count(None, None)).channels
        rough = await conservation.count_roughly(now() - timedelta(1), now() + timedelta(1))
        assert rough == ({"a": 1000}, 1000)
        await asyncio.sleep(0.5)
        assert await world.committed() == 1000
    records = await sims.records("a")
    assert count(finished) == {"submitted": 1000}
    assert {one.attempt_id for one in finished} == {one.attempt_id for one in planned}
    assert {one.attempt_id for one in receipts} == {one.attempt_id for one in planned}
    assert {one.country for one in receipts} == {"FR"}
    assert {one.state for one in receipts} == {ReceiptState.DELIVERED, ReceiptState.FAILED}
    assert (records["handed"], records["refs"]) == (1000, 1000)
    assert channel == ChannelCount(channel="a", claimed=1000, finished=1000)
    assert len(world.documents("claims")) == len(world.documents("outcomes")) == 1000


async def test_carriers_that_do_not_echo_are_matched_by_their_own_ids_and_replies_come_back(
    world: World, sims: Simulators
) -> None:
    await sims.set("a", receipt={"delay_ms": 50, "echo_ref": False})
    await world.publish([configured("a", sims.url)])
    await world.publish(planned := plans(50, "a"))
    async with world.adapter(adapter_channels="a"):
        receipts = await world.until(ReceiptReceived, 50)
        await sims.reply("a", **{"from": planned[0].message.recipient, "to": "36180", "text": "Y"})
        (reply,) = await world.until(ReplyReceived, 1)
    assert (reply.sender, reply.recipient) == (planned[0].message.recipient, "36180")
    assert {one.attempt_id for one in receipts} == {one.attempt_id for one in planned}


async def test_all_channels_of_the_table_are_served_and_a_new_one_ends_the_process(
    world: World, sims: Simulators
) -> None:
    await world.publish([configured("a", sims.url)])
    async with world.adapter() as service:
        await world.publish(plans(10, "a"))
        await world.until(AttemptFinished, 10)
        await world.publish([configured("b", sims.url), configured("c", sims.url)])
        async with asyncio.timeout(20):
            await service.until_ended()
        assert isinstance(service.failure, Retryable)
    async with world.adapter() as service:
        await world.publish(plans(10, "b"))
        await world.until(AttemptFinished, 20)
        assert service.failure is None


async def test_what_has_no_channel_is_reported(world: World, sims: Simulators) -> None:
    await world.publish([configured("a", sims.url)])
    await world.publish(plans(20, "none", reason=Reason.NO_ROUTE))
    await world.publish(plans(10, "a", valid_for_s=-1))
    async with world.adapter(adapter_channels="a"):
        finished = await world.until(AttemptFinished, 30)
    assert count(finished) == {"unroutable": 20, "expired": 10}
    assert {document["kind"] for document in world.documents("claims")} == {"closed"}
    assert len(world.documents("claims")) == 60


async def test_a_channel_that_is_down_hands_back_and_the_report_says_so(
    world: World, sims: Simulators
) -> None:
    await sims.set("a", down=True)
    await world.publish([configured("a", sims.url, window=50)])
    await world.publish(plans(300, "a"))
    async with world.adapter(adapter_channels="a"):
        finished = await world.until(AttemptFinished, 300)
        reports = await world.read(ChannelReported)
        assert not reports[-1].bound
        await sims.set("a", down=False)
        async with asyncio.timeout(20):
            while not (await world.read(ChannelReported))[-1].bound:
                await asyncio.sleep(0.2)
        await world.publish(plans(5, "a"))
        await world.until(AttemptFinished, 305)
    outcomes = count(finished)
    assert outcomes["released"] + outcomes["in-doubt"] + outcomes["failed"] == 300
    assert outcomes["released"] >= 250
    assert (await sims.records("a"))["handed"] == 5


async def test_what_is_held_waits_and_goes_on_and_what_is_cancelled_is_never_sent(
    world: World, sims: Simulators
) -> None:
    held, gone, others = (plans(20, "a", batch_id=name) for name in ("held", "gone", "other"))
    await world.publish([configured("a", sims.url), _hold("held"), _hold("gone", cancel=True)])
    await world.publish([*held, *gone, *others])
    async with world.adapter(adapter_channels="a"):
        finished = await world.until(AttemptFinished, 40)
        assert count(finished) == {"submitted": 20, "unroutable": 20}
        assert (await sims.records("a"))["handed"] == 20
        await world.publish([_hold("held", held=False)])
        finished = await world.until(AttemptFinished, 60)
    assert count(finished) == {"submitted": 40, "unroutable": 20}
    cancelled = [one for one in finished if one.reason is Reason.CANCELLED]
    assert {one.attempt_id for one in cancelled} == {one.attempt_id for one in gone}
    assert (await sims.records("a"))["refs"] == 40


def _hold(batch_id: str, **how: bool) -> HoldChanged:
    return HoldChanged.model_validate(
        {"kind": "batch", "held_id": batch_id, "held": True, "changed_at": now(), **how}
    )


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["http-json", "smpp"])
async def test_kill_9_of_the_adapter_sends_nothing_twice_and_loses_nothing(
    world: World, sims: Simulators, kafka_url: str, mongo_url: str, namespace: str, protocol: str
) -> None:
    await sims.set("a", latency_ms={"p50": 30, "p99": 200}, receipt={"delay_ms": 50})
    if protocol == "smpp":
        await world.publish([over_smpp("a", sims, window=100)])
    else:
        await world.publish([configured("a", sims.url, window=100, batch_max=10)])
    await world.publish(planned := plans(3000, "a"))
    port = free_port()
    environment = {
        **os.environ,
        **SECRETS,
        "YIZHAN_KAFKA_URL": kafka_url,
        "YIZHAN_MONGO_URL": mongo_url,
        "YIZHAN_NAMESPACE": namespace,
        "YIZHAN_HTTP_PORT": str(port),
        "YIZHAN_INSTANCE": "one",
        "YIZHAN_ADAPTER_CHANNELS": "a",
        "YIZHAN_ADAPTER_CALLBACK_URL": f"http://127.0.0.1:{port}",
    }
    for lives in range(1, 5):
        process = subprocess.Popen(  # noqa: ASYNC220 - it is killed at once
            [sys.executable, "-m", "carrier_adapter"], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            if lives < 4:
                await asyncio.wait_for(_handed_over(sims, 500 * lives), 30)
            else:
                async with asyncio.timeout(60):
                    while len({f.attempt_id for f in await world.read(AttemptFinished)}) < 3000:
                        await asyncio.sleep(0.5)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    finished = await world.read(AttemptFinished)
    said: dict[str, set[str]] = {}
    for fact in finished:
        said.setdefault(fact.attempt_id, set()).add(fact.outcome.value)
    assert said.keys() == {one.attempt_id for one in planned}
    records = await sims.records("a")
    assert records["handed"] == records["refs"]
    in_doubt = [attempt for attempt, outcomes in said.items() if outcomes == {"in-doubt"}]
    assert len(in_doubt) <= 300, "at most a window a kill"
    assert all(said[attempt] in ({"submitted"}, {"in-doubt"}) for attempt in said)


async def _handed_over(sims: Simulators, messages: int) -> None:
    while (await sims.records("a"))["handed"] < messages:
        await asyncio.sleep(0.05)


async def test_the_channels_can_be_looked_at(world: World, sims: Simulators) -> None:
    await world.publish([configured("a", sims.url)])
    async with world.adapter(adapter_channels="a") as service, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{service.settings.http_port}/v1/channels"
        async with http.get(url) as response:
            (channel,) = (await response.json())["channels"]
    assert (channel["channel"], channel["is_bound"], channel["window"]) == ("a", True, 500)
