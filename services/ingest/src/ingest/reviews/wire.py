"""What of the registry crosses the HTTP edge."""

from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from ingest.reviews.lifecycle import Registered
from ingest.senders.model import EVERYWHERE, CountryOrAll, SenderId, SenderType, Value
from ingest.templates.model import (
    Category,
    Id,
    LanguageTag,
    Template,
    TemplateState,
    Variable,
    VariableName,
)

Text = Annotated[str, Field(min_length=1, max_length=2000)]
Reviewer = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class NewTemplate(BaseModel):
    """A template to be registered: its next version, as a draft."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "exam-score",
                    "languages": {"zh": "【XX考试中心】考生{name},您的成绩为{score}分。"},
                    "variables": {
                        "name": {"example": "张三"},
                        "score": {"type": "digits", "max_length": 3, "example": "99"},
                    },
                }
            ]
        },
    )

    id: Id
    category: Category = Category.NOTIFICATION
    languages: Annotated[dict[LanguageTag, Text], Field(min_length=1, max_length=100)]
    """Texts by BCP 47 tag; one must be in the account's locale. {name} is a variable."""
    variables: Annotated[dict[VariableName, Variable], Field(max_length=50)] = Field(
        default_factory=dict
    )
    voice_script: Annotated[dict[LanguageTag, Text], Field(max_length=100)] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _makes_a_template(self) -> Self:
        self.template()
        lacking = sorted(name for name, variable in self.variables.items() if not variable.example)
        if lacking:
            raise ValueError(f"variables: {lacking} have no example: a reviewer needs one")
        return self

    def template(self) -> Template:
        """Make the template. Raises ValidationError."""
        return Template(state=TemplateState.DRAFT, **self.__dict__)


class NewSender(BaseModel):
    """A signature or sender ID to be registered, as a draft."""

    model_config = ConfigDict(extra="forbid")

    value: Value
    country: CountryOrAll = EVERYWHERE
    """ISO 3166, or * for countries that no entry of its own says anything of."""
    type: SenderType | None = None
    """Default: what it looks like."""

    @model_validator(mode="after")
    def _makes_a_sender(self) -> Self:
        self.sender()
        return self

    def sender(self) -> SenderId:
        """Make the sender. Raises ValidationError."""
        return SenderId.model_validate({**self.__dict__, "state": TemplateState.DRAFT})


class Approval(BaseModel):
    """Who approves, and what there is to say of it."""

    model_config = ConfigDict(extra="forbid")

    reviewer: Reviewer
    reason: Annotated[str, Field(max_length=500)] = ""


class Rejection(BaseModel):
    """Who rejects, and why: the account reads it."""

    model_config = ConfigDict(extra="forbid")

    reviewer: Reviewer
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class StepShown(BaseModel):
    """A step that was taken."""

    step: str
    by: str
    at: AwareDatetime
    reason: str = ""


class Shown(BaseModel):
    """A version in its state, with everything that was done with it."""

    account_id: str
    version: int
    state: TemplateState
    history: list[StepShown]


class TemplateShown(Shown):
    """A version of a template."""

    id: str
    category: Category
    languages: dict[str, str]
    variables: dict[str, Variable]
    voice_script: dict[str, str]


class SenderShown(Shown):
    """A sender in a country."""

    value: str
    country: str
    type: SenderType


class TemplateList(BaseModel):
    """Versions of templates, by id and version."""

    templates: list[TemplateShown]


class SenderList(BaseModel):
    """Senders, by country and value."""

    senders: list[SenderShown]


class PendingList(BaseModel):
    """What waits for a reviewer, the oldest first."""

    templates: list[TemplateShown]
    senders: list[SenderShown]


def show_template(registered: Registered) -> TemplateShown:
    """Write a template."""
    return TemplateShown.model_validate({**registered.content, **_shown(registered)})


def show_sender(registered: Registered) -> SenderShown:
    """Write a sender."""
    return SenderShown.model_validate({**registered.content, **_shown(registered)})


def _shown(registered: Registered) -> dict[str, Any]:
    return {
        "account_id": registered.name.account_id,
        "version": registered.name.version,
        "state": registered.state,
        "history": [
            {"step": one.step, "by": one.by, "at": one.at, "reason": one.reason}
            for one in registered.steps
        ],
    }
