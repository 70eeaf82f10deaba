"""What is said on the topics, read from their beginning and kept by id."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    AttemptPlanned,
    MessageSettled,
    ShipmentAnswered,
)
from yizhan_demo.topics import Watch

IN_HAND = (AttemptOutcome.RELEASED,)
"""Outcomes after which the same attempt is planned again."""


class Topics(Watch):
    """The demo's watch, which also keeps every attempt, and outlives poison and a dead Kafka."""

    def __init__(self, kafka_url: str, namespace: str, channels: Iterable[str]) -> None:
        super().__init__(kafka_url, namespace, channels)
        self.plans: dict[str, list[AttemptPlanned]] = defaultdict(list)
        """By message."""
        self.finished: dict[str, list[AttemptFinished]] = defaultdict(list)
        """By message."""
        self.answered: dict[str, list[ShipmentAnswered]] = defaultdict(list)
        """By shipment."""
        self.unreadable: Counter[str] = Counter()
        """Poison by topic: some tests write it on purpose."""

    async def _read(self) -> None:
        while True:
            try:
                fetched = await self._consumer.getmany(timeout_ms=100)
            except KafkaError:
                continue
            for records in fetched.values():
                for record in records:
                    self._take(record.topic.removeprefix(self._namespace), record.value)

    def _take(self, topic: str, value: bytes | None) -> None:
        try:
            self._readers[topic](value or b"")
        except ValidationError:
            self.unreadable[topic] += 1

    def _on_answered(self, value: bytes) -> None:
        event = ShipmentAnswered.model_validate_json(value)
        self.answers.append(event)
        self.answered[event.shipment_id].append(event)

    def _on_planned(self, value: bytes) -> None:
        event = AttemptPlanned.model_validate_json(value)
        self.plans[event.message.message_id].append(event)

    def _on_finished(self, value: bytes) -> None:
        event = AttemptFinished.model_validate_json(value)
        self.finished[event.message_id].append(event)
        if event.outcome is AttemptOutcome.IN_DOUBT:
            self.in_doubt.add(event.attempt_id)

    def unfinished(self, message_ids: Iterable[str]) -> set[str]:
        """Give the attempts that were planned and of which nobody has said what became of them."""
        return {
            plan.attempt_id
            for message_id in message_ids
            for plan in self.plans.get(message_id, ())
            if not any(
                said.attempt_id == plan.attempt_id and said.outcome not in IN_HAND
                for said in self.finished.get(message_id, ())
            )
        }

    def last(self, message_id: str) -> MessageSettled | None:
        """Give the last word on a message."""
        said = self.settled.get(message_id)
        return max(said, key=lambda event: event.revision) if said else None
