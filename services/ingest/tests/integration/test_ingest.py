"""Ingest on a real Kafka and a real MongoDB."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from services.ingest.tests.integration.conftest import DLQ, Corner, post, until
from services.ingest.tests.unit.asgi import call
from services.ingest.tests.unit.making import AUTHORIZATION, US
from services.ingest.tests.unit.making import event as event_of

from ingest.adapters.mongo import INPUTS, MARKS, MongoInputs, MongoMarks
from ingest.app import Role
from ingest.ports import Mark
from ingest.retention import drop_old
from yizhan_contracts import ids
from yizhan_contracts.events import Answer
from yizhan_contracts.topics import PARTITIONS
from yizhan_runtime.errors import Retryable
from yizhan_runtime.service import Service

pytestmark = pytest.mark.integration

SCORE = {
    "to": US,
    "template": "score",
    "variables": {"name": "张三", "code": "2026001", "subject": "数学", "score": "99"},
}


def event(number: int, **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    given = {"event_id": f"e-{number}", "shipment_id": f"S{number}", "occurred_at": now}
    return event_of(**{**given, **changes})


async def test_events_become_messages_and_answers(corner: Corner) -> None:
    await corner.start({Role.EVENTS})
    await corner.send([event(n) for n in range(300)])
    answers = await corner.answered(300)
    assert {answer.answer for answer in answers} == {Answer.ACCEPTED}
    messages = await corner.messages()
    assert {m.message_id for m in messages} == {a.messages[0].message_id for a in answers}
    assert len(messages) == 300


async def test_messages_stand_in_the_partition_of_their_shard(corner: Corner) -> None:
    await corner.start({Role.EVENTS})
    await corner.send([event(1)])
    await corner.answered(1)
    (record,) = await corner.read("message.accepted.v1.urgent")
    shard = ids.shard_of(json.loads(record.value)["message_id"])
    assert record.partition == ids.partition_of(shard, PARTITIONS)
    assert record.key == ids.key_of_shard(shard)


async def test_a_repeated_event_is_the_same_message_after_a_restart(corner: Corner) -> None:
    first = await corner.start({Role.EVENTS})
    await corner.send([event(1), event(1)])
    await corner.answered(2)
    await first.stop()
    await corner.start({Role.EVENTS})
    await corner.send([event(1)])
    answers = await corner.answered(3)
    assert len({a.messages[0].message_id for a in answers}) == 1
    assert sorted(a.duplicate for a in answers) == [False, True, True]
    messages = await corner.messages()
    assert len({m.model_dump_json() for m in messages}) == 1


async def test_what_cannot_be_read_is_answered_and_kept_and_blocks_nothing(corner: Corner) -> None:
    await corner.start({Role.EVENTS})
    bad: Sequence[bytes | None] = [None, b"", b"{", b"\xff\x00", b"[]", b"{}", b"x" * 200_000]
    await corner.send(bad, headers=[("nothing", None), ("\u00fc", b"\xff")])
    await corner.send([event(1)])
    answers = await corner.answered(len(bad) + 1)
    assert sorted(a.code for a in answers) == ["", *["malformed"] * len(bad)]
    kept = await until(lambda: corner.read(DLQ), len(bad))
    assert {record.value for record in kept} == set(bad)
    assert all(("dlq-origin" in dict(record.headers)) for record in kept)


async def test_cloudevents_are_read_in_both_modes(corner: Corner) -> None:
    await corner.start({Role.EVENTS})
    data = {k: v for k, v in event(1).items() if k not in {"event_id", "source"}}
    attributes = {"specversion": "1.0", "id": "1", "source": "/ce", "type": "shipment.updated.v1"}
    headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    await corner.send([data], headers=headers)
    kind = ("content-type", b"application/cloudevents+json; charset=UTF-8")
    await corner.send([{**attributes, "data": data}], headers=[kind])
    await corner.send([data], headers=[h for h in headers if h[0] != "ce_id"])
    answers = await corner.answered(3)
    assert sorted(a.code for a in answers) == ["", "", "malformed"]
    # The same event in two modes is one event.
    assert len({a.messages[0].message_id for a in answers if a.messages}) == 1


async def test_a_shipments_end_is_remembered(corner: Corner) -> None:
    await corner.start({Role.EVENTS})
    await corner.send([event(1)])
    await corner.answered(1)
    attributes = {"place": "Bonn"}
    late = event(1, event_id="late", milestone="in-transit", attributes=attributes)
    fine = event(2, milestone="in-transit", attributes=attributes)
    await corner.send([late, fine])
    answers = await corner.answered(3)
    assert sorted(a.code for a in answers) == ["", "", "superseded"]


async def test_a_publish_that_was_not_acknowledged_is_repeated_with_the_same_ids(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await corner.start({Role.EVENTS})
    publish, tries = service.publisher.publish, 0

    async def publish_late(events: Any) -> None:
        nonlocal tries
        tries += 1
        await publish(events)
        if tries == 1:
            raise Retryable("the acknowledgement was lost")

    monkeypatch.setattr(service.publisher, "publish", publish_late)
    await corner.send([event(1)])
    await corner.answered(2)
    assert len({m.message_id for m in await corner.messages()}) == 1


# ---- requests -----------------------------------------------------------------------------------


async def test_a_request_is_published_answered_and_shown(corner: Corner) -> None:
    service = await corner.start({Role.API})
    reply = await post(service, SCORE)
    assert reply.status == 202, reply.body
    (message,) = await corner.messages()
    assert message.message_id == reply.json()["message_id"]
    headers = {"Authorization": AUTHORIZATION}
    path = f"/v1/messages/{message.message_id}"
    shown = await call(service.http, "GET", path, headers=headers)
    assert shown.json() == reply.json()


async def test_a_key_makes_one_message_across_processes_and_restarts(corner: Corner) -> None:
    one, other = await corner.start({Role.API}), await corner.start({Role.API})
    replies = await asyncio.gather(
        *(post(service, SCORE, key="k1") for service in (one, other) * 5)
    )
    assert {reply.status for reply in replies} <= {202, 409}
    await one.stop()
    again = await post(other, SCORE, key="k1")
    accepted = {r.json()["message_id"] for r in [*replies, again] if r.status == 202}
    assert len(accepted) == 1
    assert {m.message_id for m in await corner.messages()} == accepted
    reused = await post(other, {**SCORE, "reference": "other"}, key="k1")
    assert (reused.status, reused.json()["code"]) == (422, "idempotency-key-reused")


async def test_many_requests_at_once_are_all_kept(corner: Corner) -> None:
    service = await corner.start({Role.API})
    replies = await asyncio.gather(*(post(service, SCORE, key=f"k{n}") for n in range(400)))
    assert {reply.status for reply in replies} == {202}
    messages = await corner.messages()
    assert {m.message_id for m in messages} == {r.json()["message_id"] for r in replies}
    assert len(messages) == 400


async def test_old_inputs_are_forgotten(corner: Corner) -> None:
    service = await corner.start({Role.API})
    for number in range(5):
        await post(service, SCORE, key=f"k{number}")
    inputs, mongo = MongoInputs(service.mongo()), service.mongo()
    await until(lambda: mongo.find(INPUTS, {}), 10)
    assert await drop_old(inputs, service.clock, timedelta(hours=1)) == 0
    assert await drop_old(inputs, service.clock, timedelta(0)) == 5
    assert await mongo.count(INPUTS, {}) == 0


# ---- the store ----------------------------------------------------------------------------------


async def test_a_mark_is_set_once(corner: Corner) -> None:
    service = await corner.start({Role.EVENTS})
    marks = MongoMarks(service.mongo())
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    first = Mark("m", "first", now, now)
    assert await marks.add([first]) == set()
    assert await marks.add([Mark("m", "second", now, now), Mark("n", "x", now, now)]) == {"m"}
    assert (await marks.find(["m", "none"])) == {"m": first}


async def test_every_query_has_its_index(corner: Corner) -> None:
    service: Service = await corner.start()
    stages = {}
    for name, query in (
        ("by id", {"_id": {"$in": ["x"]}}),
        ("by message", {"message_id": "x"}),
        ("old", {"message_id": {"$lt": "x"}}),
    ):
        plan = await service.mongo()._database.command(
            {"explain": {"find": INPUTS, "filter": query}, "verbosity": "queryPlanner"}
        )
        stages[name] = json.dumps(plan["queryPlanner"]["winningPlan"], default=str)
    assert all("COLLSCAN" not in stage for stage in stages.values()), stages
    expiring = await service.mongo()._database[MARKS].index_information()
    assert any("expireAfterSeconds" in index for index in expiring.values())
