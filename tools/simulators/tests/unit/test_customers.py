import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tools.simulators.tests.support import ManualClock

from yizhan_simulators.customers.customer import Customer
from yizhan_simulators.customers.pushes import parse_push
from yizhan_simulators.customers.records import CustomerBook
from yizhan_simulators.draws import Answer
from yizhan_simulators.journal import FileJournal, Journal, NoJournal
from yizhan_simulators.revision import Invalid

HEADERS = {"Accept": "application/json", "Content-Type": "application/json;charset=utf-8"}
SMS_ID = "624e76e6486648cd8be0dee3b5ccaaaa"


def result(**changes: object) -> dict[str, object]:
    return {
        "smsId": SMS_ID,
        "phone": "+8613800138000",
        "status": "0",
        "respMessage": "",
        "receiveTime": "2015-06-29 19:23:26",
        "chargingNum": "2",
    } | changes


def body(*results: dict[str, object]) -> bytes:
    return json.dumps({"smsResult": list(results)}).encode()


def customer(
    behaviour: dict[str, Any] | None = None, journal: Journal | None = None
) -> tuple[Customer, CustomerBook]:
    book = CustomerBook(journal or NoJournal())
    made = Customer("shop", book=book, rng=Random(1), clock=ManualClock())
    made.revise(behaviour or {})
    return made, book


def faults(*results: dict[str, object]) -> set[str]:
    with pytest.raises(Invalid) as caught:
        parse_push(HEADERS, body(*results))
    return {problem.field for problem in caught.value.problems}


def test_push_as_documented_is_taken() -> None:
    without_phone = result(smsId="b" * 32)
    del without_phone["phone"], without_phone["respMessage"]
    failed = result(smsId="c" * 32, status="1", respMessage="UNDELIV", receiveTime="")

    assert len(parse_push(HEADERS, body(result(), without_phone, failed))) == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": 0}, "status"),
        ({"status": "2"}, "status"),
        ({"chargingNum": 2}, "chargingNum"),
        ({"chargingNum": "0"}, "chargingNum"),
        ({"smsId": "short"}, "smsId"),
        ({"phone": None}, "phone"),
        ({"receiveTime": None}, "receiveTime"),
        ({"receiveTime": "2015-06-29T19:23:26"}, "receiveTime"),
        ({"receiveTime": "2015-06-29 24:00:00"}, "receiveTime"),
        ({"country": "CN"}, "country"),
    ],
)
def test_deviation_is_named(changes: dict[str, object], field: str) -> None:
    assert faults(result(**changes)) == {f"smsResult.0.{field}"}


@pytest.mark.parametrize("field", ["smsId", "status", "receiveTime", "chargingNum"])
def test_required_field_is_missed(field: str) -> None:
    incomplete = result()
    del incomplete[field]

    assert faults(incomplete) == {f"smsResult.0.{field}"}


@pytest.mark.parametrize(
    "changes",
    [{"respMessage": "000"}, {"status": "1", "receiveTime": "2015-06-29 19:23:26"}],
)
def test_fields_must_fit_the_status(changes: dict[str, object]) -> None:
    assert faults(result(**changes)) == {"smsResult.0"}


def test_push_holds_one_to_a_hundred_results() -> None:
    assert faults() == {"smsResult"}
    assert faults(*[result()] * 101) == {"smsResult"}


@pytest.mark.parametrize("name", ["Accept", "Content-Type"])
def test_headers_are_part_of_the_format(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_push(HEADERS | {name: "text/plain"}, body(result()))

    assert [problem.field for problem in caught.value.problems] == [name]


def test_last_status_is_the_newest() -> None:
    shop, book = customer()
    shop.take(HEADERS, body(result(status="1", receiveTime=""), result(smsId="b" * 32)))
    shop.take(HEADERS, body(result()))
    summary = book.of("shop").summary()

    assert summary["count"] == 3
    assert summary["sms_ids"] == 2
    assert summary["last"] == {"0": 2, "1": 0}
    assert summary["sms_ids_twice"] == [SMS_ID]
    story = book.of("shop").detail(SMS_ID)[SMS_ID]
    assert [arrival["status"] for arrival in story["arrivals"]] == ["1", "0"]
    assert list(book.of("shop").detail(phone="+1")) == []


@pytest.mark.parametrize(
    ("behaviour", "answer", "said"),
    [
        ({"refuse_ratio": 1, "refuse_resp_code": "10001"}, Answer.RESULTS, "10001"),
        ({"error_ratio": 1}, Answer.FAILED, "500"),
        ({"lose_answer_ratio": 1}, Answer.LOST, "lost"),
        ({"hang": True}, Answer.LOST, "lost"),
    ],
)
def test_push_not_acknowledged_is_recorded_as_such(
    behaviour: dict[str, Any], answer: Answer, said: str
) -> None:
    shop, book = customer(behaviour)
    taking = shop.take(HEADERS, body(result()))
    summary = book.of("shop").summary()

    assert taking.answer is answer
    assert summary["not_acknowledged"] == 1
    assert summary["sms_ids_acknowledged"] == 0
    assert book.of("shop").detail()[SMS_ID]["arrivals"][0]["answer"] == said


def test_malformed_push_is_not_acknowledged_and_kept_apart() -> None:
    shop, book = customer()
    taking = shop.take(HEADERS, body(result(status=0)))
    summary = book.of("shop").summary()

    assert taking.resp_code != "00000"
    assert (summary["count"], summary["malformed"]) == (0, 1)
    assert summary["malformed_first"][0]["problems"][0]["field"] == "smsResult.0.status"


def test_restart_finds_pushes_again(tmp_path: Path) -> None:
    shop, book = customer({"refuse_ratio": 0.5}, FileJournal(tmp_path / "x"))
    for number in range(20):
        shop.take(HEADERS, body(result(smsId=f"{number % 15:032d}")))
    shop.take(HEADERS, b"{}")
    again = CustomerBook(FileJournal(tmp_path / "x"))
    again.recover()

    assert again.of("shop").summary() == book.of("shop").summary()
    assert again.of("shop").detail() == book.of("shop").detail()
