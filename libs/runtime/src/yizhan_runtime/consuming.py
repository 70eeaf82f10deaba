"""What the batch and the window consumer share: surroundings, membership, parsing, the commit."""

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from yizhan_runtime.aside import SetAside
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Poison
from yizhan_runtime.explaining import explain
from yizhan_runtime.logs import get_logger
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.records import E, Parse, RawRecord
from yizhan_runtime.settings import RuntimeSettings

log = get_logger(__name__)

COMMIT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class ConsumerContext:
    """What a consumer runs in."""

    group: str
    settings: RuntimeSettings
    clock: Clock
    metrics: RuntimeMetrics
    aside: SetAside


class Membership:
    """Whether a consumer has its share of the partitions, which may be none, and since when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._joined: deque[float] = deque(maxlen=100)
        self.is_member = False
        self.since = clock.monotonic()

    def change(self, *, is_member: bool) -> None:
        """Note that the partitions came, or go."""
        self.is_member = is_member
        self.since = self._clock.monotonic()
        if is_member:
            self._joined.append(self.since)

    def assignments_within(self, seconds: float) -> int:
        """Count how often partitions came lately."""
        since = self._clock.monotonic() - seconds
        return sum(at >= since for at in self._joined)


class Committed(Enum):
    """What became of a commit."""

    DONE = auto()
    REFUSED = auto()
    """The partitions have gone: whoever has them reads again, and consumers dedupe."""
    UNANSWERED = auto()
    """Kafka is away: to be tried again."""


async def commit(
    consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int], context: ConsumerContext
) -> Committed:
    """Commit, bounded: aiokafka would wait for a Kafka that is away without limit."""
    try:
        async with asyncio.timeout(COMMIT_TIMEOUT_S):
            await consumer.commit(offsets)
    except TimeoutError:
        outcome, why = Committed.UNANSWERED, "no answer"
    except (KafkaError, IllegalStateError) as error:
        outcome, why = Committed.REFUSED, type(error).__name__
    else:
        context.metrics.commits.labels(context.group, "done").inc()
        return Committed.DONE
    context.metrics.commits.labels(context.group, "failed").inc()
    log.warning("a commit failed", extra={"group": context.group, "why": why})
    return outcome


def read(parse: Parse[E], raw: RawRecord) -> E:
    """Parse a record. Raises Poison and nothing else: a parser's mistake must stop nothing."""
    try:
        return parse(raw)
    except Poison:
        raise
    except Exception as error:
        log.exception("a parser failed", extra={"origin": raw.origin})
        raise Poison("unreadable", explain(error)) from error
