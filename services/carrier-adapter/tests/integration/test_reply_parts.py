"""Parts of long replies in a real MongoDB."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from carrier_adapter.adapters.mongo import MongoReplyParts
from carrier_adapter.receiving.replies import ReplyPart, ReplyPlace
from yizhan_runtime.clock import SystemClock
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.mongo import Mongo

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.fixture
def store(mongo_url: str, namespace: str) -> Iterator[MongoReplyParts]:
    name = f"{namespace}carrier-adapter".replace(".", "_").replace("-", "_")
    metrics = RuntimeMetrics(CollectorRegistry())
    mongo = Mongo(mongo_url, name, 10.0, metrics, SystemClock())
    yield MongoReplyParts(mongo)
    mongo.close()


def part(number: int, text: str, *, key: str = "k", at: datetime = AT) -> ReplyPart:
    return ReplyPart(key, ReplyPlace(7, 3, number), "a", "account", "336", "72345", text, at)


async def test_parts_are_kept_found_and_dropped(store: MongoReplyParts) -> None:
    await store.prepare()
    first, other = part(1, "a"), part(1, "b", key="other", at=AT + timedelta(minutes=1))
    await store.put_parts([first, other])
    await store.put_parts([first])
    assert await store.load_parts(["k:1", "k:2"]) == [first]
    assert await store.load_parts_before(AT + timedelta(seconds=1), 10) == [first]
    assert await store.load_parts_before(AT + timedelta(hours=1), 1) == [first]
    await store.drop_parts(["k:1"])
    assert await store.load_parts_before(AT + timedelta(hours=1), 10) == [other]


async def test_a_part_with_another_text_begins_its_reply_anew(store: MongoReplyParts) -> None:
    other = part(1, "kept", key="other")
    await store.put_parts([part(1, "old"), part(2, "old"), other])
    await store.put_parts([part(1, "new"), part(3, "new")])
    ids = ["k:1", "k:2", "k:3", "other:1"]
    found = {one.part_id: one.text for one in await store.load_parts(ids)}
    assert found == {"k:1": "new", "k:3": "new", "other:1": "kept"}
