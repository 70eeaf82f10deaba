import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tools.simulators.tests.support import ManualClock

from yizhan_simulators.draws import Answer
from yizhan_simulators.journal import FileJournal, Journal, NoJournal
from yizhan_simulators.voice.calls import CallOrder, CallReport, encode_report
from yizhan_simulators.voice.provider import Provider
from yizhan_simulators.voice.records import ProviderBook


class Phone:
    """A provider with its book and the callbacks it owes, and no sockets."""

    def __init__(
        self, behaviour: dict[str, Any] | None = None, journal: Journal | None = None
    ) -> None:
        self.clock = ManualClock()
        self.book = ProviderBook(journal or NoJournal())
        self.owed: list[CallReport] = []
        self.provider = Provider(
            "voice", book=self.book, owe=self.owed.extend, rng=Random(1), clock=self.clock
        )
        self.provider.revise(behaviour or {})

    @property
    def summary(self) -> dict[str, Any]:
        return self.book.of("voice").summary()


def order(ref: str = "m-v1", to: str = "+8613800138000") -> CallOrder:
    return CallOrder(ref, to, "zh", "您的包裹已到", "http://127.0.0.1:1/calls/token")


def test_call_is_answered_by_default() -> None:
    phone = Phone()
    taking = phone.provider.take(order())
    (report,) = phone.owed

    assert json.loads(encode_report([report])) == {
        "id": taking.call_id,
        "ref": "m-v1",
        "outcome": "answered",
        "code": "200",
        "at": "2027-01-15T08:00:00.500Z",
        "duration_s": 12,
    }


@pytest.mark.parametrize(
    ("fate", "outcome", "code"),
    [
        ("no-answer", "no-answer", "480"),
        ("busy", "busy", "486"),
        ("failed", "failed", "603"),
        ("failed:404", "failed", "404"),
    ],
)
def test_number_prefix_decides_the_outcome(fate: str, outcome: str, code: str) -> None:
    phone = Phone({"numbers": {"+861": fate}})
    phone.provider.take(order())
    (report,) = phone.owed

    assert (report.call.outcome, report.call.code) == (outcome, code)
    assert report.call.duration_s == 0


def test_ref_rung_twice_is_counted() -> None:
    phone = Phone()
    for ref in ("a-v1", "b-v1", "a-v1"):
        phone.provider.take(order(ref))

    assert phone.summary["calls"] == 3
    assert phone.summary["refs"] == 2
    assert phone.summary["refs_twice"] == ["a-v1"]


def test_outcomes_follow_the_ratios() -> None:
    phone = Phone({"no_answer_ratio": 0.2, "busy_ratio": 0.1, "failed_ratio": 0.1})
    for number in range(5_000):
        phone.provider.take(order(f"m{number}-v1"))
    by_outcome = phone.summary["by_outcome"]

    assert by_outcome["answered"] == pytest.approx(3_000, rel=0.1)
    assert by_outcome["no-answer"] == pytest.approx(1_000, rel=0.15)
    assert by_outcome["busy"] == pytest.approx(500, rel=0.2)


@pytest.mark.parametrize("behaviour", [{"refuse_ratio": 1}, {"refuse_numbers": {"+86": "21211"}}])
def test_refused_call_rings_nobody(behaviour: dict[str, Any]) -> None:
    phone = Phone(behaviour)
    taking = phone.provider.take(order())

    assert taking.is_refused
    assert taking.code == "21211"
    assert phone.summary["calls"] == 0
    assert phone.summary["refused"] == 1


def test_failed_order_rings_nobody() -> None:
    phone = Phone({"error_ratio": 1})

    assert phone.provider.take(order()).answer is Answer.FAILED
    assert phone.summary["calls"] == 0


def test_lost_answer_still_rings() -> None:
    phone = Phone({"lose_answer_ratio": 1})

    assert phone.provider.take(order()).answer is Answer.LOST
    assert phone.summary["calls"] == 1


def test_callbacks_none_twice_and_early() -> None:
    assert Phone({"accept_but_no_callback_ratio": 1}).provider.take(order()).early == []
    twice = Phone({"duplicate_ratio": 1})
    twice.provider.take(order())
    early = Phone({"early_ratio": 1, "duplicate_ratio": 1})
    taking = early.provider.take(order())

    assert len(twice.owed) == 2
    assert [report.number for report in taking.early] == [0]
    assert [report.number for report in early.owed] == [1]


def test_restart_finds_calls_and_owed_callbacks_again(tmp_path: Path) -> None:
    phone = Phone({"refuse_numbers": {"+33": "1"}}, FileJournal(tmp_path / "x"))
    for ref in ("a-v1", "b-v1", "a-v1"):
        phone.provider.take(order(ref))
    phone.provider.take(order("c-v1", "+33612345678"))
    phone.book.done(phone.owed[:1], "sent")
    again = ProviderBook(FileJournal(tmp_path / "x"))

    assert again.recover() == phone.owed[1:]
    assert again.of("voice").summary() == phone.summary
    assert again.of("voice").detail() == phone.book.of("voice").detail()


def test_clearing_forgets_owed_callbacks_too(tmp_path: Path) -> None:
    phone = Phone(journal=FileJournal(tmp_path / "x"))
    phone.provider.take(order())
    phone.book.clear("voice")

    assert not phone.book.is_owed(phone.owed[0])
    assert ProviderBook(FileJournal(tmp_path / "x")).recover() == []
