"""What crosses the HTTP edge, as it is written there."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from ingest.catalogue import Sender, ValidityS
from ingest.templates.model import VariableName
from yizhan_contracts.events import Lane

MAX_VALUE_WRITTEN = 2000
"""A bound for the parser; values over their variable's own limit get a code of their own."""


class SendRequest(BaseModel):
    """One message to one recipient."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "to": "+1 201 555 0123",
                    "template": "exam-score",
                    "language": "zh",
                    "variables": {
                        "name": "张三",
                        "code": "2026001",
                        "subject": "数学",
                        "score": "99",
                    },
                    "reference": "candidate-1",
                }
            ]
        },
    )

    to: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    """International form: + or 00, country code, number."""
    template: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    version: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Default: the newest approved version."""
    language: Annotated[str, StringConstraints(min_length=1, max_length=35)] | None = None
    """BCP 47; falls back from zh-Hant to zh to the account's own."""
    variables: dict[
        VariableName, Annotated[str, StringConstraints(max_length=MAX_VALUE_WRITTEN)]
    ] = Field(default_factory=dict, max_length=50)
    reference: Annotated[str, StringConstraints(max_length=200)] = ""
    """Your own name for the message; it comes back with everything said of it."""
    lane: Lane = Lane.STANDARD
    sender: Sender | None = None
    validity_s: ValidityS | None = None
    """After this many seconds it is not sent any more. Default: the account's."""


class Accepted(BaseModel):
    """The message is kept: it will settle, whatever happens to any process."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    status: Literal["accepted"] = "accepted"
    reference: str
    country: str
    """ISO 3166 country of the number; 001 for a number of no country."""
    charging_num: int
    """What it is billed as: 70 characters 1, above that 67 each."""
    segments: int
    """Transport segments it takes as it is encoded."""
    accepted_at: AwareDatetime
    valid_until: AwareDatetime


class ProblemItem(BaseModel):
    """One thing that is wrong."""

    code: str
    field: str
    detail: str
    what_to_do: str
    offset: int = 0
    """Where in the field, in characters from 0; only there where one place is wrong."""


class Problem(BaseModel):
    """An error, by RFC 9457. ``code`` is stable; ``errors`` names everything that is wrong."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str
    what_to_do: str
    errors: list[ProblemItem]
