"""The S3 body, to the byte."""

from datetime import UTC, datetime
from typing import Any

import pytest
from services.receipts.tests.unit.making import accepted

from receipts.push.s3 import (
    HEADERS,
    S3Status,
    body_of,
    is_acknowledged,
    local_time,
    result_of_failed_sms,
    result_of_settled,
)
from yizhan_telecom.charging import charging_num

AT = datetime(2015, 6, 29, 11, 23, 26, tzinfo=UTC)


def settled(sms: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "_id": "624e76e6486648cd8be0dee3b5cc0001",
        "recipient": "+8613800001111",
        "charging_num": 2,
        "time_zone": "Asia/Shanghai",
        "sms": sms,
    } | changes


def test_success_is_the_sample_of_the_interface_to_the_byte() -> None:
    told = result_of_settled(settled({"status": "delivered", "delivered_at": AT}))
    assert body_of([told]) == (
        b'{"smsResult":[{"smsId":"624e76e6486648cd8be0dee3b5cc0001","phone":"+8613800001111",'
        b'"status":"0","respMessage":"","receiveTime":"2015-06-29 19:23:26","chargingNum":"2"}]}'
    )


@pytest.mark.parametrize(
    ("sms", "resp_message"),
    [
        ({"status": "failed", "reason": "number-vacant", "carrier_code": "MK:0001"}, "MK:0001"),
        ({"status": "failed", "reason": "number-vacant"}, "number-vacant"),
        ({"status": "unknown", "reason": "receipt-overdue"}, "receipt-overdue"),
        ({"status": "expired", "reason": "validity-expired"}, "validity-expired"),
        ({"status": "cancelled"}, "cancelled"),
    ],
)
def test_failure_says_why_and_has_no_time(sms: dict[str, Any], resp_message: str) -> None:
    told = result_of_settled(settled(sms))
    assert (told.status, told.resp_message, told.receive_time) == (
        S3Status.FAILURE,
        resp_message,
        "",
    )


def test_push_of_a_message_delivered_by_telephone_speaks_of_its_sms() -> None:
    document = settled({"status": "failed", "reason": "handset-unreachable"}, status="delivered")
    assert result_of_settled(document).status is S3Status.FAILURE


def test_failed_sms_is_told_while_its_call_is_pending() -> None:
    told = result_of_failed_sms(accepted(), {"reason": "handset-unreachable"})
    assert (told.phone, told.status, told.resp_message, told.charging_num) == (
        "+8613800001111",
        S3Status.FAILURE,
        "handset-unreachable",
        1,
    )


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Asia/Shanghai", "2015-06-29 19:23:26"),
        ("Europe/Berlin", "2015-06-29 13:23:26"),
        ("America/New_York", "2015-06-29 07:23:26"),
        ("Nowhere/At_All", "2015-06-29 19:23:26"),
    ],
)
def test_receive_time_is_in_the_zone_of_the_account(zone: str, expected: str) -> None:
    assert local_time(AT, zone) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"respCode":"00000"}', True),
        (b' {"respCode": "00000", "more": 1} ', True),
        (b'{"respCode":"00001"}', False),
        (b'{"respCode":0}', False),
        (b"[]", False),
        (b"OK", False),
        (b"", False),
        (b"\xff", False),
    ],
)
def test_only_the_agreed_answer_acknowledges(body: bytes, *, expected: bool) -> None:
    assert is_acknowledged(body) is expected


def test_headers_are_those_of_the_interface() -> None:
    assert HEADERS == {
        "Accept": "application/json",
        "Content-Type": "application/json;charset=utf-8",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [("字" * 70, 1), ("字" * 71, 2), ("a" * 134, 2), ("字" * 135, 3), ("😀" * 36, 2)],
)
def test_charging_num_is_a_string_of_the_count(text: str, expected: int) -> None:
    document = settled({"status": "failed"}, charging_num=charging_num(text))
    assert f'"chargingNum":"{expected}"'.encode() in body_of([result_of_settled(document)])
