"""A template: fixed words and typed variables in some languages. A version never changes."""

import re
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from ingest.codes import Refusal
from ingest.content.injections import find_link
from ingest.entry import Entry
from ingest.rendering import MAX_VALUE, pieces, variables_of
from ingest.templates.values import BadPattern, Kind, Pattern, check_value, compiled

MAX_TEXT = 2000
"""What contracts allow of a rendered text."""

_VARIABLE_SENDER = re.compile(r"【[^】]*[{}]")

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,5}$")]
"""BCP 47, as far as texts are told apart by it."""
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=200)]


class TemplateState(StrEnum):
    """Only an approved template is sent."""

    DRAFT = "draft"
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETIRED = "retired"


class Category(StrEnum):
    """What a template is for: packages and rules differ."""

    NOTIFICATION = "notification"
    VERIFICATION = "verification"
    MARKETING = "marketing"


class Variable(Entry):
    """What may stand in a placeholder."""

    type: Kind = Kind.TEXT
    max_length: Annotated[int, Field(ge=1, le=MAX_VALUE)] = MAX_VALUE
    pattern: Annotated[str, StringConstraints(max_length=200)] | None = None
    """RE2; it must match the whole value."""
    hosts: Annotated[tuple[Host, ...], Field(max_length=10)] = ()
    """Where a url may lead: these hosts and what is below them."""
    example: Annotated[str, StringConstraints(max_length=MAX_VALUE)] = ""
    """For the reviewer, and for a preview without values."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            compiled(pattern or "")
        except BadPattern as error:
            raise ValueError(f"no pattern of RE2's ({error}): correct it") from None
        return pattern

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.type is Kind.URL) != bool(self.hosts):
            raise ValueError("hosts: a url names the hosts that it may lead to, others have none")
        if self.example and self.refusal_of("example", self.example) is not None:
            raise ValueError("example: it would be refused as a value: correct one of the two")
        return self

    @cached_property
    def regex(self) -> Pattern | None:
        return compiled(self.pattern) if self.pattern else None

    def refusal_of(self, name: str, value: str) -> Refusal | None:
        """Say what is wrong with a value, if anything."""
        return check_value(name, value, self.max_length, self.regex, self.type, self.hosts)


class Template(Entry):
    """One version of a registered text, in the state that its review has come to."""

    id: Id
    version: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    state: TemplateState
    category: Category = Category.NOTIFICATION
    languages: Annotated[dict[LanguageTag, str], Field(min_length=1, max_length=100)]
    variables: Annotated[dict[VariableName, Variable], Field(max_length=50)] = Field(
        default_factory=dict
    )
    voice_script: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for kind, texts in (("languages", self.languages), ("voice_script", self.voice_script)):
            for tag, text in texts.items():
                self._check_text(f"{kind}.{tag}", text)
        if len(self.texts) < len(self.languages):
            raise ValueError("languages: a language stands there twice: leave one")
        strangers = {tag.lower() for tag in self.voice_script} - self.texts.keys()
        if strangers:
            raise ValueError(f"voice_script: {sorted(strangers)} are not among languages: add them")
        return self

    def _check_text(self, where: str, text: str) -> None:
        used = variables_of(text)
        if _VARIABLE_SENDER.search(text):
            raise ValueError(f"{where}: a sender's name in 【】 holds no variables: write it out")
        if unknown := used - self.variables.keys():
            raise ValueError(f"{where}: {sorted(unknown)} are not in variables: declare them there")
        longest = len(text) + sum(self.variables[name].max_length for name in used)
        if not text.strip() or longest > MAX_TEXT:
            raise ValueError(f"{where}: must hold 1 to {MAX_TEXT} characters with its variables")

    @cached_property
    def texts(self) -> dict[str, str]:
        """Give the texts by lower-case language tag."""
        return {tag.lower(): text for tag, text in self.languages.items()}

    @cached_property
    def voices(self) -> dict[str, str]:
        return {tag.lower(): text for tag, text in self.voice_script.items()}

    @cached_property
    def tags(self) -> dict[str, str]:
        """Give each tag as it was written, by its lower-case form."""
        return {tag.lower(): tag for tag in self.languages}

    @cached_property
    def has_links(self) -> bool:
        """Tell whether the reviewed words, or a variable, lead anywhere."""
        fixed = (literal for text in self.texts.values() for literal, _ in pieces(text))
        return any(variable.type is Kind.URL for variable in self.variables.values()) or any(
            find_link(literal) is not None for literal in fixed
        )

    @property
    def is_approved(self) -> bool:
        return self.state is TemplateState.APPROVED
