"""Where numbers and texts of recipients are kept, and until when: said once, for erasure's proof.

What a topic holds follows from its event; a test compares. What services keep of their own is a
table here, because no service can look into another: a test holds it against their settings and
the collections that they use. A store without a bound says so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from yizhan_contracts import events
from yizhan_contracts.events import Event
from yizhan_contracts.topics import KEPT, SEGMENT_MS, Topic, all_topics


class Holds(StrEnum):
    """What of a recipient is kept."""

    NUMBER = "number"
    TEXT = "text"
    """Texts, scripts, names and whatever else is said to somebody, or by them."""


BOTH = frozenset(Holds)
NEITHER: frozenset[Holds] = frozenset()

OF_EVENTS: dict[type[Event], frozenset[Holds]] = {
    events.ShipmentUpdated: BOTH,
    events.MessageAccepted: BOTH,
    events.AttemptPlanned: BOTH,
    events.AttemptFinished: BOTH,
    events.RerouteRequested: BOTH,
    events.ReplyReceived: BOTH,
    events.VoiceRequested: BOTH,
}
"""The events that hold something; the others hold neither."""

_CLEANED_EVERY = timedelta(minutes=5)
"""Kafka looks for old segments so often (``log.retention.check.interval.ms``)."""


@dataclass(frozen=True, slots=True)
class Store:
    """What one service keeps of its own."""

    service: str
    name: str
    holds: frozenset[Holds]
    kept_days: float | None = None
    """At most, by default; None: without a bound."""
    note: str = ""
    """What bounds it: the setting, or what else."""


OF_SERVICES: tuple[Store, ...] = (
    Store("ingest", "inputs", BOTH, 11, "YIZHAN_INGEST_INPUTS_KEPT_H"),
    Store("ingest", "answers", BOTH, 11, "counted from the answer"),
    Store("ingest", "marks", NEITHER, 90, "hashes of shipments and rules"),
    Store("ingest", "slots", NEITHER, None, "hashes: a day after the frequency's period"),
    Store(
        "ingest",
        "stops",
        frozenset({Holds.NUMBER}),
        None,
        "no bound: who has opted out is not written to again, and that needs the number",
    ),
    Store(
        "ingest",
        "stop_facts",
        frozenset({Holds.NUMBER}),
        None,
        "no bound: the proof of an opt-out",
    ),
    Store("ingest", "counters", NEITHER),
    Store("ingest", "returns", NEITHER, 60),
    Store("ingest", "wallets", NEITHER),
    Store("ingest", "reviews", NEITHER),
    Store("ingest", "holds", NEITHER),
    Store("ingest", "accounts", NEITHER),
    Store("ingest", "keys", NEITHER),
    Store("carrier-adapter", "claims", NEITHER, 10, "YIZHAN_ADAPTER_KEEP_DAYS"),
    Store("carrier-adapter", "outcomes", BOTH, 10, "YIZHAN_ADAPTER_KEEP_DAYS"),
    Store("carrier-adapter", "reply_parts", BOTH, 1, "until all parts are here, or are given up"),
    Store("voice-fallback", "calls", NEITHER, 10, "YIZHAN_VOICE_KEEP_DAYS"),
)


def held_by(topic: Topic) -> frozenset[Holds]:
    """Say what a topic holds; retry topics and DLQs hold whatever their service reads."""
    return BOTH if topic.event is None else OF_EVENTS.get(topic.event, NEITHER)


def personal_topics(channels: Iterable[str]) -> Iterator[Topic]:
    """Give the topics of a deployment that hold something."""
    return (topic for topic in all_topics(channels) if held_by(topic))


def gone_after(topic: Topic) -> timedelta | None:
    """Give how long a record stays at most, from when the event was; None: for ever.

    Kafka deletes whole segments, once their newest record is old. What is set aside was read from
    another topic, at the latest when it was about to go there.
    """
    if topic.retention_ms == KEPT:
        return None
    own = timedelta(milliseconds=topic.retention_ms + SEGMENT_MS) + _CLEANED_EVERY
    if topic.event is not None:
        return own
    bounds = [gone_after(source) for source in personal_topics(()) if source.event is not None]
    return own + max(bound for bound in bounds if bound is not None)
