"""The push: what is said, how often, and that one customer never delays another."""

import asyncio

from services.receipts.tests.unit.making import message_id_of
from services.receipts.tests.unit.pushing import (
    Pushing,
    settled,
    sms_of,
    voice_requested,
)

from receipts.push.ports import Answer
from receipts.push.s3 import S3Status
from yizhan_contracts.events import Status


async def test_settled_messages_are_pushed_together_and_remembered_before_they_are_done() -> None:
    async with Pushing() as push:
        push.settle(*range(150))
        await push.until(lambda: len(push.ended) == 150)
        assert set(push.ended.values()) == {"finished"}
        assert len(push.store.pushed) == 150
        sizes = [len(body) for body in push.customer().bodies]
        assert sum(sizes) == 150
        assert max(sizes) == 100
        assert not push.store.waiting


async def test_account_without_an_endpoint_is_done_at_once() -> None:
    async with Pushing() as push:
        push.settle(1, account="nobody")
        assert list(push.ended.values()) == ["finished"]


async def test_repeat_is_not_pushed_again() -> None:
    async with Pushing() as push:
        push.settle(1)
        await push.until(lambda: len(push.ended) == 1)
        push.ended.clear()
        push.settle(1)
        await push.until(lambda: len(push.ended) == 1)
        assert len(push.customer().heard) == 1


async def test_push_says_what_is_settled_now_and_not_what_the_event_said() -> None:
    """Rule ``pushread``: a retried "unknown" must not overtake "delivered"."""
    async with Pushing() as push:
        push.customer().answer = Answer.REFUSED
        push.settle(1, status=Status.UNKNOWN)
        await push.until(lambda: len(push.ended) == 1)
        assert [w.status for w in push.store.waiting.values()] == [S3Status.FAILURE]
        push.customer().answer = Answer.ACKNOWLEDGED
        push.settle(1, status=Status.DELIVERED)
        await push.until(lambda: bool(push.customer().heard))
        await push.turns(60)
        assert push.customer().heard == [(message_id_of(1), "0")]
        assert not push.store.waiting


async def test_late_success_is_pushed_again_once() -> None:
    async with Pushing() as push:
        push.settle(1, status=Status.UNKNOWN)
        await push.until(lambda: len(push.customer().heard) == 1)
        push.settle(1, status=Status.DELIVERED)
        await push.until(lambda: len(push.customer().heard) == 2)
        push.settle(1, status=Status.DELIVERED)
        push.tell(settled(message_id_of(1), Status.UNKNOWN))
        await push.until(lambda: len(push.ended) == 1)
        await push.clock.sleep(10)
        assert [status for _, status in push.customer().heard] == ["1", "0"]


async def test_failed_sms_is_pushed_while_its_call_is_pending_and_an_overdue_one_is_not() -> None:
    async with Pushing() as push:
        failed, overdue = message_id_of(1), message_id_of(2)
        push.store.requested[failed] = {"reason": "handset-unreachable", "carrier_code": ""}
        push.tell(voice_requested(overdue, sms_failed=False))
        push.tell(voice_requested(failed, sms_failed=True))
        await push.until(lambda: len(push.ended) == 2)
        assert push.customer().heard == [(failed, "1")]


async def test_answered_call_does_not_push_the_failure_again() -> None:
    async with Pushing() as push:
        failed = message_id_of(1)
        push.store.requested[failed] = {"reason": "handset-unreachable"}
        push.tell(voice_requested(failed, sms_failed=True))
        await push.until(lambda: len(push.ended) == 1)
        push.store.settle(failed, sms_of(Status.FAILED))
        push.tell(settled(failed, Status.DELIVERED))
        await push.clock.sleep(10)
        assert push.customer().heard == [(failed, "1")]


async def test_answer_other_than_the_agreed_one_is_tried_again_until_it_comes() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.REFUSED
        push.settle(1)
        await push.until(lambda: len(push.ended) == 1)
        for _ in range(3):
            await push.turns(120)
        assert next(iter(push.store.waiting.values())).tries >= 2
        push.customer().answer = Answer.ACKNOWLEDGED
        await push.turns(600)
        assert push.customer().heard == [(message_id_of(1), "0")]
        assert not push.store.waiting


async def test_after_a_day_a_result_is_parked_and_seen() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.FAILED
        push.settle(1)
        await push.until(lambda: len(push.ended) == 1)
        await push.turns(86_401)
        assert not push.store.waiting
        assert len(push.store.parked) == 1


async def test_slow_customer_costs_the_others_nothing() -> None:
    async with Pushing("slow", "quick") as push:
        push.customer("slow").takes_s = 200.0
        push.settle(*range(500), account="slow")
        push.settle(*range(500, 600), account="quick")
        await push.until(lambda: len(push.customer("quick").heard) == 100)
        # All records are done before the slow one has answered: what it has not taken is stored.
        await push.until(lambda: len(push.ended) == 600)
        assert not push.customer("slow").heard
        assert push.customer("slow").most_at_once <= 2
        assert len(push.store.waiting) >= 300
        await push.until(lambda: len(push.customer("slow").heard) >= 200, within_s=1000)
        await push.clock.sleep(2)
        assert len(push.store.waiting) == 300


async def test_dead_customer_is_left_alone_after_a_few_failures() -> None:
    async with Pushing("dead") as push:
        customer = push.customer("dead")
        customer.answer = Answer.FAILED
        for number in range(40):
            push.settle(number, account="dead")
            await push.until(lambda: len(push.ended) == number + 1)  # noqa: B023
        assert customer.posts <= 8
        assert len(push.store.waiting) == 40
        customer.answer = Answer.ACKNOWLEDGED
        await push.turns(600)
        assert len(customer.heard) == 40


async def test_success_and_failure_of_one_message_are_never_on_their_way_together() -> None:
    async with Pushing() as push:
        push.customer().takes_s = 50.0
        push.settle(1, status=Status.UNKNOWN)
        await push.until(lambda: push.customer().posts == 1)
        push.settle(1, status=Status.DELIVERED)
        await push.until(lambda: len(push.store.waiting) == 2)
        assert push.customer().most_at_once == 1
        await push.until(lambda: len(push.customer().heard) == 1)
        await push.clock.sleep(1)
        await push.turns(30)
        assert [status for _, status in push.customer().heard] == ["1", "0"]


async def test_records_stay_open_while_nothing_can_be_stored() -> None:
    async with Pushing() as push:
        push.store.is_away = True
        push.settle(1)
        await push.clock.sleep(20)
        assert not push.ended
        push.store.is_away = False
        await push.until(lambda: len(push.ended) == 1)
        assert push.customer().heard == [(message_id_of(1), "0")]


async def test_revoked_records_that_have_not_begun_are_given_up() -> None:
    async with Pushing() as push:
        message_id = message_id_of(1)
        push.store.settle(message_id, sms_of(Status.DELIVERED))
        record = push.tell(settled(message_id, Status.DELIVERED))
        push.pusher.forget([record])
        await asyncio.sleep(0.01)
        assert push.ended == {message_id: "abandoned"}
        assert not push.customer().heard


async def test_another_instance_leaves_leased_accounts_alone() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.REFUSED
        push.settle(1)
        await push.until(lambda: len(push.ended) == 1)
        push.customer().answer = Answer.ACKNOWLEDGED
        now = push.clock.now()
        assert await push.store.lease("results:acme", "another", now, now.replace(year=2030))
        await push.turns(60)
        assert not push.customer().heard
