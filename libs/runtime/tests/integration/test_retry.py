"""Parked records on real Kafka: several groups of one service, and headers of others."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from libs.runtime.tests.support import until

from yizhan_contracts.topics import SHIPMENT_UPDATED, VOICE_REQUESTED
from yizhan_runtime import (
    BatchRoute,
    OpenRecord,
    Parked,
    RawRecord,
    Record,
    Service,
    WindowRoute,
)

pytestmark = pytest.mark.integration

TOPIC = VOICE_REQUESTED.name


def parse(raw: RawRecord) -> str:
    return (raw.value or b"").decode()


class ParksOnce:
    """Parks every record the first time it sees it."""

    def __init__(self) -> None:
        self.came_back: list[str] = []

    async def handle(self, records: Sequence[Record[str]]) -> Iterable[Parked]:
        self.came_back += [record.event for record in records if record.raw.attempt]
        return [Parked(record, "once") for record in records if not record.raw.attempt]

    def intake(self, records: Sequence[OpenRecord[str]]) -> None:
        for opened in records:
            if opened.record.raw.attempt:
                self.came_back.append(opened.record.event)
                opened.finish()
            else:
                opened.park("once")


async def test_two_groups_on_one_topic_each_get_their_own_back(corner: Any) -> None:
    one, two = ParksOnce(), ParksOnce()
    service = Service("voice-fallback", corner.settings())
    service.consume_batches("one", [BatchRoute((TOPIC,), parse, one.handle)])
    service.consume_window("two", [WindowRoute((TOPIC,), parse)], two.intake)
    await corner.start(service)
    await corner.send(TOPIC, [b"%d" % n for n in range(20)])
    await until(lambda: len(one.came_back) >= 20 and len(two.came_back) >= 20, 25.0)
    assert sorted(one.came_back) == sorted(two.came_back) == sorted(map(str, range(20)))
    assert await corner.read("voice-fallback.dlq") == []
    parked = await corner.read("voice-fallback.retry.5s")
    assert len(parked) == 40


async def test_another_services_retry_headers_on_a_foreign_topic_mean_nothing(corner: Any) -> None:
    seen: list[tuple[str, int, Any]] = []

    async def handle(records: Sequence[Record[str]]) -> Iterable[Parked]:
        seen.extend((r.raw.origin, r.raw.attempt, r.raw.headers) for r in records)
        return ()

    service = Service("voice-fallback", corner.settings())
    route = BatchRoute((SHIPMENT_UPDATED.name,), parse, handle, foreign=True)
    service.consume_batches("voice-fallback", [route])
    await corner.start(service)
    headers = [("retry-origin", b"garbage"), ("retry-attempt", b"many")]
    await corner.send(SHIPMENT_UPDATED.name, [b"a"], partition=0, headers=headers)
    await until(lambda: len(seen) == 1)
    assert seen == [(f"{SHIPMENT_UPDATED.name}/0/0", 0, tuple(headers))]
    assert service.failure is None
