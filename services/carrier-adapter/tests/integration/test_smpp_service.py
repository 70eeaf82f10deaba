"""The service on real Kafka and MongoDB, handing over to the simulated carriers over SMPP."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    AttemptPlanned,
    ChannelReported,
    ReceiptReceived,
    ReceiptState,
    ReplyReceived,
)

from .world import Simulators, World, count, over_smpp, plans, simulators

pytestmark = pytest.mark.integration

LONG = "您的包裹已送达驿站，请凭取件码领取。" * 5


@pytest.fixture
async def world(kafka_url: str, mongo_url: str, namespace: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        world = World(kafka_url, mongo_url, namespace, stack)
        await world.begin("a")
        yield world


@pytest.fixture
async def sims() -> AsyncIterator[Simulators]:
    async with simulators() as running:
        yield running


def texting(planned: list[AttemptPlanned], text: str) -> list[AttemptPlanned]:
    return [
        plan.model_copy(update={"message": plan.message.model_copy(update={"text": text})})
        for plan in planned
    ]


async def test_a_thousand_attempts_and_their_receipts_of_every_kind_are_matched(
    world: World, sims: Simulators
) -> None:
    behaviour = {"delay_ms": 20, "delivered_ratio": 0.9, "duplicate_ratio": 0.2, "early_ratio": 0.3}
    await sims.set("a", receipt=behaviour, smpp={"receipt_form": "text"})
    await world.publish([over_smpp("a", sims, tps=3000)])
    await world.publish(planned := plans(1000, "a"))
    async with world.adapter(adapter_channels="a"):
        finished = await world.until(AttemptFinished, 1000)
        receipts = await world.until(ReceiptReceived, 1100)
    records = await sims.records("a")
    assert count(finished) == {"submitted": 1000}
    assert {one.attempt_id for one in finished} == {one.attempt_id for one in planned}
    by_id = {one.carrier_message_id: one.attempt_id for one in finished}
    assert {by_id[one.carrier_message_id] for one in receipts} == set(by_id.values())
    assert {one.state for one in receipts} == {ReceiptState.DELIVERED, ReceiptState.FAILED}
    assert (records["handed"], records["refs"]) == (1000, 1000)


async def test_a_long_message_has_a_receipt_for_each_part_and_one_may_fail(
    world: World, sims: Simulators
) -> None:
    await sims.set("a", receipt={"delay_ms": 20, "parts": {"2": "failed:UNDELIV"}})
    await world.publish([over_smpp("a", sims)])
    await world.publish(texting(plans(3, "a"), LONG))
    async with world.adapter(adapter_channels="a"):
        finished = await world.until(AttemptFinished, 3)
        receipts = await world.until(ReceiptReceived, 6)
    assert {(one.segments, len(one.carrier_message_ids)) for one in finished} == {(2, 2)}
    states = {one.carrier_message_id: one.state for one in receipts}
    for one in finished:
        assert [states[part] for part in one.carrier_message_ids] == [
            ReceiptState.DELIVERED,
            ReceiptState.FAILED,
        ]
    named = {(one.attempt_id, one.parts) for one in receipts if one.attempt_id}
    assert named <= {(one.attempt_id, 2) for one in finished}


async def test_binds_that_are_cut_lose_nothing_and_send_nothing_twice(
    world: World, sims: Simulators
) -> None:
    await sims.set("a", latency_ms={"p50": 20, "p99": 60}, receipt={"delay_ms": 20})
    await world.publish([over_smpp("a", sims, tps=500, window=100, submit_timeout_s=5.0)])
    await world.publish(planned := plans(1500, "a"))
    async with world.adapter(adapter_channels="a"):
        for cut in (300, 700):
            await world.until(AttemptFinished, cut)
            await sims.cut("a")
        finished = await world.until(AttemptFinished, 1500)
    records = await sims.records("a")
    outcomes = count(finished)
    assert {one.attempt_id for one in finished} == {one.attempt_id for one in planned}
    assert outcomes[AttemptOutcome.IN_DOUBT] <= 200, "at most a window a cut"
    assert outcomes[AttemptOutcome.SUBMITTED] >= 1300
    assert records["handed"] == records["refs"], "nothing was handed over twice"
    assert records["refs"] >= outcomes[AttemptOutcome.SUBMITTED]


async def test_a_carrier_that_refuses_the_bind_is_down_and_hands_back(
    world: World, sims: Simulators
) -> None:
    await sims.set("a", secret="another")
    await world.publish([over_smpp("a", sims)])
    await world.publish(plans(50, "a"))
    async with world.adapter(adapter_channels="a", adapter_down_after_s=0.5):
        finished = await world.until(AttemptFinished, 50)
        assert not (await world.read(ChannelReported))[-1].bound
    assert count(finished) == {"released": 50}
    assert (await sims.records("a"))["handed"] == 0


async def test_throttling_is_waited_out(world: World, sims: Simulators) -> None:
    await sims.set("a", throttle_tps=200)
    await world.publish([over_smpp("a", sims, tps=1000, submit_timeout_s=20.0)])
    await world.publish(plans(600, "a"))
    async with world.adapter(adapter_channels="a"):
        finished = await world.until(AttemptFinished, 600, timeout_s=40)
        reports = await world.read(ChannelReported)
    assert count(finished) == {"submitted": 600}
    assert max(report.throttled for report in reports) > 0


async def test_replies_come_in_long_ones_whole(world: World, sims: Simulators) -> None:
    await world.publish([over_smpp("a", sims)])
    async with world.adapter(adapter_channels="a"):
        async with asyncio.timeout(20):
            while True:
                reports = await world.read(ChannelReported)
                if reports and reports[-1].bound:
                    break
                await asyncio.sleep(0.1)
        await sims.replies("a", "+33600000001", "STOP")
        await sims.replies("a", "+33600000002", LONG)
        replies = await world.until(ReplyReceived, 2)
    said = Counter((one.sender, one.recipient, one.text) for one in replies)
    assert said == {
        ("+33600000001", "72345", "STOP"): 1,
        ("+33600000002", "72345", LONG): 1,
    }
    assert world.documents("reply_parts") == []
