"""Events: told at least once, as they are, by the same rules as results."""

from datetime import timedelta
from typing import Any

from services.receipts.tests.unit.making import NOON, called, message_id_of
from services.receipts.tests.unit.pushing import Pushing

from receipts.push.announcing import Hearing
from receipts.push.endpoints import Endpoint, Wishes
from receipts.push.events import EventType, of_notice, of_reply
from receipts.push.ports import Answer
from yizhan_contracts.events import AccountNotified, CallOutcome, NoticeKind

REPLY: dict[str, Any] = {
    "_id": "acme/one:mo-1",
    "account_id": "acme",
    "phone": "+8613800001111",
    "to": "10690000",
    "text": "退订 😀",
    "message_id": message_id_of(1),
    "reference": "ref-1",
    "conversation_id": "c1",
    "received_at": NOON,
}
NOTICE = AccountNotified(
    notice_id="acme.domestic.100.1",
    account_id="acme",
    kind=NoticeKind.PACKAGE_LOW,
    package="domestic",
    threshold=100,
    left=99,
    noticed_at=NOON,
)


async def test_a_reply_is_told_in_the_envelope_with_what_was_written() -> None:
    async with Pushing() as push:
        push.store.replies[REPLY["_id"]] = REPLY
        await push.announcing.announce([of_reply(REPLY)])
        await push.turns()
        assert push.customer().events == [
            {
                "type": "reply.received",
                "timestamp": "2026-11-23T12:00:00.000Z",
                "data": {
                    "conversation_id": "c1",
                    "message_id": message_id_of(1),
                    "reference": "ref-1",
                    "from": "+8613800001111",
                    "to": "10690000",
                    "text": "退订 😀",
                    "received_at": "2026-11-23T12:00:00.000Z",
                },
            }
        ]
        assert not push.store.waiting
        (kept, _) = next(iter(push.store.announced.values()))
        assert "退订" not in str(kept)


async def test_a_call_is_told_with_the_customers_own_reference() -> None:
    async with Pushing() as push:
        call = called(CallOutcome.ANSWERED)
        await Hearing(push.announcing, push.store).hear_calls([call])
        await push.turns()
        (told,) = push.customer().events
        assert (told["type"], told["data"]["outcome"]) == ("voice.finished", "answered")
        assert told["data"]["reference"] == "SF1234567890"


async def test_an_event_that_is_announced_again_is_told_once() -> None:
    async with Pushing() as push:
        hearing = Hearing(push.announcing, push.store)
        for _ in range(3):
            await hearing.hear_notices([NOTICE])
            await push.turns(10)
        (told,) = push.customer().events
        assert told["data"] == {
            "kind": "package-low",
            "package": "domestic",
            "threshold": 100,
            "left": 99,
            "currency": "",
        }
        assert not push.store.waiting


async def test_an_event_that_is_not_taken_is_told_again_under_the_same_id_and_then_parked() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.REFUSED
        await push.announcing.announce([of_notice(NOTICE)])
        for _ in range(3):
            await push.turns(600)
        push.customer().answer = Answer.ACKNOWLEDGED
        await push.turns(3600)
        assert len(push.customer().events) == 1
        bodies = {request.body for request in push.customer().requests}
        assert len(push.customer().requests) >= 3
        assert len(bodies) == 1
        push.customer().answer = Answer.FAILED
        later = NOTICE.model_copy(update={"notice_id": "acme.domestic.10.2"})
        await push.announcing.announce([of_notice(later)])
        await push.turns()
        await push.turns(86_401)
        assert len(push.store.parked) == 1


async def test_an_account_without_an_events_address_is_told_none_and_nothing_is_kept() -> None:
    async with Pushing() as push:
        wishes = Wishes.model_validate({"url": "https://example.com/acme"})
        push.change("acme", Endpoint("acme", wishes, version=2))
        await push.announcing.announce([of_notice(NOTICE)])
        assert not push.store.announced
        assert not push.store.waiting


async def test_a_reply_that_was_erased_while_it_waited_is_not_told() -> None:
    async with Pushing() as push:
        await push.announcing.announce([of_reply(REPLY)])
        await push.turns()
        assert not push.customer().events
        assert not push.store.waiting


async def test_events_that_are_not_taken_hold_up_no_results_of_the_same_account() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.REFUSED
        for number in range(9):
            notice = NOTICE.model_copy(update={"notice_id": f"acme.domestic.{number}"})
            await push.announcing.announce([of_notice(notice)])
            await push.turns()
        push.customer().answer = Answer.ACKNOWLEDGED
        push.settle(1)
        await push.until(lambda: push.customer().heard == [(message_id_of(1), "0")])
        assert push.store.waiting


def test_two_events_of_two_sources_never_have_one_name() -> None:
    one, other = of_notice(NOTICE), of_notice(NOTICE.model_copy(update={"account_id": "b"}))
    assert one.event_id != other.event_id
    assert one.type is EventType.ACCOUNT_LOW
    assert one.position(NOON) < other.position(NOON + timedelta(milliseconds=1))
