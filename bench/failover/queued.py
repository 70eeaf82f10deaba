"""Thousands of messages queued on a channel that dies: where they went, and how long it took."""

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.failover.broken import doubles
from bench.failover.house import BRIEF, BRIEF_VALIDITY_S, CHANNELS, House, open_house
from bench.failover.seen import Handed, Said, hand_overs, quantiles_ms, read_all
from bench.load import SettledCounter, publish_events, shipment_events
from yizhan_contracts.events import AttemptOutcome, Lane, Status
from yizhan_contracts.topics import attempt_planned

ALPHA, *OTHERS = CHANNELS
_NARROW_TPS = 20
_AT_ONCE = "out-for-delivery"
"""Goes by the urgent lane: a few of these come while all the others are handed back."""
_URGENT, _URGENT_RATE = 200, 20


async def run(count: int, queued_s: float, within_s: float) -> dict[str, Any]:
    """Let ``count`` messages queue on a channel of 20 a second for a while, then break it."""
    async with open_house(routers=3, alpha_tps=_NARROW_TPS) as house:
        async with SettledCounter(*house.kafka) as settled:
            # With the others draining there is nowhere else to go, so nothing spills over.
            for channel in OTHERS:
                await house.operate(channel, "drain")
            events = shipment_events(count, secrets.token_hex(3), random.Random(11))
            brief = shipment_events(count // 20, secrets.token_hex(3), random.Random(13), BRIEF)
            await publish_events(*house.kafka, [*events[count // 2 :], *brief], 0)
            await publish_events(*house.kafka, events[: count // 2], 0)
            count += len(brief)
            await _until_planned(house, count, within_s)
            await asyncio.sleep(queued_s)
            for channel in OTHERS:
                await house.operate(channel, "enable")
            before = (await house.parties.carriers())["carriers"][ALPHA]["handed"]
            await house.behave(ALPHA, {"down": True})
            broken, begun = datetime.now(UTC), time.monotonic()
            urgent = shipment_events(_URGENT, secrets.token_hex(3), random.Random(12), _AT_ONCE)
            await publish_events(*house.kafka, urgent, _URGENT_RATE)
            done = await settled.wait_for(count + _URGENT, within_s)
            seconds = time.monotonic() - begun
        said, handed = await read_all(house), await hand_overs(house)
    return {
        "messages": count + _URGENT,
        f"valid_for_{BRIEF_VALIDITY_S}_s_only": len(brief),
        "taken_by_alpha_before_it_died": before,
        "settled": done,
        "statuses": said.statuses(),
        "seconds_until_the_last_settled": round(seconds, 1),
        **_of_hand_overs(said, handed, broken),
        **_of_urgent(said, handed, broken),
        **doubles(said, handed),
    }


async def _until_planned(house: House, count: int, within_s: float) -> None:
    """Wait until all of them are on alpha's topics, by these topics' end offsets."""
    kafka_url, namespace = house.kafka
    partitions = [
        TopicPartition(namespace + topic.name, partition)
        for topic in (attempt_planned(ALPHA, lane) for lane in Lane)
        for partition in range(topic.partitions)
    ]
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_url, enable_auto_commit=False)
    await consumer.start()
    try:
        async with asyncio.timeout(within_s):
            while sum((await consumer.end_offsets(partitions)).values()) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()


def _of_hand_overs(said: Said, handed: list[Handed], broken: datetime) -> dict[str, Any]:
    valid_until = {plan.message.message_id: plan.message.valid_until for plan in said.plans}
    after = sorted((one.at - broken).total_seconds() for one in handed if one.carrier != ALPHA)
    released = {
        fact.attempt_id for fact in said.finished if fact.outcome is AttemptOutcome.RELEASED
    }
    return {
        "released": len(released),
        "taken_by_others": len(after),
        "seconds_until_the_first_by_others": round(after[0], 1) if after else None,
        "seconds_until_the_last_by_others": round(after[-1], 1) if after else None,
        "a_second_by_others": round(len(after) / max(after[-1], 0.1)) if after else 0,
        "never_taken": len(valid_until.keys() - {one.message_id for one in handed}),
        "taken_after_validity": sum(one.at > valid_until[one.message_id] for one in handed),
        "expired_ms_after_validity": quantiles_ms(
            one.settled_at - valid_until[one.message_id]
            for one in said.settled.values()
            if one.status is Status.EXPIRED
        ),
        "in_doubt": sum(f.outcome is AttemptOutcome.IN_DOUBT for f in said.finished),
    }


def _of_urgent(said: Said, handed: list[Handed], broken: datetime) -> dict[str, Any]:
    """Tell how long urgent messages took that came after the break."""
    firsts = {
        plan.message.message_id: plan
        for plan in sorted(said.plans, key=lambda plan: plan.planned_at, reverse=True)
        if plan.message.lane is Lane.URGENT and plan.message.accepted_at > broken
    }
    planned = [(plan.planned_at - plan.message.accepted_at) for plan in firsts.values()]
    taken = [
        one.at - firsts[one.message_id].message.accepted_at
        for one in handed
        if one.message_id in firsts
    ]
    return {
        "urgent_ms_until_planned": quantiles_ms(planned),
        "urgent_ms_until_taken": quantiles_ms(taken),
    }
