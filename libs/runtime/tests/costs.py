"""What the runtime costs per record, handlers and parsing apart.

``python -m libs.runtime.tests.costs``.

With YIZHAN_KAFKA_URL it publishes too, to a topic of its own.
"""

import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from libs.runtime.tests.support import FakeConsumer, Surroundings
from prometheus_client import CollectorRegistry

from yizhan_contracts.events import MessageAccepted
from yizhan_contracts.ids import new_message_id
from yizhan_contracts.topics import MESSAGE_ACCEPTED, Topic
from yizhan_runtime import (
    BatchRoute,
    OpenRecord,
    Parked,
    Publisher,
    RawRecord,
    Record,
    RuntimeSettings,
    SystemClock,
    WindowRoute,
)
from yizhan_runtime.batch import BatchConsumer
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.window import WindowConsumer

RECORDS = 12_000
PARTITIONS = [TopicPartition("t.in", partition) for partition in range(6)]
EXAMPLE = Path(__file__).parents[2] / "contracts/examples/message.accepted.v1"

Batch = tuple["ConsumerRecord[Any, Any]", ...]
Run = Callable[[Sequence[Batch]], Awaitable[None]]


def batches(size: int) -> list[Batch]:
    """Polls of so many records, partition by partition."""
    each, polls = size // len(PARTITIONS), RECORDS // size
    return [
        tuple(
            ConsumerRecord(
                "t.in", tp.partition, poll * each + at, 1, 0, b"00ff", b"{}", None, 4, 2, ()
            )
            for tp in PARTITIONS
            for at in range(each)
        )
        for poll in range(polls)
    ]


async def cost(run: Run, size: int) -> float:
    """Give the best of five, in microseconds a record."""
    polls = batches(size)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        await run(polls)
        times.append(time.perf_counter() - begun)
    return min(times) / (len(polls) * len(polls[0])) * 1e6


def value_of(raw: RawRecord) -> bytes | None:
    return raw.value


async def run_batches(polls: Sequence[Batch]) -> None:
    async def handle(_records: Sequence[Record[Any]]) -> Iterable[Parked]:
        return ()

    around, kafka = Surroundings(), FakeConsumer(*PARTITIONS)
    route = BatchRoute(("in",), value_of, handle)
    consumer = BatchConsumer(around.context, [route], around.fail)
    for poll in polls:
        await consumer.on_batch(kafka, poll)


async def run_window(polls: Sequence[Batch]) -> None:
    def finish_all(records: Sequence[OpenRecord[Any]]) -> None:
        for record in records:
            record.finish()

    around, kafka = Surroundings(), FakeConsumer(*PARTITIONS)
    window = WindowConsumer(
        around.context, [WindowRoute(("in",), value_of)], finish_all, around.fail
    )
    for poll in polls:
        await window.on_batch(kafka, poll)
    await window.stop()


async def publish(settings: RuntimeSettings, topic: Topic) -> None:
    """Publish whole events, serialised and acknowledged, 500 at a time."""
    publisher = Publisher(settings, RuntimeMetrics(CollectorRegistry()), SystemClock())
    await publisher.start()
    template = json.loads(next(EXAMPLE.glob("*.json")).read_text()) | {"lane": "standard"}
    ids = [new_message_id(f"+86138{n:08}", 1_763_892_000_000) for n in range(5_000)]
    events = [MessageAccepted.model_validate(template | {"message_id": one}) for one in ids]
    for _ in range(4):
        begun, used = time.perf_counter(), time.process_time()
        for at in range(0, len(events), 500):
            await publisher.publish(events[at : at + 500])
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
        print(f"publish: {wall / 5e-3:.1f} us an event, {cpu / 5e-3:.1f} us of them CPU")  # noqa: T201
    await publisher.stop()


async def with_topic() -> None:
    settings = RuntimeSettings(namespace=f"costs{os.getpid()}.")
    topic = next(one for one in MESSAGE_ACCEPTED if one.name.endswith(".standard"))
    name = settings.namespace + topic.name
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, topic.partitions, 1)])
        await publish(settings, topic)
    finally:
        await admin.delete_topics([name])
        await admin.close()


async def main() -> None:
    for name, run in (("batch", run_batches), ("window", run_window)):
        for size in (498, 48, 6):
            print(f"{name} of {size}: {await cost(run, size):.2f} us a record")  # noqa: T201
    if os.environ.get("YIZHAN_KAFKA_URL"):
        await with_topic()


if __name__ == "__main__":
    uvloop.run(main())
