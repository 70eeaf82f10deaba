"""What the batch and the window consumer share: their surroundings, and the commit."""

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from yizhan_runtime.aside import SetAside
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.settings import RuntimeSettings

log = get_logger(__name__)

COMMIT_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class ConsumerContext:
    """What a consumer runs in."""

    group: str
    settings: RuntimeSettings
    clock: Clock
    metrics: RuntimeMetrics
    aside: SetAside


async def commit(
    consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int], context: ConsumerContext
) -> bool:
    """Commit, bounded. A failure loses nothing: what was done is read again, and consumers dedupe."""
    try:
        async with asyncio.timeout(COMMIT_TIMEOUT_S):
            await consumer.commit(offsets)
    except (KafkaError, IllegalStateError, TimeoutError) as error:
        context.metrics.commits.labels(context.group, "failed").inc()
        log.warning("a commit failed", extra={"group": context.group, "why": type(error).__name__})
        return False
    context.metrics.commits.labels(context.group, "done").inc()
    return True
