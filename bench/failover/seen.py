"""What the topics, the carriers and the routers' logs say after a run."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer

from bench.failover.house import CHANNELS, House
from bench.stages import quantile
from yizhan_contracts.events import (
    NO_CHANNEL,
    AttemptFinished,
    AttemptPlanned,
    Lane,
    MessageSettled,
    Status,
)
from yizhan_contracts.topics import ATTEMPT_FINISHED, MESSAGE_SETTLED, attempt_planned


@dataclass
class Said:
    """Everything that was said of attempts and endings, in no order."""

    plans: list[AttemptPlanned] = field(default_factory=list)
    finished: list[AttemptFinished] = field(default_factory=list)
    settled: dict[str, MessageSettled] = field(default_factory=dict)

    def take(self, topic: str, value: bytes) -> None:
        if topic == ATTEMPT_FINISHED.name:
            self.finished.append(AttemptFinished.model_validate_json(value))
        elif topic == MESSAGE_SETTLED.name:
            event = MessageSettled.model_validate_json(value)
            before = self.settled.get(event.message_id)
            if before is None or before.revision < event.revision:
                self.settled[event.message_id] = event
        else:
            self.plans.append(AttemptPlanned.model_validate_json(value))

    def statuses(self) -> dict[str, int]:
        """Count messages by their final status."""
        return dict(Counter(str(one.status) for one in self.settled.values()))

    @property
    def delivered(self) -> int:
        return sum(one.status is Status.DELIVERED for one in self.settled.values())


def quantiles_ms(spans: Iterable[timedelta]) -> dict[str, float]:
    """Give median, 95 %, and the longest, in milliseconds."""
    ordered = sorted(span.total_seconds() * 1000 for span in spans)
    if not ordered:
        return {}
    found = {"p50": quantile(ordered, 0.5), "p95": quantile(ordered, 0.95), "most": ordered[-1]}
    return {name: round(value) for name, value in found.items()}


async def read_all(house: House) -> Said:
    """Read the topics of the run from beginning to end."""
    kafka_url, namespace = house.kafka
    names = [attempt_planned(c, lane).name for c in (*CHANNELS, NO_CHANNEL) for lane in Lane]
    consumer = AIOKafkaConsumer(
        *(namespace + name for name in (*names, ATTEMPT_FINISHED.name, MESSAGE_SETTLED.name)),
        bootstrap_servers=kafka_url,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    said = Said()
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    said.take(record.topic.removeprefix(namespace), record.value or b"")
    finally:
        await consumer.stop()
    return said


@dataclass(frozen=True)
class Handed:
    """One message as a carrier took it, by the carrier's own record."""

    carrier: str
    attempt_id: str
    at: datetime

    @property
    def message_id(self) -> str:
        return self.attempt_id.partition("-")[0]


async def hand_overs(house: House) -> list[Handed]:
    """Read what every carrier took, each time it did."""
    return [
        Handed(carrier, ref, datetime.fromisoformat(story["at"]))
        for carrier in CHANNELS
        for ref, stories in (await house.parties.hand_overs(carrier)).items()
        for story in stories
    ]


@dataclass(frozen=True)
class Change:
    """A router's change of mind about a channel, as a whole (``*``) or in a country."""

    router: str
    at: datetime
    country: str
    after: str


def changes(house: House, channel: str) -> list[Change]:
    """Read what each router's log says of a channel's health, in order of time."""
    found = [
        Change(router, datetime.fromisoformat(line["ts"]), line["country"], line["after"])
        for router in house.routers
        for line in _lines(house.stack.log(router))
        if line.get("event") == "health changed" and line["channel"] == channel
    ]
    return sorted(found, key=lambda change: change.at)


def _lines(log: Path) -> Iterable[dict[str, Any]]:
    for line in log.read_text().splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
