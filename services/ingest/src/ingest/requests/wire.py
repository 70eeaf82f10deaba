"""What crosses the HTTP edge, as it is written there."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from ingest.catalogue import Sender, ValidityS
from ingest.templates.model import MAX_TEXT, VariableName
from yizhan_contracts.events import Lane

MAX_VALUE_WRITTEN = 2000
"""A bound for the parser; values over their variable's own limit get a code of their own."""


Plain = r"^[^\x00-\x1f\x7f]*$"
"""No control characters."""

To = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Language = Annotated[str, StringConstraints(min_length=1, max_length=35, pattern=Plain)]
Variables = dict[VariableName, Annotated[str, StringConstraints(max_length=MAX_VALUE_WRITTEN)]]
Reference = Annotated[str, StringConstraints(max_length=200, pattern=Plain)]


TemplateName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=Plain)]
RawText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]


class _Shared(BaseModel):
    """What a request says of all its messages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Default: the newest approved version."""
    language: Language | None = None
    """BCP 47; falls back from zh-Hant to zh to the account's own."""
    variables: Variables = Field(default_factory=dict, max_length=50)
    lane: Lane = Lane.STANDARD
    sender: Annotated[Sender, StringConstraints(pattern=Plain)] | None = None
    validity_s: ValidityS | None = None
    """After this many seconds it is not sent any more. Default: the account's."""


class SendRequest(_Shared):
    """One message to one recipient."""

    model_config = ConfigDict(
        json_schema_extra={
            "xml": {"name": "message"},
            "oneOf": [{"required": ["template"]}, {"required": ["text"]}],
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
            ],
        },
    )

    to: To
    """International form: + or 00, country code, number."""
    template: TemplateName | None = None
    text: RawText | None = None
    """Instead of template, version, language and variables: a text that is an approved template,
    filled in, to the letter."""
    reference: Reference = ""
    """Your own name for the message; it comes back with everything said of it."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if (self.template is None) == (self.text is None):
            raise ValueError("write template, or text: one of them")
        if self.text is not None and (self.variables or self.version or self.language):
            raise ValueError("text: it has version, language and variables in it: leave them out")
        return self


MAX_RECIPIENTS = 1000


class Recipient(BaseModel):
    """One of many recipients, with what is its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: To
    language: Language | None = None
    variables: Variables = Field(default_factory=dict, max_length=50)
    """Beside those of the request, and in their place."""
    reference: Reference = ""


class SendMany(_Shared):
    """One template to many recipients. One that is wrong never affects the others."""

    model_config = ConfigDict(json_schema_extra={"xml": {"name": "messages"}})

    template: TemplateName
    recipients: Annotated[list[Any], Field(min_length=1, max_length=MAX_RECIPIENTS)]


class Accepted(BaseModel):
    """The message is kept: it will settle, whatever happens to any process."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"xml": {"name": "accepted"}})

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


class AcceptedRow(Accepted):
    """The row's message is kept."""

    model_config = ConfigDict(frozen=True, json_schema_extra={})

    index: int
    """The row's place in ``recipients``, from 0."""


class RefusedRow(BaseModel):
    """The row is refused; the others are not concerned."""

    index: int
    status: Literal["refused"] = "refused"
    reference: str
    code: str
    field: str
    detail: str
    what_to_do: str
    errors: list[ProblemItem]


class Answered(BaseModel):
    """What became of each row, in their order."""

    model_config = ConfigDict(json_schema_extra={"xml": {"name": "answered"}})

    batch_id: str
    """What the messages have in common: holds stop it, ``batch.finished`` speaks of it."""
    accepted: int
    refused: int
    messages: list[AcceptedRow | RefusedRow]
