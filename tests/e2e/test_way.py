"""The way of a message: an event or a request becomes an SMS, a receipt and a push."""

import asyncio
import json
import re
import secrets

import pytest

from tests.e2e.configuration import NO_ROUTE
from tests.support.world import World
from yizhan_contracts.events import NO_CHANNEL, Answer, AttemptOutcome, Medium, Status
from yizhan_contracts.reasons import Reason
from yizhan_demo.upstream import EVENT_TYPE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="session")]

JSON = ("content-type", b"application/json")
CLOUD_EVENT = ("content-type", b"application/cloudevents+json; charset=UTF-8")


async def test_an_event_becomes_an_sms_a_receipt_and_a_push(world: World) -> None:
    phone = world.number("DE")
    event = world.event(phone, recipients=[{"phone": phone, "language": "de"}])
    message_id = await world.tell(event)

    settled = await world.settled(message_id)
    assert (settled.status, settled.via, settled.revision) == (Status.DELIVERED, Medium.SMS, 1)
    assert settled.reference == event["shipment_id"]
    (handed,) = await world.ends.handed(message_id)
    assert (handed.carrier, handed.ref) == ("borealis-eu", f"{message_id}-1")
    assert handed.story["to"] == phone
    number = event["attributes"]["tracking_number"]
    assert handed.story["text"] == f"[Yizhan] Ihr Paket {number} wurde versandt."
    (push,) = await world.pushed(message_id)
    # The customer's end checks the body field by field, and its headers: see the simulators.
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", push.pop("receive_time"))
    assert {name: push[name] for name in push if name != "at"} == {
        "sms_id": message_id,
        "phone": phone,
        "status": "0",
        "resp_message": "",
        "charging_num": "1",
        "answer": "00000",
    }
    assert (await world.ends.customer("demo-sms"))["malformed"] == 0


async def test_a_text_above_seventy_characters_is_charged_as_two(world: World) -> None:
    phone = world.number("FR")
    event = world.event(phone, milestone="customs-held")
    push = (await world.pushed(await world.tell(event)))[0]
    assert (push["phone"], push["charging_num"]) == (phone, "2")


async def test_a_binary_cloud_event_becomes_an_sms(world: World) -> None:
    event = world.event(world.number("ES"))
    attributes = {
        "ce_specversion": "1.0",
        "ce_type": EVENT_TYPE,
        "ce_id": event.pop("event_id"),
        "ce_source": event.pop("source"),
        "ce_time": event["occurred_at"],
        "ce_subject": event["shipment_id"],
    }
    headers = [(name, value.encode()) for name, value in attributes.items()]
    await world.publish(json.dumps(event).encode(), None, [*headers, JSON])
    await _becomes_an_sms(world, event["shipment_id"])


async def test_a_structured_cloud_event_becomes_an_sms(world: World) -> None:
    event = world.event(world.number("IT"))
    envelope = {
        "specversion": "1.0",
        "type": EVENT_TYPE,
        "id": event.pop("event_id"),
        "source": event.pop("source"),
        "time": event["occurred_at"],
        "data": event,
    }
    await world.publish(json.dumps(envelope).encode(), None, [CLOUD_EVENT])
    await _becomes_an_sms(world, event["shipment_id"])


async def _becomes_an_sms(world: World, shipment_id: str) -> None:
    answer = await world.answer(shipment_id)
    assert answer.answer is Answer.ACCEPTED
    message_id = answer.messages[0].message_id
    assert message_id
    assert (await world.settled(message_id)).status is Status.DELIVERED
    assert len(await world.pushed(message_id)) == 1


async def test_a_posted_message_becomes_an_sms_a_receipt_and_a_push(world: World) -> None:
    phone = world.number("JP")
    message_id = await world.send(phone, language="ja", reference="candidate-1")
    settled = await world.settled(message_id)
    assert (settled.status, settled.reference) == (Status.DELIVERED, "candidate-1")
    (handed,) = await world.ends.handed(message_id)
    assert (handed.carrier, handed.story["to"]) == ("cathay-asia", phone)
    (push,) = await world.pushed(message_id)
    assert (push["phone"], push["status"]) == (phone, "0")


async def test_an_event_told_twice_is_sent_once(world: World) -> None:
    event = world.event(world.number("PT"))
    message_id = await world.tell(event)
    await world.settled(message_id)
    await world.publish(json.dumps(event).encode(), event["shipment_id"].encode())
    await _until_answered(world, event["shipment_id"], times=2)
    first, again = world.topics.answered[event["shipment_id"]]
    assert again.duplicate
    assert [m.message_id for m in again.messages] == [m.message_id for m in first.messages]
    assert len(await world.ends.handed(message_id)) == 1


async def _until_answered(world: World, shipment_id: str, times: int) -> None:
    async with asyncio.timeout(20):
        while len(world.topics.answered[shipment_id]) < times:
            await asyncio.sleep(0.05)


async def test_a_request_repeated_with_its_key_is_sent_once(world: World) -> None:
    key = secrets.token_hex(8)
    body = {
        "to": world.number("PL"),
        "template": "picked-up",
        "variables": {"tracking_number": "PL1"},
    }
    answers = await asyncio.gather(*(world.post(body, key, "-sms") for _ in range(5)))
    assert {answer.status for answer in answers} <= {202, 409}
    again = await world.post(body, key, "-sms")
    assert again.status == 202
    message_id = again.body["message_id"]
    assert {a.body["message_id"] for a in answers if a.status == 202} <= {message_id}
    assert (await world.post(body | {"reference": "other"}, key, "-sms")).status == 422
    assert (await world.settled(message_id)).status is Status.DELIVERED
    assert len(await world.ends.handed(message_id)) == 1
    assert len(await world.pushed(message_id)) == 1


async def test_a_message_that_nobody_can_route_fails_with_its_reason(world: World) -> None:
    message_id = await world.send(world.number(NO_ROUTE))
    settled = await world.settled(message_id)
    assert (settled.status, settled.reason) == (Status.FAILED, Reason.NO_ROUTE)
    assert settled.attempts == 0
    (push,) = await world.pushed(message_id)
    assert (push["status"], push["resp_message"]) == ("1", "no-route")
    assert await world.ends.handed(message_id) == []
    (finished,) = world.topics.finished[message_id]
    assert (finished.channel, finished.outcome) == ("none", AttemptOutcome.UNROUTABLE)


@pytest.mark.parametrize(
    ("ending", "status", "reason", "pushed"),
    [
        ("55", Status.DELIVERED, Reason.NONE, "0"),
        ("10", Status.DELIVERED, Reason.NONE, "0"),
        ("01", Status.FAILED, Reason.NUMBER_VACANT, "1"),
        ("06", Status.FAILED, Reason.TEMPLATE_NOT_REGISTERED, "1"),
    ],
)
async def test_a_test_key_has_the_whole_flow_and_reaches_no_carrier(
    world: World, ending: str, status: Status, reason: Reason, pushed: str
) -> None:
    number = world.number("CN")[:-2] + ending
    message_id = await world.send(number, account="-test")
    settled = await world.settled(message_id)
    assert (settled.status, settled.reason) == (status, reason)
    (push,) = await world.pushed(message_id, "tester")
    assert (push["status"], push["phone"]) == (pushed, number)
    assert await world.ends.handed(message_id) == []
    finished = world.topics.finished[message_id]
    assert {attempt.channel for attempt in finished} - {NO_CHANNEL} == {"sandbox"}


async def test_a_bad_number_is_answered_and_leaves_the_others_alone(world: World) -> None:
    good = {"phone": world.number("KR"), "language": "ko"}
    event = world.event("", recipients=[{"phone": "13800138000"}, good])
    await world.publish(json.dumps(event).encode(), event["shipment_id"].encode())
    bad, fine = (await world.answer(event["shipment_id"])).messages
    assert (bad.answer, bad.code) == (Answer.REJECTED, "number-country-code-missing")
    assert fine.message_id
    assert (await world.settled(fine.message_id)).status is Status.DELIVERED
