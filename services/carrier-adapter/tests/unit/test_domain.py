"""Lanes, rate, breaker, replays, codes: tables and small worlds."""

from collections import Counter

import pytest

from carrier_adapter.carriers.codes import reason_of
from carrier_adapter.domain.breaker import Breaker, State
from carrier_adapter.domain.bucket import TokenBucket
from carrier_adapter.domain.claims import Claim, ClaimKind, Outcome, Verdict, judge
from carrier_adapter.domain.facts import address_of
from carrier_adapter.domain.lanes import LaneQueue
from carrier_adapter.domain.replay import ReplayWatch
from yizhan_contracts import topics
from yizhan_contracts.events import Lane
from yizhan_contracts.reasons import Reason

from .fakes import EPOCH
from .world import message, plan


def _full(counts: dict[Lane, int]) -> LaneQueue[tuple[Lane, int]]:
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue()
    for lane, count in counts.items():
        for number in range(count):
            queue.put(lane, (lane, number), (lane, number))
    return queue


def _take(queue: LaneQueue[tuple[Lane, int]], count: int) -> list[tuple[Lane, int]]:
    return [item for _ in range(count) if (item := queue.take()) is not None]


def test_full_lanes_are_drawn_8_to_3_to_1() -> None:
    queue = _full(dict.fromkeys(Lane, 500))
    taken = Counter(lane for lane, _ in _take(queue, 120))
    assert taken == {Lane.URGENT: 80, Lane.STANDARD: 30, Lane.BULK: 10}


def test_any_twelve_draws_in_a_row_serve_every_lane() -> None:
    queue = _full(dict.fromkeys(Lane, 500))
    drawn = [lane for lane, _ in _take(queue, 120)]
    assert all(set(drawn[at : at + 12]) == set(Lane) for at in range(108))


def test_an_empty_lane_saves_nothing_up() -> None:
    queue = _full({Lane.BULK: 500})
    _take(queue, 300)
    for number in range(100):
        queue.put(Lane.URGENT, ("late", number), (Lane.URGENT, number))
    taken = Counter(lane for lane, _ in _take(queue, 90))
    assert taken[Lane.BULK] == 10


def test_a_lane_alone_gets_everything_in_order() -> None:
    queue = _full({Lane.BULK: 5})
    assert [number for _, number in _take(queue, 9)] == [0, 1, 2, 3, 4]


def test_a_recipient_has_one_open_message_and_its_next_is_first_when_it_ends() -> None:
    queue: LaneQueue[str] = LaneQueue()
    for item in ("x1", "x2", "x3", "y1"):
        queue.put(Lane.STANDARD, item[0], item)
    assert [queue.take(), queue.take(), queue.take()] == ["x1", "y1", None]
    assert (len(queue), queue.ready) == (2, 0)
    queue.release("x")
    assert [queue.take(), queue.take()] == ["x2", None]
    queue.release("x")
    assert queue.take() == "x3"


def test_order_of_a_recipient_is_kept_when_another_lane_overtakes() -> None:
    queue: LaneQueue[str] = LaneQueue()
    for item in ("x1", "x2", "x3"):
        queue.put(Lane.STANDARD, "x", item)
    assert queue.take() == "x1"
    assert queue.take() is None
    queue.release("x")
    queue.put(Lane.URGENT, "x", "u1")
    assert queue.take() == "u1"
    assert queue.take() is None
    queue.release("x")
    assert queue.take() == "x2"
    queue.release("x")
    assert queue.take() == "x3"


def test_pull_takes_from_lanes_and_from_behind_recipients() -> None:
    queue: LaneQueue[str] = LaneQueue()
    for item in ("x1", "x2", "y1", "x3"):
        queue.put(Lane.STANDARD, item[0], item)
    queue.take()
    assert queue.take() == "y1"
    assert queue.take() is None
    assert sorted(queue.pull(lambda item: item != "x3")) == ["x2"]
    queue.release("x")
    assert (queue.take(), len(queue)) == ("x3", 0)


@pytest.mark.parametrize("tps", [3.0, 50.0, 1000.0])
def test_the_rate_is_within_two_percent_of_its_setting(tps: float) -> None:
    bucket, now, sent = TokenBucket(tps, 0.0), 0.0, 0
    while now < 60.0:
        now += bucket.seconds_until(20, now)
        count = min(20, bucket.available(now))
        bucket.spend(count, now)
        sent += count
        now += 0.001
    burst = max(1.0, tps * 0.2)
    assert tps * 60 * 0.98 <= sent <= tps * 60 * 1.02 + burst


def test_retries_overdraw_the_rate_and_the_next_wait_longer() -> None:
    bucket = TokenBucket(10.0, 0.0)
    bucket.spend(12, 0.0)
    assert bucket.available(0.5) == 0
    assert bucket.seconds_until(1, 0.0) == pytest.approx(1.1)


def test_a_channel_that_fails_is_probed_and_given_up_after_a_while() -> None:
    breaker = Breaker(3.0)
    breaker.has_failed(10.0)
    assert breaker.state == State.FAILING
    assert breaker.seconds_until_probe(10.0) == pytest.approx(0.2)
    breaker.was_probed(10.2, is_up=False)
    breaker.look(12.9)
    states = [breaker.state]
    breaker.look(13.0)
    states.append(breaker.state)
    assert states == [State.FAILING, State.OPEN]


def test_a_channel_that_can_be_reached_is_on_trial_until_a_message_is_answered() -> None:
    breaker = Breaker(3.0)
    breaker.has_failed(0.0)
    breaker.was_probed(0.2, is_up=True)
    assert breaker.state is State.TRIAL
    breaker.has_answered(0.3)
    assert (breaker.state, breaker.seconds_until_probe(0.3)) == (State.CLOSED, None)


def test_a_failed_trial_of_an_open_channel_opens_it_again_for_longer() -> None:
    breaker = Breaker(3.0)
    breaker.has_failed(0.0)
    breaker.look(3.0)
    first = breaker.seconds_until_probe(3.0) or 0.0
    breaker.was_probed(3.0 + first, is_up=True)
    breaker.has_failed(5.0)
    assert breaker.state is State.OPEN
    assert (breaker.seconds_until_probe(5.0) or 0.0) > first


def test_silence_counts_from_when_it_began() -> None:
    breaker = Breaker(3.0)
    breaker.has_failed(10.0, since=0.0)
    assert breaker.state is State.OPEN


def test_records_are_suspect_after_an_assignment_and_after_every_jump() -> None:
    watch = ReplayWatch(span=3)
    assert [watch.is_suspect("t", 0, offset) for offset in range(10, 16)] == [True] * 3 + [
        False
    ] * 3
    assert watch.is_suspect("t", 0, 12)
    assert watch.is_suspect("t", 1, 16)


def test_an_outcome_counts_only_beside_its_claim() -> None:
    claim = Claim("x", 1, "a", "me", ClaimKind.SENT, EPOCH)
    closed = Claim("x", 1, "none", "me", ClaimKind.CLOSED, EPOCH)
    outcome = Outcome("x", (b"",))
    assert judge(None, None, "me") is Verdict.FREE
    assert judge(closed, None, "me") is Verdict.CLOSED
    assert judge(claim, outcome, "you") is Verdict.FINISHED
    assert judge(claim, None, "me") is Verdict.MINE
    assert judge(claim, None, "you") is Verdict.FOREIGN


def test_a_fact_is_placed_where_the_registry_places_its_event() -> None:
    planned = plan(message(recipient="+8613800000001"))
    place = address_of(planned.attempt_id)
    # AttemptPlanned and AttemptFinished share their key; their partition counts differ.
    assert place.topic == topics.ATTEMPT_FINISHED.name
    assert place.key == topics.address_of(planned).key
    assert place.partition == int(place.key, 16) % topics.PARTITIONS


def test_a_channels_own_codes_come_before_common_ones() -> None:
    assert reason_of("11", {}, Reason.UNKNOWN) is Reason.NUMBER_INVALID
    assert reason_of("11", {"11": Reason.BLACKLISTED}, Reason.UNKNOWN) is Reason.BLACKLISTED
    assert reason_of("strange", {}, Reason.CARRIER_ERROR) is Reason.CARRIER_ERROR
