"""Kafka and MongoDB die or freeze under a service: nothing is lost, and it comes back by itself."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack

import pytest
from libs.runtime.tests.corner import Corner
from libs.runtime.tests.support import until, until_async

from yizhan_contracts.topics import HOLD_CHANGED, VOICE_FINISHED, VOICE_REQUESTED, all_topics
from yizhan_local.servers import PrivateServers
from yizhan_runtime import (
    BatchRoute,
    OpenRecord,
    Outgoing,
    Parked,
    RawRecord,
    Record,
    Service,
    WindowRoute,
)

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(240)]

IN, OUT, GROUP = VOICE_REQUESTED.name, VOICE_FINISHED.name, "voice-fallback"


def parse(raw: RawRecord) -> bytes:
    return raw.value or b""


@pytest.fixture
async def corner(private_servers: PrivateServers) -> AsyncIterator[Corner]:
    async with AsyncExitStack() as stack:
        made = Corner(private_servers.kafka_url, private_servers.mongo_url, "", stack)
        await made.provision(all_topics(()))
        yield made


class Relay:
    """Publishes what it reads, in batches or through a window; stores it first if told to."""

    def __init__(self, corner: Corner, *, window: bool = False, store: bool = False) -> None:
        settings = corner.settings(publish_timeout_s=4.0, mongo_timeout_s=3.0, drain_timeout_s=5.0)
        self.service = Service(GROUP, settings)
        self.mongo = self.service.mongo() if store else None
        self.tasks: set[asyncio.Task[None]] = set()
        if window:
            self.service.consume_window(GROUP, [WindowRoute((IN,), parse)], self.intake)
        else:
            route = BatchRoute((IN,), parse, self.handle)
            self.service.consume_batches(GROUP, [route], max_records=50)

    async def handle(self, records: Sequence[Record[bytes]]) -> Iterable[Parked]:
        if self.mongo is not None:
            stored = [{"_id": record.event.decode()} for record in records]
            await self.mongo.insert_new("seen", stored)
        await self.publish(records)
        await asyncio.sleep(0.05)
        return ()

    def intake(self, records: Sequence[OpenRecord[bytes]]) -> None:
        for opened in records:
            task = asyncio.ensure_future(self.work(opened))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def work(self, opened: OpenRecord[bytes]) -> None:
        await asyncio.sleep(0.2)
        await self.service._life.patiently(lambda: self.publish([opened.record]), 120)
        opened.finish()

    async def publish(self, records: Sequence[Record[bytes]]) -> None:
        out = [Outgoing(OUT, one.raw.key or b"", one.event) for one in records]
        await self.service.publisher.publish_records(out)

    async def is_ready(self) -> bool:
        return self.service._ready_report()[0]


async def feed(corner: Corner, values: Sequence[bytes]) -> None:
    for begin in range(0, len(values), 20):
        await corner.send(IN, values[begin : begin + 20])
        await asyncio.sleep(0.1)


async def outcome(corner: Corner, expected: set[bytes]) -> Counter[bytes]:
    """Wait until all is there, and count."""
    found: Counter[bytes] = Counter()

    async def is_all_there() -> bool:
        nonlocal found
        found = Counter(record.value for record in await corner.read(OUT))
        return expected <= set(found)

    await until_async(is_all_there, 60)
    return found


async def all_committed(corner: Corner, count: int) -> None:
    async def is_committed() -> bool:
        return await corner.committed(GROUP, IN) == count

    await until_async(is_committed, 20)


@pytest.mark.parametrize("window", [False, True])
async def test_a_killed_kafka_loses_nothing(
    corner: Corner, private_servers: PrivateServers, *, window: bool
) -> None:
    values = [b"%d" % n for n in range(1500)]
    relay = Relay(corner, window=window)
    await corner.start(relay.service)
    feeding = asyncio.create_task(feed(corner, values))
    await asyncio.sleep(2)
    private_servers.kafka.kill()
    await asyncio.sleep(10)
    await asyncio.to_thread(private_servers.kafka.start)
    await feeding
    await outcome(corner, set(values))
    assert relay.service.failure is None
    await until_async(relay.is_ready, 20)
    await all_committed(corner, 1500)


async def test_kafka_away_is_alive_and_not_ready(
    corner: Corner, private_servers: PrivateServers
) -> None:
    relay = Relay(corner)
    await corner.start(relay.service)
    await until_async(relay.is_ready)
    private_servers.kafka.kill()

    async def is_not_ready() -> bool:
        return not await relay.is_ready()

    await until_async(is_not_ready, 45)
    assert relay.service._live_report()[0]
    await asyncio.to_thread(private_servers.kafka.start)
    await until_async(relay.is_ready, 20)
    assert relay.service.failure is None


async def test_a_stop_while_kafka_is_away_is_bounded(
    corner: Corner, private_servers: PrivateServers
) -> None:
    relay = Relay(corner)
    await relay.service.start()
    await corner.send(IN, [b"%d" % n for n in range(200)])
    await asyncio.sleep(0.3)
    private_servers.kafka.kill()
    await asyncio.sleep(1)
    began = time.monotonic()
    await relay.service.stop()
    assert time.monotonic() - began < 30


async def test_a_killed_mongod_loses_nothing_and_repeats_no_document(
    corner: Corner, private_servers: PrivateServers
) -> None:
    values = [b"%d" % n for n in range(800)]
    relay = Relay(corner, store=True)
    await corner.start(relay.service)
    feeding = asyncio.create_task(feed(corner, values))
    await asyncio.sleep(2)
    private_servers.mongo.kill()
    await until(lambda: "mongo" in relay.service._watch.readiness.report(), 15)
    await asyncio.sleep(5)
    await asyncio.to_thread(private_servers.mongo.start)
    await feeding
    await outcome(corner, set(values))
    assert relay.mongo is not None
    assert await relay.mongo.count("seen", {}) == 800
    assert relay.service.failure is None
    await until_async(relay.is_ready, 20)


async def test_a_table_follows_on_after_an_outage(
    corner: Corner, private_servers: PrivateServers
) -> None:
    rows: dict[str, bytes | None] = {}
    service = Service("router", corner.settings())
    service.read_table(HOLD_CHANGED.name, parse, rows.__setitem__)
    await corner.start(service)
    await corner.send(HOLD_CHANGED.name, [b"before"], key=b"a")
    await until(lambda: rows.get("a") == b"before")
    private_servers.kafka.kill()
    await asyncio.sleep(5)
    await asyncio.to_thread(private_servers.kafka.start)
    await corner.send(HOLD_CHANGED.name, [b"after"], key=b"a")
    await until(lambda: rows.get("a") == b"after", 20)
    assert service.failure is None
