"""The S3 receipt push, field by field: one object with one array, and every value is a string."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from receipts.ledger.facts import Accepted
from yizhan_contracts.events import Status

HEADERS: Final = {
    "Accept": "application/json",
    "Content-Type": "application/json;charset=utf-8",
}
MAX_RESULTS: Final = 100
_ACKNOWLEDGED: Final = "00000"
_HOME: Final = "Asia/Shanghai"


class S3Status(StrEnum):
    """What a push says. A success, once said, is never followed by a failure."""

    SUCCESS = "0"
    FAILURE = "1"


class Result(NamedTuple):
    """What is pushed of one message."""

    message_id: str
    phone: str
    status: S3Status
    resp_message: str
    receive_time: str
    charging_num: int

    @property
    def subject_id(self) -> str:
        return self.message_id


def result_of_settled(settled: Mapping[str, Any]) -> Result:
    """Say what ``settled`` says of the SMS now."""
    sms = settled["sms"]
    message_id, phone, charging = settled["_id"], settled["recipient"], settled["charging_num"]
    if sms["status"] == Status.DELIVERED:
        time = local_time(sms["delivered_at"], settled["time_zone"])
        return Result(message_id, phone, S3Status.SUCCESS, "", time, charging)
    explained = sms.get("carrier_code") or sms.get("reason") or sms["status"]
    return Result(message_id, phone, S3Status.FAILURE, explained, "", charging)


def result_of_failed_sms(accepted: Accepted, requested: Mapping[str, Any]) -> Result:
    """Say that the SMS failed while its call, which was ``requested``, is still to come."""
    explained = requested.get("carrier_code") or requested["reason"]
    return Result(
        accepted.message_id,
        accepted.recipient,
        S3Status.FAILURE,
        explained,
        "",
        accepted.charging_num,
    )


def body_of(results: Sequence[Result]) -> bytes:
    """Render up to MAX_RESULTS results. ``phone`` is the number in E.164, as it was accepted."""
    rendered = [
        {
            "smsId": result.message_id,
            "phone": result.phone,
            "status": result.status.value,
            "respMessage": result.resp_message,
            "receiveTime": result.receive_time,
            "chargingNum": str(result.charging_num),
        }
        for result in results
    ]
    document = {"smsResult": rendered}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def is_acknowledged(body: bytes) -> bool:
    """Tell whether the answer to a push is ``{"respCode":"00000"}``. Nothing else will do."""
    return resp_code(body) == _ACKNOWLEDGED


def resp_code(body: bytes) -> str:
    """Read the code of an answer; empty where there is none."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    code = answer.get("respCode") if isinstance(answer, dict) else None
    return code if isinstance(code, str) else ""


def local_time(at: datetime, time_zone: str) -> str:
    """Write ``yyyy-mm-dd hh:mm:ss`` in the account's zone: the format has no place for one."""
    return at.astimezone(_zone(time_zone)).strftime("%Y-%m-%d %H:%M:%S")


@lru_cache(maxsize=700)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(_HOME)
