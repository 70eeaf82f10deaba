"""Recorded traffic: what topics still hold of messages, attempts and receipts."""

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from yizhan_cli.kafka import connection
from yizhan_cli.settings import KafkaSettings
from yizhan_contracts.events import (
    AttemptFinished,
    ChannelConfigured,
    Event,
    MessageAccepted,
    ReceiptReceived,
)
from yizhan_contracts.topics import (
    ATTEMPT_FINISHED,
    CHANNEL_CONFIGURED,
    MESSAGE_ACCEPTED,
    RECEIPT_RECEIVED,
)
from yizhan_telecom.what_if import History

_POLL_MS = 500
_EVENTS: dict[str, type[Event]] = {
    **{topic.name: MessageAccepted for topic in MESSAGE_ACCEPTED},
    ATTEMPT_FINISHED.name: AttemptFinished,
    RECEIPT_RECEIVED.name: ReceiptReceived,
}


async def read_history(settings: KafkaSettings, since: datetime) -> History:
    """Read what happened since a time. Raises the Kafka client's errors."""
    history = History()
    for topic, event in _EVENTS.items():
        async for record in _records(settings, topic, since):
            parsed = _parsed(event, record.value)
            if isinstance(parsed, MessageAccepted | AttemptFinished | ReceiptReceived):
                history.take(parsed)
    return history


async def read_channels(settings: KafkaSettings) -> list[ChannelConfigured]:
    """Read the table in force."""
    channels: dict[bytes, ChannelConfigured] = {}
    async for record in _records(settings, CHANNEL_CONFIGURED.name, None):
        parsed = _parsed(ChannelConfigured, record.value)
        if isinstance(parsed, ChannelConfigured):
            channels[record.key] = parsed
        elif record.value is None:
            channels.pop(record.key, None)
    return list(channels.values())


def _parsed(event: type[Event], value: bytes | None) -> Event | None:
    try:
        return None if value is None else event.model_validate_json(value)
    except ValidationError:
        return None  # poison is the DLQ's business


async def _records(
    settings: KafkaSettings, topic: str, since: datetime | None
) -> AsyncIterator[Any]:
    """Give a topic's records up to where it ends now; from its beginning without ``since``."""
    consumer = AIOKafkaConsumer(
        settings.namespace + topic,
        **connection(settings),
        group_id=None,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        ends = await _begin(consumer, since)
        left = set(ends)
        while left:
            fetched = await consumer.getmany(*left, timeout_ms=_POLL_MS)
            for record in chain.from_iterable(fetched.values()):
                yield record
            left = {tp for tp in left if await consumer.position(tp) < ends[tp]}
    finally:
        await consumer.stop()


async def _begin(consumer: AIOKafkaConsumer, since: datetime | None) -> dict[TopicPartition, int]:
    """Go to where reading begins; give the ends of the partitions that hold anything since."""
    partitions = consumer.assignment()
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    if since is None:
        await consumer.seek_to_beginning(*partitions)
        return {tp: end for tp, end in ends.items() if end > await consumer.position(tp)}
    at_ms = int(since.timestamp() * 1000)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, at_ms))
    begun = {}
    for tp, at in found.items():
        if at is not None and at.offset < ends[tp]:
            consumer.seek(tp, at.offset)
            begun[tp] = ends[tp]
    return begun
