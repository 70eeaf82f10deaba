"""Compacted topics on real Kafka: read whole at the start, followed afterwards."""

import asyncio
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from libs.runtime.tests.support import until

from yizhan_contracts.topics import HOLD_CHANGED
from yizhan_runtime import Poison, RawRecord, Service, SystemClock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.table import TableReader

pytestmark = pytest.mark.integration

TOPIC = HOLD_CHANGED.name


def parse(raw: RawRecord) -> str:
    if raw.value is None or raw.value.startswith(b"bad"):
        raise Poison("invalid")
    return raw.value.decode()


class Rows:
    """What a table says now, and what it has said."""

    def __init__(self) -> None:
        self.now: dict[str, str | None] = {}
        self.changes = 0

    def on_change(self, key: str, event: str | None) -> None:
        if event == "breaks":
            raise KeyError(key)
        self.changes += 1
        self.now[key] = event


async def put(corner: Any, **rows: bytes | None) -> None:
    for key, value in rows.items():
        await corner.send(TOPIC, [value], key=key.encode())


async def test_all_rows_are_there_when_the_start_returns(corner: Any) -> None:
    for n in range(5):
        await put(corner, a=b"a%d" % n, b=b"b%d" % n, gone=b"x")
    await put(corner, gone=None)
    rows = Rows()
    service = Service("router", corner.settings())
    service.read_table(TOPIC, parse, rows.on_change)
    await corner.start(service)
    assert rows.now == {"a": "a4", "b": "b4", "gone": None}
    await put(corner, a=b"later")
    await until(lambda: rows.now["a"] == "later")


async def test_of_the_recent_past_every_record_is_given_in_order(corner: Any) -> None:
    for n in range(3):
        await put(corner, a=b"a%d" % n, b=b"b%d" % n)
    given: list[tuple[str, str]] = []
    service = Service("router", corner.settings())
    service.read_table(TOPIC, parse, lambda *row: given.append(row), recent_s=600)
    await corner.start(service)
    assert given == [(key, f"{key}{n}") for n in range(3) for key in "ab"]
    await put(corner, a=b"later")
    await until(lambda: given[-1] == ("a", "later"))


async def test_an_empty_table_is_read_at_once(corner: Any) -> None:
    service = Service("router", corner.settings())
    service.read_table(TOPIC, parse, Rows().on_change)
    await asyncio.wait_for(corner.start(service), 10)


async def test_a_bad_row_is_left_out_and_stops_nobody(corner: Any) -> None:
    await put(corner, a=b"good", b=b"bad", c=b"breaks", d=b"good")
    rows = Rows()
    service = Service("router", corner.settings())
    service.read_table(TOPIC, parse, rows.on_change)
    await corner.start(service)
    assert rows.now == {"a": "good", "d": "good"}
    await put(corner, a=b"bad", d=b"breaks", e=b"good")
    await until(lambda: "e" in rows.now)
    assert rows.now == {"a": "good", "d": "good", "e": "good"}
    assert service.failure is None


async def test_a_table_of_several_partitions_is_read_whole(corner: Any) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=corner.kafka_url)
    await admin.start()
    await admin.create_topics([NewTopic(f"{corner.namespace}wide", 3, 1)])
    await admin.close()
    for n in range(30):
        await corner.send("wide", [b"v"], key=b"k%d" % n, partition=n % 3)
    rows = Rows()
    reader = TableReader(corner.settings(), SystemClock(), "wide", parse, rows.on_change)
    await reader.start()
    assert len(rows.now) == 30
    await reader.stop()
    await reader.stop()


async def test_a_table_without_a_kafka_says_so_in_time(corner: Any) -> None:
    settings = corner.settings(start_timeout_s=2.0).model_copy(update={"kafka_url": "127.0.0.1:1"})
    reader = TableReader(settings, SystemClock(), TOPIC, parse, Rows().on_change)
    with pytest.raises(Retryable, match=TOPIC):
        await reader.start()
