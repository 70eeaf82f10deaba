"""How long a message took from stage to stage, by the timestamps of its Kafka records.

Kafka's CreateTime is set by whoever produced the record; all run on one clock here.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer

from yizhan_contracts import topics
from yizhan_contracts.events import AttemptPlanned, Lane, ShipmentAnswered

STAGES = ("published", "accepted", "planned", "submitted", "receipt", "settled")
_MESSAGE_ID = re.compile(rb'"message_id":"([0-9a-f]{32})"')
_ATTEMPT_ID = re.compile(rb'"attempt_id":"([0-9a-f]{32})-')


@dataclass
class Timeline:
    """Milliseconds since the epoch at which each stage of a message was first recorded."""

    at: dict[str, int] = field(default_factory=dict)

    def saw(self, stage: str, at_ms: int) -> None:
        self.at[stage] = min(at_ms, self.at.get(stage, at_ms))


async def read_timelines(
    kafka_url: str, namespace: str, channels: Iterable[str], published_ms: dict[str, int]
) -> dict[str, Timeline]:
    """Read every record of the run. ``published_ms``: when each event was published, by its id."""
    stages = {topic.name: "accepted" for topic in topics.MESSAGE_ACCEPTED}
    stages |= {
        f"{AttemptPlanned.TOPIC}.{channel}.{lane}": "planned"
        for channel in channels
        for lane in Lane
    }
    stages |= {
        topics.ATTEMPT_FINISHED.name: "submitted",
        topics.RECEIPT_RECEIVED.name: "receipt",
        topics.MESSAGE_SETTLED.name: "settled",
        topics.SHIPMENT_ANSWERED.name: "answered",
    }
    timelines: dict[str, Timeline] = {}
    consumer = AIOKafkaConsumer(
        *(namespace + name for name in stages),
        bootstrap_servers=kafka_url,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    stage = stages[record.topic.removeprefix(namespace)]
                    _note(timelines, stage, record.value, record.timestamp, published_ms)
    finally:
        await consumer.stop()
    return timelines


def _note(
    timelines: dict[str, Timeline],
    stage: str,
    value: bytes,
    at_ms: int,
    published_ms: dict[str, int],
) -> None:
    if stage == "answered":
        answer = ShipmentAnswered.model_validate_json(value)
        for message in answer.messages:
            if message.message_id and answer.event_id in published_ms:
                line = timelines.setdefault(message.message_id, Timeline())
                line.saw("published", published_ms[answer.event_id])
        return
    found = _MESSAGE_ID.search(value) or _ATTEMPT_ID.search(value)
    if found:
        timelines.setdefault(found[1].decode(), Timeline()).saw(stage, at_ms)


def stage_seconds(timelines: Iterable[Timeline]) -> dict[str, list[float]]:
    """Give, for each stage, the sorted seconds since the stage before it; and in all."""
    seconds: dict[str, list[float]] = {stage: [] for stage in (*STAGES[1:], "in all")}
    for line in timelines:
        known = [stage for stage in STAGES if stage in line.at]
        for before, stage in itertools.pairwise(known):
            seconds[stage].append((line.at[stage] - line.at[before]) / 1000)
        if known and known[-1] == "settled" and len(known) > 1:
            seconds["in all"].append((line.at["settled"] - line.at[known[0]]) / 1000)
    return {stage: sorted(values) for stage, values in seconds.items() if values}


def quantile(ordered: list[float], q: float) -> float:
    """Give the q-quantile of a sorted list."""
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
