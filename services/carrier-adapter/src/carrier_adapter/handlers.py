"""What is read from Kafka, and who gets it."""

from collections.abc import Iterable

from yizhan_contracts.events import AttemptPlanned, Lane
from yizhan_contracts.topics import attempt_planned
from yizhan_runtime.records import contract
from yizhan_runtime.window import WindowRoute


def planned_topics(channel: str) -> tuple[str, ...]:
    """Give the topics of a channel's attempts, one per lane."""
    return tuple(attempt_planned(channel, lane).name for lane in Lane)


def planned_routes(channels: Iterable[str]) -> list[WindowRoute[AttemptPlanned]]:
    """Read the attempts planned for these channels."""
    topics = tuple(topic for channel in sorted(channels) for topic in planned_topics(channel))
    return [WindowRoute(topics, contract(AttemptPlanned))]
