from typing import Any

import pytest
from tools.simulators.tests.support import Bench, submission, submissions

from yizhan_simulators.carriers.bucket import Bucket
from yizhan_simulators.carriers.verdicts import Status
from yizhan_simulators.draws import Answer
from yizhan_simulators.revision import Invalid


def test_carrier_accepts_everything_by_default() -> None:
    bench = Bench()
    taking = bench.carrier.take(submissions(3))

    assert taking.answer is Answer.RESULTS
    assert [verdict.status for verdict in taking.verdicts] == [Status.ACCEPTED] * 3
    assert taking.latency_s == pytest.approx(0.020)
    assert len({verdict.carrier_message_id for verdict in taking.verdicts}) == 3
    assert [receipt.state for receipt in bench.owed] == ["delivered"] * 3
    assert [receipt.due - bench.clock() for receipt in bench.owed] == [pytest.approx(0.2)] * 3


def test_same_ref_twice_counts_as_sent_twice() -> None:
    bench = Bench()
    bench.carrier.take([submission("m-1"), submission("n-1")])
    bench.carrier.take([submission("m-1")])

    assert bench.summary["handed"] == 3
    assert bench.summary["refs"] == 2
    assert bench.summary["refs_twice"] == ["m-1"]
    assert len(bench.book.of("alpha").detail("m-")["m-1"]) == 2


def test_refused_messages_are_counted_and_not_handed_over() -> None:
    bench = Bench({"refuse_ratio": 1, "refuse_code": "407"})
    taking = bench.carrier.take(submissions(2))

    assert {(verdict.status, verdict.code) for verdict in taking.verdicts} == {
        (Status.REFUSED, "407")
    }
    assert bench.summary["handed"] == 0
    assert bench.summary["refused_by_code"] == {"407": 2}
    assert bench.owed == []


@pytest.mark.parametrize("to", ["8613800138000", "+86138abc", "+0861380013800", "+86", ""])
def test_number_without_country_code_is_refused(to: str) -> None:
    taking = Bench().carrier.take([submission(to=to)])

    assert taking.verdicts[0].code == "bad-number"


def test_refusal_by_number_prefix() -> None:
    bench = Bench({"refuse_numbers": {"+861380": "4030"}})
    taking = bench.carrier.take(
        [submission("a-1", "+8613800138000"), submission("b-1", "+8613900138000")]
    )

    assert [verdict.code for verdict in taking.verdicts] == ["4030", ""]


def test_failed_submit_takes_nothing() -> None:
    bench = Bench({"error_ratio": 1, "error_status": 503})
    taking = bench.carrier.take(submissions(4))

    assert (taking.answer, taking.error_status) == (Answer.FAILED, 503)
    assert bench.summary["handed"] == 0
    assert bench.summary["failed"] == 4


@pytest.mark.parametrize(
    ("behaviour", "how"),
    [
        ({"lose_answer_ratio": 1}, "close"),
        ({"lose_answer_ratio": 1, "lose_answer_by": "error"}, "error"),
        ({"hang": True}, "hang"),
    ],
)
def test_lost_answer_is_still_a_hand_over(behaviour: dict[str, Any], how: str) -> None:
    bench = Bench(behaviour)
    taking = bench.carrier.take(submissions(2))

    assert (taking.answer, taking.lose_by) == (Answer.LOST, how)
    assert bench.summary["handed"] == 2
    assert bench.summary["answers_lost"] == 2
    assert len(bench.owed) == 2


def test_throttle_takes_what_fits_and_then_nothing() -> None:
    bench = Bench({"throttle_tps": 10})
    first = bench.carrier.take(submissions(15))
    second = bench.carrier.take(submissions(5))

    assert [verdict.status for verdict in first.verdicts].count(Status.THROTTLED) == 5
    assert (second.answer, second.retry_after_s) == (Answer.THROTTLED, 1)
    assert bench.summary["throttled"] == 10

    bench.clock.now += 0.5
    assert bench.carrier.take(submissions(5)).answer is Answer.RESULTS


def test_bucket_never_holds_more_than_a_second() -> None:
    bucket = Bucket(10, now=0)

    assert bucket.take(100, now=60) == 10
    assert bucket.take(100, now=60.1) == 1


def test_slow_bucket_says_how_long_to_wait() -> None:
    bucket = Bucket(0.25, now=0)

    assert bucket.take(1, now=0) == 1
    assert bucket.wait_s() == 4


def test_changing_something_else_does_not_refill_the_throttle() -> None:
    bench = Bench({"throttle_tps": 5})
    bench.carrier.take(submissions(5))
    bench.carrier.revise({"refuse_code": "12"})

    assert bench.carrier.take(submissions(1)).answer is Answer.THROTTLED


def test_country_has_a_behaviour_of_its_own() -> None:
    bench = Bench({"by_country": {"FR": {"refuse_ratio": 1, "latency_ms": 900}}})
    french, chinese = submission("f-1", "+33612345678"), submission("c-1", "+8613800138000")
    mixed = bench.carrier.take([french, chinese])

    assert [verdict.status for verdict in mixed.verdicts] == [Status.REFUSED, Status.ACCEPTED]
    assert mixed.latency_s == pytest.approx(0.9)
    assert bench.carrier.take([chinese]).latency_s == pytest.approx(0.02)
    assert bench.summary["by_country"] == {"CN": 2}


def test_error_in_one_country_fails_a_submit_that_holds_it() -> None:
    bench = Bench({"by_country": {"FR": {"error_ratio": 1}}})

    assert bench.carrier.take([submission(to="+8613800138000")]).answer is Answer.RESULTS
    assert bench.carrier.take([submission(to="+33612345678")]).answer is Answer.FAILED


def test_refused_behaviour_leaves_the_old_one_in_force() -> None:
    bench = Bench({"refuse_ratio": 1})
    with pytest.raises(Invalid):
        bench.carrier.revise({"refuse_ratio": 0, "by_country": {"FR": {"x": 1}}})

    assert bench.carrier.behaviour.refuse_ratio == 1


def test_ratios_hold_over_many_messages() -> None:
    bench = Bench({"refuse_ratio": 0.3, "receipt": {"delivered_ratio": 0.9}})
    for start in range(0, 10_000, 100):
        bench.carrier.take([submission(f"m{start + n}-1") for n in range(100)])
    delivered = sum(receipt.state == "delivered" for receipt in bench.owed)

    assert bench.summary["refused"] == pytest.approx(3_000, rel=0.1)
    assert delivered / len(bench.owed) == pytest.approx(0.9, abs=0.02)


def test_same_seed_same_results() -> None:
    behaviour = {"refuse_ratio": 0.5, "latency_ms": {"p50": 10, "p99": 100}}
    one, two, other = Bench(behaviour), Bench(behaviour), Bench(behaviour, seed=2)
    takings = [bench.carrier.take(submissions(50)) for bench in (one, two, other)]

    assert takings[0] == takings[1]
    assert takings[0] != takings[2]
