"""Receipts on a real Kafka and a real MongoDB: the whole way, a restart in the middle, idle."""

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest
from services.receipts.tests.integration.conftest import Corner, count, publish, until
from services.receipts.tests.unit.making import (
    RECIPIENT,
    WITH_CALL,
    called,
    finished,
    message,
    message_id_of,
    receipt,
)

from yizhan_contracts import ids
from yizhan_contracts.events import (
    AttemptOutcome,
    CallOutcome,
    Event,
    MessageSettled,
    ReceiptState,
    ReplyReceived,
    Status,
    VoiceRequested,
)
from yizhan_contracts.reasons import Reason
from yizhan_contracts.topics import MESSAGE_SETTLED, VOICE_REQUESTED
from yizhan_runtime import Service

pytestmark = pytest.mark.integration


def whole_way(numbers: range) -> list[Event]:
    """Give all that is said of some messages: some in parts, some twice, some nameless."""
    said: list[Event] = []
    for number in numbers:
        of = message(message_id_of(number))
        carrier_id = f"c-{number}"
        told = receipt(
            ReceiptState.DELIVERED, message_id=of.message_id, carrier_message_id=carrier_id
        )
        nameless = told.model_copy(update={"attempt_id": None})
        submitted = finished(AttemptOutcome.SUBMITTED, of=of, carrier_message_id=carrier_id)
        if number % 3 == 0:
            part_ids = (carrier_id, f"{carrier_id}-2")
            submitted = submitted.model_copy(
                update={"carrier_message_ids": part_ids, "segments": 2}
            )
            told = told.model_copy(update={"parts": 2})
            said.append(nameless.model_copy(update={"carrier_message_id": part_ids[1]}))
        said += [of, submitted, told if number % 2 else nameless]
        said += [said[-1 - number % 3]] if number % 5 == 0 else []
    return said


async def all_settled(service: Service, numbers: int) -> None:
    async def is_so() -> bool:
        return await count(service.mongo(), "settled", status="delivered") == numbers

    await until(is_so)


async def test_everything_in_any_order_settles_once_and_the_customer_hears_of_it(
    corner: Corner,
) -> None:
    service = await corner.start()
    said = whole_way(range(300))
    Random(1).shuffle(said)
    await publish(service, *said)
    await all_settled(service, 300)

    async def is_heard() -> bool:
        return len(corner.customer.heard) == 300

    await until(is_heard)
    assert set(map(tuple, corner.customer.heard.values())) == {("0",)}
    told = [MessageSettled.model_validate_json(v) for v in await corner.read(MESSAGE_SETTLED.name)]
    assert {event.message_id for event in told} == {message_id_of(i) for i in range(300)}
    assert {event.revision for event in told} == {1}
    mongo = service.mongo()
    assert await count(mongo, "early_receipts") == 0
    assert await count(mongo, "messages") == 300
    assert await count(mongo, "facts", kind="pushed") == 300
    assert await count(mongo, "push_due") == 0


async def test_stop_and_start_in_the_middle_loses_nothing_and_settles_once(
    corner: Corner,
) -> None:
    first = await corner.start()
    said = whole_way(range(600))
    Random(2).shuffle(said)
    await publish(first, *said)

    async def has_begun() -> bool:
        return await count(first.mongo(), "settled") > 20

    await until(has_begun)
    second = await corner.start()
    await first.stop()
    await all_settled(second, 600)

    async def is_heard() -> bool:
        return len(corner.customer.heard) == 600

    await until(is_heard)
    revisions = await second.mongo().find("settled", {"revision": {"$ne": 1}})
    assert not revisions


async def test_failed_sms_becomes_a_call_and_the_customer_hears_of_the_sms(
    corner: Corner,
) -> None:
    service = await corner.start()
    of = message(policy=WITH_CALL)
    failed = receipt(ReceiptState.FAILED, reason=Reason.NOT_MOBILE, carrier_code="MI:0024")
    await publish(service, of, finished(AttemptOutcome.SUBMITTED), failed)

    async def is_heard() -> bool:
        return bool(corner.customer.bodies)

    await until(is_heard)
    ((result,),) = corner.customer.bodies
    assert (result["status"], result["respMessage"]) == ("1", "MI:0024")
    (asked,) = [
        VoiceRequested.model_validate_json(v) for v in await corner.read(VOICE_REQUESTED.name)
    ]
    assert asked.script == of.voice_script
    await publish(service, called(CallOutcome.ANSWERED))
    await all_settled(service, 1)


async def test_refused_push_is_stored_and_comes_when_the_customer_takes_it(
    corner: Corner,
) -> None:
    corner.customer.resp_code = "00001"
    service = await corner.start()
    await publish(service, *whole_way(range(3)))

    async def is_stored() -> bool:
        return await count(service.mongo(), "push_due") == 3

    await until(is_stored)
    corner.customer.resp_code = "00000"

    async def is_done() -> bool:
        is_heard = len(corner.customer.heard) == 3
        return is_heard and await count(service.mongo(), "push_due") == 0

    await until(is_done)


async def test_silence_settles_as_unknown_and_a_late_receipt_corrects_it(corner: Corner) -> None:
    service = await corner.start(receipts_sweep_margin_s=0.2)
    soon = finished(AttemptOutcome.SUBMITTED, receipt_timeout_s=0.5)
    mongo = service.mongo()
    await publish(service, message(valid_until=message().accepted_at), soon)

    async def is_unknown() -> bool:
        return await count(mongo, "settled", status=Status.UNKNOWN.value) == 1

    async def has_heard(*statuses: str) -> bool:
        return list(corner.customer.heard.values()) == [list(statuses)]

    await until(is_unknown)
    await until(lambda: has_heard("1"))
    await publish(service, receipt(ReceiptState.DELIVERED))
    await all_settled(service, 1)
    await until(lambda: has_heard("1", "0"))
    told = [MessageSettled.model_validate_json(v) for v in await corner.read(MESSAGE_SETTLED.name)]
    assert [(event.status, event.revision) for event in told] == [
        (Status.UNKNOWN, 1),
        (Status.DELIVERED, 2),
    ]


async def test_idle_writes_and_publishes_nothing(corner: Corner) -> None:
    service = await corner.start()
    await publish(service, *whole_way(range(10)))
    await all_settled(service, 10)
    await asyncio.sleep(3)
    before = written(service)
    await asyncio.sleep(8)
    assert written(service) == before


def written(service: Service) -> dict[str, float]:
    """Count what was written to MongoDB and Kafka, commits too."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for metric in service.registry.collect()
        for sample in metric.samples
        if sample.name in ("yizhan_mongo_seconds_count", "yizhan_records_published_total")
        or sample.name == "yizhan_commits_total"
        if sample.labels.get("operation") not in ("find", "ping", "hello", "aggregate", "count")
        # These messages' ids are old: their slice is counted, and closed, once after a start.
        if sample.labels.get("collection") != "balances"
    }


async def test_a_reply_is_kept_once_and_finds_the_message_that_it_answers(corner: Corner) -> None:
    service, now = await corner.start(), datetime.now(UTC)
    of = message(ids.new_message_id(RECIPIENT, int(now.timestamp() * 1000)))
    submitted = finished(AttemptOutcome.SUBMITTED, of=of, sender="10690000", finished_at=now)
    reply = ReplyReceived(
        channel="a",
        carrier_account="carrier-a",
        carrier_message_id="mo-1",
        sender=of.recipient,
        recipient="10690000",
        text="Y",
        received_at=now,
    )
    await publish(service, of, submitted)

    async def is_known() -> bool:
        return await count(service.mongo(), "facts", kind="submitted") == 1

    await until(is_known)
    await publish(service, reply, reply)

    async def is_kept() -> bool:
        return await count(service.mongo(), "replies", message_id=of.message_id) == 1

    await until(is_kept)
    assert await count(service.mongo(), "replies", account_id="acme", matched_by="sender") == 1
