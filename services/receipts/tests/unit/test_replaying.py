"""Replays: said again as it is now, behind all else, and resumed where they were."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.pushing import Pushing, settled, sms_of
from services.receipts.tests.unit.test_push_events import NOTICE

from receipts.push.endpoints import About, Endpoint, State, Wishes, paused
from receipts.push.events import of_notice
from receipts.push.ports import Answer
from receipts.push.replays import Progress, Replay, Source, position_of
from yizhan_contracts.events import Status


def job(push: Pushing, **changes: Any) -> Replay:
    since, now = NOON - timedelta(hours=1), push.clock.now()
    fields: dict[str, Any] = {
        "replay_id": "r1",
        "account_id": "acme",
        "about": About.RESULTS,
        "source": Source.KNOWN,
        "since": since,
        "until": NOON + timedelta(hours=1),
        "status": "",
        "created_at": now,
        "moved_at": now,
        "after": position_of(since),
    }
    return Replay(**(fields | changes))


async def heard_all(push: Pushing, numbers: int) -> None:
    push.settle(*range(numbers))
    await push.until(lambda: len(push.ended) == numbers)
    push.customer().bodies.clear()


async def carried_out(push: Pushing, is_so: Callable[[], bool]) -> None:
    await push.replaying.turn()
    await push.until(is_so)


def has_ended(push: Pushing, replay_id: str = "r1") -> Callable[[], bool]:
    return lambda: push.store.replays[replay_id].progress is not Progress.RUNNING


async def test_what_was_acknowledged_is_said_again_as_it_is_now() -> None:
    async with Pushing() as push:
        await heard_all(push, 250)
        push.store.settle(message_id_of(0), sms_of(Status.UNKNOWN))
        await push.store.add(job(push))
        await carried_out(push, has_ended(push))
        heard = push.customer().heard
        assert heard[0] == (message_id_of(0), "1")
        assert [one for one, _ in heard] == [message_id_of(number) for number in range(250)]
        ended = push.store.replays["r1"]
        assert (ended.progress, ended.items) == (Progress.DONE, 250)


async def test_a_range_and_a_status_choose() -> None:
    async with Pushing() as push:
        await heard_all(push, 10)
        push.store.settle(message_id_of(3), sms_of(Status.UNKNOWN))
        push.store.settle(message_id_of(8), sms_of(Status.UNKNOWN))
        begin = NOON + timedelta(milliseconds=2)
        until = NOON + timedelta(milliseconds=8)
        chosen = job(push, since=begin, after=position_of(begin), until=until, status="1")
        await push.store.add(chosen)
        await carried_out(push, has_ended(push))
        assert push.customer().heard == [(message_id_of(3), "1")]


async def test_it_waits_while_nothing_is_taken_and_goes_on_where_it_was() -> None:
    async with Pushing() as push:
        await heard_all(push, 250)
        push.customer().answer = Answer.REFUSED
        await push.store.add(job(push))
        await carried_out(push, lambda: push.customer().posts > 6)
        assert push.store.replays["r1"].items == 0
        push.customer().answer = Answer.ACKNOWLEDGED
        await push.until(has_ended(push), within_s=3000)
        assert len(push.customer().heard) == 250


async def test_a_replay_that_is_carried_on_by_another_begins_after_the_last_page_taken() -> None:
    async with Pushing() as push:
        await heard_all(push, 250)
        await push.store.add(job(push).moved(message_id_of(199), 200, push.clock.now()))
        await carried_out(push, has_ended(push))
        assert [one for one, _ in push.customer().heard] == [
            message_id_of(number) for number in range(200, 250)
        ]


async def test_new_results_go_before_a_replay_and_its_pace_is_bounded() -> None:
    async with Pushing(concurrency=1) as push:
        await heard_all(push, 1000)
        begun = push.clock.monotonic()
        await push.store.add(job(push))
        await carried_out(push, lambda: len(push.customer().heard) >= 200)
        new = message_id_of(5000)
        push.store.settle(new, sms_of(Status.DELIVERED))
        push.tell(settled(new, Status.DELIVERED))
        await push.until(lambda: (new, "0") in push.customer().heard)
        assert not has_ended(push)()
        await push.until(has_ended(push))
        # A hundred a second were allowed.
        assert push.clock.monotonic() - begun >= 9


async def test_a_paused_endpoint_holds_its_replay_and_a_cancelled_one_ends() -> None:
    async with Pushing() as push:
        await heard_all(push, 10)
        push.change("acme", paused(push.endpoints["acme"]))
        await push.store.add(job(push))
        await push.replaying.turn()
        await push.clock.sleep(20)
        assert not push.customer().heard
        await push.store.save(job(push).ended(Progress.CANCELLED, NOON))
        await push.replaying.wait()
        assert not push.customer().heard


async def test_it_fails_in_words_when_the_endpoint_is_gone() -> None:
    async with Pushing() as push:
        push.change("acme", Endpoint("acme", Wishes(), State.DELETED, version=2))
        await push.store.add(job(push))
        await carried_out(push, has_ended(push))
        ended = push.store.replays["r1"]
        assert (ended.progress, ended.why) == (
            Progress.FAILED,
            "the endpoint is not there any more",
        )


async def test_another_instance_leaves_a_replay_that_is_carried_out_alone() -> None:
    async with Pushing() as push:
        await heard_all(push, 10)
        now = push.clock.now()
        held = await push.store.lease("replay results:acme", "another", now, now.replace(year=2030))
        assert held
        await push.store.add(job(push))
        await push.replaying.turn()
        await push.replaying.wait()
        assert not push.customer().heard


async def test_what_was_parked_waits_again_for_a_day() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.FAILED
        push.settle(1)
        await push.until(lambda: len(push.ended) == 1)
        await push.turns(86_401)
        assert len(push.store.parked) == 1
        push.customer().answer = Answer.ACKNOWLEDGED
        await push.store.add(job(push, source=Source.PARKED))
        await carried_out(push, has_ended(push))
        assert not push.store.parked
        await push.turns(60)
        assert push.customer().heard == [(message_id_of(1), "0")]


async def test_events_are_said_again_under_their_own_ids() -> None:
    async with Pushing() as push:
        await push.announcing.announce([of_notice(NOTICE)])
        await push.turns()
        await push.store.add(job(push, about=About.EVENTS))
        await carried_out(push, has_ended(push))
        one, other = push.customer().events
        assert one == other
