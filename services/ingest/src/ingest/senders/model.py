"""A sender: the name in 【】 before a text, or the ID that a handset shows. Per country."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from ingest.codes import Code, Refusal
from ingest.entry import Entry
from ingest.templates.model import TemplateState as State

EVERYWHERE = "*"
"""For countries that no entry of its own says anything of."""

MAX_ALPHANUMERIC = 11
"""3GPP TS 23.040, 9.1.2.5: eleven characters of the default alphabet."""

Value = Annotated[
    str,
    StringConstraints(
        pattern=r"^[^/【】\[\]\x00-\x1f\x7f]*$", strip_whitespace=True, min_length=1, max_length=40
    ),
]
CountryOrAll = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}|[0-9]{3}|\*)$")]


class SenderType(StrEnum):
    """What a sender is to carriers."""

    SIGNATURE = "signature"
    """A name, written before the text in 【】 where the country does so."""
    ALPHANUMERIC = "alphanumeric"
    SHORT_CODE = "short-code"
    NUMERIC = "numeric"
    """A number that can be called: replies reach it."""


_SHAPES: Mapping[SenderType, re.Pattern[str]] = {
    SenderType.SIGNATURE: re.compile(r".{1,40}"),
    SenderType.ALPHANUMERIC: re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &.,'_+-]{1,11}"),
    SenderType.SHORT_CODE: re.compile(r"[0-9]{3,8}"),
    SenderType.NUMERIC: re.compile(r"\+?[0-9]{7,20}"),
}


def type_of(value: str) -> SenderType:
    """Tell what a sender is by how it is written. Pure digits up to eight are a short code."""
    for kind in (SenderType.SHORT_CODE, SenderType.NUMERIC, SenderType.ALPHANUMERIC):
        if _SHAPES[kind].fullmatch(value):
            return kind
    return SenderType.SIGNATURE


class SenderId(Entry):
    """What an account asked to send under in a country."""

    value: Value
    country: CountryOrAll = EVERYWHERE
    type: SenderType = Field(default=SenderType.SIGNATURE)
    state: State = State.APPROVED

    @model_validator(mode="before")
    @classmethod
    def _knows_its_type(cls, given: object) -> object:
        if isinstance(given, dict) and given.get("type") is None and "value" in given:
            return {**given, "type": type_of(str(given["value"]))}
        return given

    @model_validator(mode="after")
    def _is_shaped(self) -> Self:
        if _SHAPES[self.type].fullmatch(self.value) is None:
            raise ValueError(
                f"value: no {self.type}: alphanumeric is up to {MAX_ALPHANUMERIC} letters and "
                "digits, short-code 3 to 8 digits, numeric 7 to 20"
            )
        return self


class Senders:
    """An account's senders, looked up for every message."""

    def __init__(self, entries: Iterable[SenderId] = ()) -> None:
        self._states = {(entry.value, entry.country): entry.state for entry in entries}

    def state(self, value: str, country: str) -> State | None:
        """Give the state of a sender in a country: of its own entry there, else everywhere's."""
        state = self._states.get((value, country))
        return self._states.get((value, EVERYWHERE)) if state is None else state

    def refusal(self, value: str, country: str, field: str) -> Refusal | None:
        """Say why this may not be sent under there, if so."""
        state = self.state(value, country)
        if state is State.APPROVED:
            return None
        if state is None:
            return Refusal(Code.SENDER_UNKNOWN, field, f"It is not registered for {country}.")
        return Refusal(Code.SENDER_NOT_APPROVED, field, f"For {country} it is {state}.")
