"""The push on a real Kafka, a real MongoDB and real HTTP: managed, paused, replayed, killed."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from libs.runtime.tests.processes import Program
from services.receipts.tests.integration.conftest import (
    TOKEN,
    Corner,
    ask,
    count,
    publish,
    until,
)
from services.receipts.tests.unit.making import (
    RECIPIENT,
    WITH_CALL,
    called,
    finished,
    message,
    message_id_of,
    receipt,
)
from standardwebhooks.webhooks import Webhook

from receipts.ledger.adapters.mongo import MongoLedger
from yizhan_contracts import ids
from yizhan_contracts.events import (
    AccountNotified,
    AttemptOutcome,
    BatchClosed,
    CallOutcome,
    Event,
    NoticeKind,
    ReceiptState,
    ReplyReceived,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime import Service, SystemClock
from yizhan_telecom.charging import charging_num

pytestmark = pytest.mark.integration

DELIVERED_AT = datetime(2015, 6, 29, 11, 23, 26, tzinfo=UTC)


def delivered(message_id: str, **changes: Any) -> list[Event]:
    of = message(message_id, **changes)
    told = receipt(ReceiptState.DELIVERED, message_id=message_id, delivered_at=DELIVERED_AT)
    return [of, finished(AttemptOutcome.SUBMITTED, of=of), told]


async def test_the_body_is_that_of_the_interface_to_the_byte(corner: Corner) -> None:
    service = await corner.start()
    one, other = message_id_of(1), message_id_of(2)
    failed = receipt(
        ReceiptState.FAILED, message_id=other, reason=Reason.NUMBER_VACANT, carrier_code="MK:0001"
    )
    second = message(other)
    await publish(service, *delivered(one))
    await until(lambda: heard(corner, 1))
    await publish(service, second, finished(AttemptOutcome.SUBMITTED, of=second), failed)
    await until(lambda: heard(corner, 2))
    bodies = [body for body, _ in corner.customer.raw]
    assert bodies == [
        b'{"smsResult":[{"smsId":"%s","phone":"%s","status":"0","respMessage":"",'
        b'"receiveTime":"2015-06-29 19:23:26","chargingNum":"1"}]}'
        % (one.encode(), RECIPIENT.encode()),
        b'{"smsResult":[{"smsId":"%s","phone":"%s","status":"1","respMessage":"MK:0001",'
        b'"receiveTime":"","chargingNum":"1"}]}' % (other.encode(), RECIPIENT.encode()),
    ]
    headers = corner.customer.raw[0][1]
    assert headers["Accept"] == "application/json"
    assert headers["Content-Type"] == "application/json;charset=utf-8"
    assert not [name for name in headers if name.lower().startswith("webhook")]


async def heard(corner: Corner, numbers: int) -> bool:
    return len(corner.customer.heard) >= numbers


@pytest.mark.parametrize("letter", ["字", "a", "😀"])
async def test_charging_num_is_told_as_the_table_of_the_interface_says(
    corner: Corner, letter: str
) -> None:
    """An emoji is two of the units that are counted."""
    units = {1: "1", 70: "1", 71: "2", 134: "2", 135: "3", 201: "3", 202: "4"}
    service = await corner.start()
    wide = len(letter.encode("utf-16-le")) // 2
    texts = {size: letter * (size // wide) + "x" * (size % wide) for size in units}
    for number, text in enumerate(texts.values()):
        charged = charging_num(text)
        await publish(service, *delivered(message_id_of(number), text=text, charging_num=charged))
    await until(lambda: heard(corner, len(units)))
    told = {r["smsId"]: r["chargingNum"] for body in corner.customer.bodies for r in body}
    assert [told[message_id_of(number)] for number in range(len(units))] == list(units.values())


async def test_an_endpoint_is_managed_over_http_and_other_instances_follow(
    corner: Corner,
) -> None:
    first, second = await corner.start(instance="one"), await corner.start(instance="two")
    status, made = await ask(
        first, "PUT", "/v1/endpoints/shop", {"url": f"{corner.url}/receipts", "concurrency": 2}
    )
    assert (status, made["state"], made["concurrency"]) == (200, "active", 2)
    for url, why in (
        ("https://169.254.169.254/latest", "private"),
        ("http://example.com/x", "https://"),
        ("https://user:word@127.0.0.1/x", "user name"),
    ):
        status, refused = await ask(first, "PUT", "/v1/endpoints/shop", {"url": url})
        assert status == 422
        assert why in refused["detail"]
    assert (await ask(second, "GET", "/v1/endpoints/shop"))[1]["version"] == 1
    listed = (await ask(second, "GET", "/v1/endpoints"))[1]["endpoints"]
    assert [one["account_id"] for one in listed] == ["acme", "shop"]
    assert (await ask(first, "GET", "/v1/endpoints/shop", token="none"))[0] == 401
    for changed in (first, second):
        assert await paused_is_heard_of(corner, changed, [first, second])


async def paused_is_heard_of(corner: Corner, by: Service, all_of: list[Service]) -> bool:
    """Pause through one instance; whichever of them reads the record, nothing is sent."""
    assert (await ask(by, "POST", "/v1/endpoints/shop/pause"))[1]["state"] == "paused"
    await asyncio.sleep(2.5)  # by then every instance must have heard of it
    before = len(corner.customer.raw)
    begun = int(datetime.now(UTC).timestamp() * 1000)
    message_ids = [
        ids.new_message_id(f"+8613800{number:06}", begun + number) for number in range(20)
    ]
    waiting = await count(by.mongo(), "push_due")
    for message_id in message_ids:
        await publish(by, *delivered(message_id, account_id="shop"))

    async def are_stored() -> bool:
        return await count(by.mongo(), "push_due") == waiting + 20

    await until(are_stored)
    assert len(corner.customer.raw) == before
    assert (await ask(by, "POST", "/v1/endpoints/shop/resume"))[1]["state"] == "active"

    async def are_heard() -> bool:
        return set(message_ids) <= corner.customer.heard.keys()

    await until(are_heard)
    return not any(service.failure for service in all_of)


async def test_pushes_are_signed_beside_and_the_secret_is_sealed_and_told_once(
    corner: Corner,
) -> None:
    service = await corner.start()
    secrets = []
    for number in range(2):
        status, told = await ask(service, "POST", "/v1/endpoints/acme/secret")
        assert status == 200
        secrets.append(told["secret"])
        await publish(service, *delivered(message_id_of(number)))
        await until(lambda: heard(corner, number + 1))  # noqa: B023
    plain = await ask(service, "DELETE", "/v1/endpoints/acme/secret")
    assert plain[1]["secrets"] == []
    (first, first_headers), (second, second_headers) = corner.customer.raw
    assert first.startswith(b'{"smsResult":[{"smsId":"')
    Webhook(secrets[0]).verify(first, dict(first_headers))
    for secret in secrets:
        Webhook(secret).verify(second, dict(second_headers))
    shown = (await ask(service, "GET", "/v1/endpoints/acme"))[1]
    stored = await service.mongo().find("endpoints", {"_id": "acme"})
    assert not any(secret in f"{shown}{stored}" for secret in secrets)


async def test_a_sample_tells_what_the_endpoint_answers(corner: Corner) -> None:
    service = await corner.start()
    _, good = await ask(service, "POST", "/v1/endpoints/acme/sample")
    assert (good["answer"], good["respCode"], good["http_status"]) == (
        "acknowledged",
        "00000",
        200,
    )
    corner.customer.resp_code = "E7"
    _, bad = await ask(service, "POST", "/v1/endpoints/acme/sample", {"about": "results"})
    assert (bad["answer"], bad["respCode"]) == ("refused", "E7")
    assert "E7" in bad["body"]
    _, event = await ask(service, "POST", "/v1/endpoints/acme/sample", {"about": "events"})
    assert (event["answer"], event["http_status"]) == ("acknowledged", 204)
    assert corner.customer.events[0]["type"] == "endpoint.sample"
    assert (await ask(service, "POST", "/v1/endpoints/nobody/sample"))[0] == 404
    assert await count(service.mongo(), "push_due") == 0


async def test_replies_calls_and_notices_are_told_as_events_once(corner: Corner) -> None:
    service, now = await corner.start(), datetime.now(UTC)
    of = message(ids.new_message_id(RECIPIENT, int(now.timestamp() * 1000)), policy=WITH_CALL)
    submitted = finished(AttemptOutcome.SUBMITTED, of=of, sender="10690000", finished_at=now)
    await publish(service, of, submitted)

    async def is_known() -> bool:
        return await count(service.mongo(), "facts", kind="submitted") == 1

    await until(is_known)
    reply = ReplyReceived(
        channel="a",
        carrier_account="carrier-a",
        carrier_message_id="mo-1",
        sender=of.recipient,
        recipient="10690000",
        text="收到 😀",
        received_at=now,
    )
    notice = AccountNotified(
        notice_id="acme.balance.5.1",
        account_id="acme",
        kind=NoticeKind.BALANCE_LOW,
        threshold=5,
        left=4.5,
        currency="CNY",
        noticed_at=now,
    )
    call = called(CallOutcome.ANSWERED, message_id=of.message_id)
    await publish(service, reply, reply, notice, notice, call, call)

    async def are_told() -> bool:
        is_done = await count(service.mongo(), "push_due") == 0
        return is_done and len(corner.customer.events) >= 3

    await until(are_told)
    told = {event["type"]: event["data"] for event in corner.customer.events}
    assert len(corner.customer.events) == 3
    assert told["reply.received"]["text"] == "收到 😀"
    assert told["reply.received"]["message_id"] == of.message_id
    assert told["voice.finished"]["reference"] == of.reference
    assert told["account.low"]["left"] == 4.5
    stored = await service.mongo().find("push_events", {})
    assert "收到" not in str(stored)
    assert of.recipient not in str(stored)


async def test_a_batch_is_told_finished_when_its_last_message_is_settled(corner: Corner) -> None:
    service = await corner.start()
    message_ids = tuple(message_id_of(number) for number in range(20))
    closed = BatchClosed(
        batch_id="b1",
        account_id="acme",
        total=20,
        message_ids=message_ids,
        closed_at=datetime.now(UTC),
    )
    await publish(service, closed, closed)
    for message_id in message_ids[:-1]:
        await publish(service, *delivered(message_id))
    await until(lambda: heard(corner, 19))
    assert not corner.customer.events
    await publish(service, *delivered(message_ids[-1]))

    async def is_told() -> bool:
        return bool(corner.customer.events)

    await until(is_told)
    assert corner.customer.events[0]["data"] == {
        "batch_id": "b1",
        "total": 20,
        "counts": {"delivered": 20},
    }
    assert await count(service.mongo(), "batches") == 0


async def test_a_replay_is_a_job_that_says_a_range_again(corner: Corner) -> None:
    service = await corner.start()
    for number in range(30):
        await publish(service, *delivered(message_id_of(number)))
    await until(lambda: heard(corner, 30))
    corner.customer.bodies.clear()
    since = datetime.fromtimestamp(ids.created_ms_of(message_id_of(10)) / 1000, UTC)
    until_ = since + timedelta(milliseconds=10)
    wanted = {"since": since.isoformat(), "until": until_.isoformat()}
    status, job = await ask(service, "POST", "/v1/endpoints/acme/replay", wanted)
    assert (status, job["progress"]) == (202, "running")

    async def is_done() -> bool:
        _, listed = await ask(service, "GET", "/v1/endpoints/acme/replays")
        return bool(listed["replays"][0]["progress"] == "done")

    await until(is_done)
    assert sorted(corner.customer.heard) == [message_id_of(number) for number in range(10, 20)]
    status, refused = await ask(
        service, "POST", "/v1/endpoints/acme/replay", {"since": "2999-01-01T00:00:00Z"}
    )
    assert (status, refused["detail"]) == (422, "since must be before until, and before now")


@pytest.mark.timeout(120)
async def test_a_replay_whose_process_is_killed_goes_on_and_misses_nothing(
    corner: Corner, tmp_path: Path
) -> None:
    helper = await corner.start()
    await MongoLedger(helper.mongo(), SystemClock()).insert_settled(
        [settled_document(number) for number in range(3000)]
    )
    await helper.stop()
    environment = corner.environment(
        YIZHAN_INSTANCE="one", YIZHAN_RECEIPTS_REPLAY_PER_S="1000", YIZHAN_DRAIN_TIMEOUT_S="2"
    )
    # Slow enough that the kill comes while a page is on its way.
    corner.customer.takes_s = 0.05
    first = await Program(tmp_path / "first.log", environment, "receipts").start()
    await first.until_started()
    await order_replay(first)
    await until(lambda: heard(corner, 800))
    first.signal(signal.SIGKILL)
    await first.exit_code()
    assert len(corner.customer.heard) < 3000
    second = await Program(tmp_path / "second.log", environment, "receipts").start()
    await second.until_started()
    await until(lambda: heard(corner, 3000))
    await second.end()
    often = [len(statuses) for statuses in corner.customer.heard.values()]
    assert sum(often) <= 3000 + 100, "no more than the page that was on its way is said twice"


async def order_replay(program: Program) -> None:
    port = program.said("started")[-1]["port"]
    url = f"http://127.0.0.1:{port}/v1/endpoints/acme/replay"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    wanted = {"since": "2026-11-23T00:00:00Z"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=wanted, headers=headers) as answer,
    ):
        assert answer.status == 202


def settled_document(number: int) -> dict[str, Any]:
    return {
        "_id": message_id_of(number),
        "account_id": "acme",
        "recipient": RECIPIENT,
        "charging_num": 1,
        "time_zone": "Asia/Shanghai",
        "status": "delivered",
        "settled_by": "record",
        "settled_at": DELIVERED_AT,
        "sms": {"status": "delivered", "delivered_at": DELIVERED_AT},
    }
