"""The registry of topics: name, key, partitions, retention, producers and consumers, said once.

Names here carry no namespace: ``yizhan_runtime`` puts the deployment's prefix before them. Nothing
creates a topic by itself: ``yizhan topics apply`` provisions what this module declares.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from yizhan_contracts import events, ids
from yizhan_contracts.events import CHANNEL_NAME_PATTERN, NO_CHANNEL, Event, Lane

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KEPT = -1
"""No age limit."""

SEGMENT_MS = DAY_MS
"""Kafka deletes whole segments: a record stays this much longer than its topic's retention. By
Kafka's own default it would be a week."""

MAX_RECORD_BYTES = 1_048_588
"""Kafka's own default. Never lower it: a record that the broker refuses poisons its producer."""

MAX_ASIDE_BYTES = 4 * 1_048_576
"""What retry topics and DLQs take: the largest record, and the headers that say where it stood."""

PARTITIONS = 6
CHANNEL_PARTITIONS = 4
"""Of ``attempt.planned``, per channel and lane: many such topics, each bound by one TPS."""

RETRY_DELAYS_S: dict[str, float] = {"5s": 5.0, "60s": 60.0}

UPSTREAM = "upstream"
ANYONE = "anyone"
OPERATORS = "operators"
"""Those who read and write topics without being a service."""


class Service(StrEnum):
    """The services, by the names that are also their consumer groups."""

    INGEST = "ingest"
    ROUTER = "router"
    CARRIER_ADAPTER = "carrier-adapter"
    RECEIPTS = "receipts"
    VOICE_FALLBACK = "voice-fallback"


class Key(StrEnum):
    """What a topic's records are keyed and placed by."""

    SHIPMENT = "shipment id"
    SHARD = "shard"
    CARRIER_MESSAGE = "carrier account + carrier's message id"
    CHANNEL = "channel"
    CHANNEL_INSTANCE = "channel + instance"
    HELD = "what is held"
    ACCOUNT = "account id"
    BATCH = "account id + batch id"
    SOURCE = "as the source record"


_INGEST, _ROUTER, _ADAPTER, _RECEIPTS, _VOICE = Service


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, as it is to be provisioned.

    A compacted topic keeps the newest record of each key. ``retention_ms`` counts there too: a key
    that nobody wrote for so long goes; KEPT lets it stay.
    """

    name: str
    key: Key
    summary: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    event: type[Event] | None = None
    partitions: int = PARTITIONS
    retention_ms: int = 7 * DAY_MS
    compacted: bool = False
    max_message_bytes: int = MAX_RECORD_BYTES
    foreign: bool = False
    """Written by others than Yizhan: what cannot be parsed is set aside, however much comes."""

    def config(self) -> dict[str, str]:
        """Give the topic's settings by Kafka's names."""
        own = {
            "cleanup.policy": self._cleanup_policy(),
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
        }
        if not self.compacted:
            return own | {"segment.ms": str(SEGMENT_MS)}
        return own | _SMALL_SEGMENTS | ({} if self.retention_ms == KEPT else _RECENT_WHOLE)

    def _cleanup_policy(self) -> str:
        if not self.compacted:
            return "delete"
        return "compact" if self.retention_ms == KEPT else "compact,delete"


_SMALL_SEGMENTS = {
    "segment.ms": "600000",
    "segment.bytes": "16777216",
    "min.cleanable.dirty.ratio": "0.1",
}
"""Every instance reads a compacted topic whole at its start, and Kafka compacts closed segments:
with its defaults (a week, 1 GiB) that is a week of four reports a second per channel."""

_RECENT_WHOLE = {"min.compaction.lag.ms": "180000"}
"""A router that starts goes through the reports of the last minutes one by one, to come to the same
health as those that have been running: these must not have been compacted away."""


def _topic(
    event: type[Event], key: Key, summary: str, producers: Iterable[str], consumers: Iterable[str]
) -> Topic:
    return Topic(event.TOPIC, key, summary, tuple(producers), tuple(consumers), event)


def _table(
    event: type[Event], key: Key, summary: str, producers: Iterable[str], consumers: Iterable[str]
) -> Topic:
    topic = _topic(event, key, summary, producers, consumers)
    return replace(topic, partitions=1, compacted=True, retention_ms=KEPT)


def _report(
    event: type[Event], summary: str, producers: Iterable[str], consumers: Iterable[str]
) -> Topic:
    # Keyed by instance: those of instances long gone must not stay for ever.
    topic = _topic(event, Key.CHANNEL_INSTANCE, summary, producers, consumers)
    return replace(topic, partitions=1, compacted=True)


SHIPMENT_UPDATED = Topic(
    events.ShipmentUpdated.TOPIC,
    Key.SHIPMENT,
    "A milestone of a shipment: native JSON or CloudEvents.",
    (UPSTREAM,),
    (_INGEST,),
    events.ShipmentUpdated,
    foreign=True,
)
SHIPMENT_ANSWERED = _topic(
    events.ShipmentAnswered, Key.SHIPMENT, "One answer per event read.", [_INGEST], [UPSTREAM]
)
ATTEMPT_FINISHED = _topic(
    events.AttemptFinished,
    Key.SHARD,
    "What became of an attempt.",
    [_ADAPTER],
    [_RECEIPTS, _ROUTER],
)
RECEIPT_RECEIVED = _topic(
    events.ReceiptReceived,
    Key.CARRIER_MESSAGE,
    "A carrier's receipt, normalised.",
    [_ADAPTER],
    [_RECEIPTS],
)
REPLY_RECEIVED = _topic(
    events.ReplyReceived, Key.SHARD, "What a recipient sent back.", [_ADAPTER], [_RECEIPTS, _INGEST]
)
REROUTE_REQUESTED = _topic(
    events.RerouteRequested,
    Key.SHARD,
    "A submitted attempt ended badly: plan the next.",
    [_RECEIPTS],
    [_ROUTER],
)
CHANNEL_CONFIGURED = _table(
    events.ChannelConfigured,
    Key.CHANNEL,
    "The channel table in force.",
    [_ROUTER],
    [_ROUTER, _ADAPTER, _VOICE],
)
CHANNEL_OVERRIDDEN = _table(
    events.ChannelOverridden, Key.CHANNEL, "An operator's word on a channel.", [_ROUTER], [_ROUTER]
)
CHANNEL_REPORTED = _report(events.ChannelReported, "How a channel does.", [_ADAPTER], [_ROUTER])
DELIVERY_REPORTED = _report(
    events.DeliveryReported, "What receipts say of a channel.", [_RECEIPTS], [_ROUTER]
)
HOLD_CHANGED = _table(
    events.HoldChanged, Key.HELD, "Stop or resume.", [_INGEST], [_ROUTER, _ADAPTER, _VOICE]
)
VOICE_REQUESTED = _topic(
    events.VoiceRequested, Key.SHARD, "Ring the recipient.", [_RECEIPTS], [_VOICE, _RECEIPTS]
)
VOICE_FINISHED = _topic(
    events.VoiceFinished, Key.SHARD, "What became of a call.", [_VOICE], [_RECEIPTS]
)
MESSAGE_SETTLED = _topic(
    events.MessageSettled,
    Key.SHARD,
    "The final status.",
    [_RECEIPTS],
    [_RECEIPTS, _VOICE, _INGEST, ANYONE],
)
ACCOUNT_NOTIFIED = _topic(
    events.AccountNotified,
    Key.ACCOUNT,
    "A package or a balance has become low.",
    [_INGEST],
    [_RECEIPTS, ANYONE],
)
BATCH_CLOSED = _topic(
    events.BatchClosed,
    Key.BATCH,
    "All messages of a batch are accepted.",
    [_INGEST],
    [_RECEIPTS],
)


def message_accepted(lane: str) -> Topic:
    """Give the topic of accepted messages of one lane."""
    return Topic(
        f"{events.MessageAccepted.TOPIC}.{lane}",
        Key.SHARD,
        f"Rendered and checked messages, lane {lane}.",
        (_INGEST,),
        (_ROUTER, _RECEIPTS),
        events.MessageAccepted,
    )


def attempt_planned(channel: str, lane: str) -> Topic:
    """Give the topic of attempts planned for one channel and lane."""
    return Topic(
        f"{events.AttemptPlanned.TOPIC}.{channel}.{lane}",
        Key.SHARD,
        f"Messages for the channel {channel}, lane {lane}.",
        (_ROUTER,),
        (_ADAPTER,),
        events.AttemptPlanned,
        partitions=CHANNEL_PARTITIONS,
    )


MESSAGE_ACCEPTED: tuple[Topic, ...] = tuple(message_accepted(lane) for lane in Lane)


def retry_topic(service: str, delay: str) -> Topic:
    """Give the topic where a service parks records for ``delay``, a key of RETRY_DELAYS_S."""
    return Topic(
        f"{service}.retry.{delay}",
        Key.SOURCE,
        f"Records that {service} tries again after {delay}: original bytes, origin in headers.",
        (service,),
        (service,),
        partitions=2,
        max_message_bytes=MAX_ASIDE_BYTES,
    )


def dlq_topic(service: str) -> Topic:
    """Give the topic where a service sets aside what it cannot parse or do."""
    return Topic(
        f"{service}.dlq",
        Key.SOURCE,
        f"Records that {service} set aside: original bytes, reason and origin in headers.",
        (service,),
        (OPERATORS,),
        partitions=2,
        max_message_bytes=MAX_ASIDE_BYTES,
        retention_ms=30 * DAY_MS,
    )


SINGLE: tuple[Topic, ...] = (
    SHIPMENT_UPDATED,
    SHIPMENT_ANSWERED,
    ATTEMPT_FINISHED,
    RECEIPT_RECEIVED,
    REPLY_RECEIVED,
    REROUTE_REQUESTED,
    CHANNEL_CONFIGURED,
    CHANNEL_OVERRIDDEN,
    CHANNEL_REPORTED,
    DELIVERY_REPORTED,
    HOLD_CHANGED,
    VOICE_REQUESTED,
    VOICE_FINISHED,
    MESSAGE_SETTLED,
    ACCOUNT_NOTIFIED,
    BATCH_CLOSED,
)
"""The topics that there is one of."""

FAMILIES: tuple[Topic, ...] = (
    message_accepted("{lane}"),
    attempt_planned("{channel}", "{lane}"),
    retry_topic("{service}", "{delay}"),
    dlq_topic("{service}"),
)
"""The others, with parameters where their members differ: for documents, not for provisioning."""


def all_topics(channels: Iterable[str]) -> Iterator[Topic]:
    """Give every topic of a deployment with these channels; ``none`` is always among them."""
    yield from SINGLE
    yield from MESSAGE_ACCEPTED
    for channel in sorted({*channels, NO_CHANNEL}):
        yield from (attempt_planned(channel, lane) for lane in Lane)
    for service in Service:
        yield from (retry_topic(service, delay) for delay in RETRY_DELAYS_S)
        yield dlq_topic(service)


def partitions_of(name: str) -> int:
    """Give the partition count that the registry declares. Raises KeyError for an unknown topic."""
    count = _PARTITIONS_BY_NAME.get(name)
    if count is None and _PLANNED.fullmatch(name):
        return CHANNEL_PARTITIONS
    return _PARTITIONS_BY_NAME[name] if count is None else count


_PARTITIONS_BY_NAME = {topic.name: topic.partitions for topic in all_topics(())}
_PLANNED = re.compile(
    rf"{re.escape(events.AttemptPlanned.TOPIC)}\.{CHANNEL_NAME_PATTERN.strip('^$')}\.({'|'.join(Lane)})"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a record goes: topic (without namespace), key, partition."""

    topic: str
    key: bytes
    partition: int


def address_of(event: Event) -> Address:
    """Place an event. Every producer of Yizhan goes through here: a key has one partition."""
    name, key, shard = event.topic(), event.key(), event.shard()
    count = partitions_of(name)
    placed = ids.partition_of_key(key, count) if shard is None else ids.partition_of(shard, count)
    return Address(name, key.encode(), placed)
