"""The sliding window on real Kafka."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from libs.runtime.tests.support import until

from yizhan_contracts.topics import VOICE_REQUESTED
from yizhan_runtime import OpenRecord, Poison, RawRecord, Service, WindowRoute

pytestmark = pytest.mark.integration

TOPIC = VOICE_REQUESTED.name
GROUP = "voice-fallback"


def parse(raw: RawRecord) -> str:
    if raw.value is None or raw.value.startswith(b"bad"):
        raise Poison("invalid")
    return raw.value.decode()


class Hands:
    """Holds what is open, and finishes it when told."""

    def __init__(self) -> None:
        self.open: dict[str, OpenRecord[str]] = {}
        self.seen: list[str] = []
        self.tries: list[int] = []

    def intake(self, records: Sequence[OpenRecord[str]]) -> None:
        for record in records:
            self.open[record.record.event] = record
            self.seen.append(record.record.event)
            self.tries.append(record.record.raw.attempt)

    def finish(self, *events: str) -> None:
        for event in events or tuple(self.open):
            self.open.pop(event).finish()


def service_of(corner: Any, intake: Any, **options: Any) -> Service:
    service = Service("voice-fallback", corner.settings())
    service.consume_window(GROUP, [WindowRoute((TOPIC,), parse)], intake, **options)
    return service


async def test_the_low_watermark_is_committed_however_records_end(corner: Any) -> None:
    await corner.send(TOPIC, [b"%d" % i for i in range(10)], partition=0)
    hands = Hands()
    await corner.start(service_of(corner, hands.intake))
    await until(lambda: len(hands.seen) == 10)
    hands.finish(*(str(i) for i in range(10) if i != 3))
    await asyncio.sleep(1.0)
    assert await corner.committed(GROUP, TOPIC) == 3
    hands.finish("3")
    await asyncio.sleep(0.6)
    assert await corner.committed(GROUP, TOPIC) == 10


async def test_poison_ends_by_itself_once_it_is_in_the_dlq(corner: Any) -> None:
    await corner.send(TOPIC, [b"a", b"bad", None, b"b"], key=b"k", partition=0)
    hands = Hands()
    await corner.start(service_of(corner, hands.intake))
    await until(lambda: len(hands.seen) == 2)
    hands.finish()
    await asyncio.sleep(1.0)
    assert await corner.committed(GROUP, TOPIC) == 4
    assert [record.value for record in await corner.read("voice-fallback.dlq")] == [b"bad", None]


async def test_a_full_partition_is_paused_and_the_others_go_on(corner: Any) -> None:
    await corner.send(TOPIC, [b"p0-%d" % i for i in range(500)], partition=0)
    hands = Hands()
    await corner.start(service_of(corner, hands.intake, look_ahead=50))
    await until(lambda: len(hands.open) >= 50)
    await corner.send(TOPIC, [b"p1-%d" % i for i in range(20)], partition=1)
    await until(lambda: sum(event.startswith("p1") for event in hands.seen) == 20)
    assert sum(event.startswith("p0") for event in hands.seen) < 200
    for _ in range(200):
        hands.finish()
        if len(hands.seen) == 520:
            break
        await asyncio.sleep(0.1)
    assert len(set(hands.seen)) == len(hands.seen) == 520


async def test_a_parked_record_comes_back_through_the_same_intake(corner: Any) -> None:
    await corner.send(TOPIC, [b"later"], partition=0)
    hands = Hands()
    await corner.start(service_of(corner, hands.intake))
    await until(lambda: len(hands.seen) == 1)
    hands.open.pop("later").park("not now")
    await until(lambda: len(hands.seen) == 2, 20.0)
    assert hands.tries == [0, 1]
    hands.finish()
    assert await corner.committed(GROUP, TOPIC) == 1


async def test_a_rebalance_waits_for_what_is_begun_and_forgets_the_rest(corner: Any) -> None:
    done: list[str] = []

    def member() -> Service:
        queue: list[OpenRecord[str]] = []
        tasks: set[asyncio.Task[None]] = set()

        async def work(record: OpenRecord[str]) -> None:
            await asyncio.sleep(0.2)
            done.append(record.record.event)
            record.finish()

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            begin()

        def begin() -> None:
            while queue and len(tasks) < 100:
                task = asyncio.ensure_future(work(queue.pop(0)))
                tasks.add(task)
                task.add_done_callback(ended)

        def intake(records: Sequence[OpenRecord[str]]) -> None:
            queue.extend(records)
            begin()

        def forget(records: Collection[OpenRecord[str]]) -> None:
            for record in [r for r in queue if r in records]:
                queue.remove(record)
                record.abandon()

        return service_of(corner, intake, on_revoked=forget, look_ahead=200)

    await corner.start(member())
    await corner.send(TOPIC, [b"%d" % i for i in range(1500)])
    await until(lambda: len(done) > 50)
    await corner.start(member())
    await until(lambda: len(set(done)) == 1500, 40.0)
    await asyncio.sleep(0.5)
    assert len(done) == 1500
    assert await corner.committed(GROUP, TOPIC) == 1500
