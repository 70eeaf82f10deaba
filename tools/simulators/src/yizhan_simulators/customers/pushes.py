"""The receipt push as customers were promised it, field by field: a deviation is an error.

The format: POST, JSON in UTF-8, one object with the array `smsResult`, every value a string.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from yizhan_simulators.revision import Invalid, Problem, problems_of

ACKNOWLEDGED = "00000"
MALFORMED = "40000"
MOST_RESULTS = 100

_HEADERS = {"Accept": "application/json", "Content-Type": "application/json;charset=utf-8"}
_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d")


def _time_or_nothing(value: str) -> str:
    if value and not _TIME.fullmatch(value):
        raise ValueError("not yyyy-mm-dd hh:mm:ss (24 h) and not empty")
    return value


class SmsResult(BaseModel):
    """One result of a push."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sms_id: Annotated[str, StringConstraints(pattern=r"^[!-~]{32}$")] = Field(alias="smsId")
    phone: str = ""
    status: Literal["0", "1"]
    resp_message: str = Field(default="", alias="respMessage")
    receive_time: Annotated[str, AfterValidator(_time_or_nothing)] = Field(alias="receiveTime")
    charging_num: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")] = Field(
        alias="chargingNum"
    )

    @model_validator(mode="after")
    def _fits_its_status(self) -> Self:
        if self.status == "0" and self.resp_message:
            raise ValueError("respMessage must be empty on success")
        if self.status == "1" and self.receive_time:
            raise ValueError("receiveTime must be empty on failure")
        return self


class Push(BaseModel):
    """The body of a push."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    results: list[SmsResult] = Field(alias="smsResult", min_length=1, max_length=MOST_RESULTS)


def parse_push(headers: Mapping[str, str], body: bytes) -> list[SmsResult]:
    """Read a push, or raise Invalid with everything that breaks the format."""
    problems = [
        Problem(name, f"is not {wanted}", f"send {name}: {wanted}")
        for name, wanted in _HEADERS.items()
        if _plain(headers.get(name, "")) != wanted
    ]
    try:
        push = Push.model_validate_json(body)
    except ValidationError as error:
        raise Invalid(problems + problems_of(error)) from error
    if problems:
        raise Invalid(problems)
    return push.results


def _plain(value: str) -> str:
    return value.lower().replace(" ", "")
