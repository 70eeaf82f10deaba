"""The upstream system's end of Kafka: it publishes events and reads the answers.

And it watches the topics.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    AttemptPlanned,
    Lane,
    MessageSettled,
    ShipmentAnswered,
)
from yizhan_contracts.topics import SHIPMENT_ANSWERED, SHIPMENT_UPDATED, attempt_planned
from yizhan_demo.upstream import UpstreamRecord


class Publisher:
    """Writes events as an upstream system does: keyed by shipment, acknowledged by all."""

    def __init__(self, kafka_url: str, namespace: str) -> None:
        self._topic = namespace + SHIPMENT_UPDATED.name
        self._producer = AIOKafkaProducer(bootstrap_servers=kafka_url, acks="all", linger_ms=2)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def publish(self, record: UpstreamRecord) -> None:
        await self._producer.send_and_wait(
            self._topic, record.value or None, record.key, headers=list(record.headers) or None
        )


class Planned(NamedTuple):
    """One plan of the router: when, for which channel, and how it saw the candidates."""

    at: datetime
    channel: str
    states: dict[str, str]


class Watch:
    """Reads topics from their beginning and keeps what the demo asks about."""

    def __init__(self, kafka_url: str, namespace: str, channels: Iterable[str]) -> None:
        self._namespace = namespace
        planned = [attempt_planned(channel, lane).name for channel in channels for lane in Lane]
        self._readers: dict[str, Callable[[bytes], None]] = {
            SHIPMENT_ANSWERED.name: self._on_answered,
            MessageSettled.TOPIC: self._on_settled,
            AttemptFinished.TOPIC: self._on_finished,
            **dict.fromkeys(planned, self._on_planned),
        }
        self._consumer = AIOKafkaConsumer(
            *(namespace + topic for topic in self._readers),
            bootstrap_servers=kafka_url,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=200,
        )
        self._task: asyncio.Task[None] | None = None
        self.answers: list[ShipmentAnswered] = []
        self.settled: dict[str, list[MessageSettled]] = {}
        self.planned: list[Planned] = []
        self.in_doubt: set[str] = set()

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._consumer.stop()

    async def _read(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=200)
            for records in fetched.values():
                for record in records:
                    self._readers[record.topic.removeprefix(self._namespace)](record.value)

    def _on_answered(self, value: bytes) -> None:
        self.answers.append(ShipmentAnswered.model_validate_json(value))

    def _on_settled(self, value: bytes) -> None:
        event = MessageSettled.model_validate_json(value)
        self.settled.setdefault(event.message_id, []).append(event)

    def _on_planned(self, value: bytes) -> None:
        event = AttemptPlanned.model_validate_json(value)
        states = {candidate.channel: candidate.state for candidate in event.decision.candidates}
        self.planned.append(Planned(event.planned_at, event.channel, states))

    def _on_finished(self, value: bytes) -> None:
        event = AttemptFinished.model_validate_json(value)
        if event.outcome is AttemptOutcome.IN_DOUBT:
            self.in_doubt.add(event.attempt_id)

    @property
    def accepted(self) -> dict[str, ShipmentAnswered]:
        """The message ids that upstream was told of, each with its first answer."""
        found: dict[str, ShipmentAnswered] = {}
        for answer in self.answers:
            for message in answer.messages:
                if message.message_id is not None:
                    found.setdefault(message.message_id, answer)
        return found
