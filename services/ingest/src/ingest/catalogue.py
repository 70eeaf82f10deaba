"""Accounts and what they may send: keys, templates, rules. Never changed in place."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from ingest.rendering import MAX_VALUE, language_chain, variables_of
from yizhan_contracts.events import Lane, Milestone, Policy

MAX_VALIDITY_S = 72 * 3600
MAX_TEXT = 2000
"""What contracts allow of a rendered text."""

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Sender = Annotated[str, StringConstraints(min_length=1, max_length=40)]
ValidityS = Annotated[int, Field(ge=30, le=MAX_VALIDITY_S)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AccountState(StrEnum):
    """Only a verified (qualified) account sends."""

    VERIFIED = "verified"
    PENDING = "pending"
    SUSPENDED = "suspended"


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


class Scope(StrEnum):
    """What a key may do."""

    SEND = "send"
    READ = "read"


class Notify(StrEnum):
    """How often a rule speaks of one shipment to one recipient."""

    ALWAYS = "always"
    FIRST = "first"
    NEVER = "never"


class ApiKey(_Entry):
    """One pair of key and secret. The file holds the secret's SHA-256 only."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{4,64}$")]
    secret_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[Scope] = frozenset(Scope)
    test: bool = False


class Variable(_Entry):
    """What may stand in a placeholder."""

    max_length: Annotated[int, Field(ge=1, le=MAX_VALUE)] = MAX_VALUE
    pattern: str | None = None

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"no regular expression ({error}): correct it") from None
        return pattern

    @cached_property
    def regex(self) -> re.Pattern[str] | None:
        return re.compile(self.pattern) if self.pattern else None


class Template(_Entry):
    """One version of a registered text: fixed words and variables, in one or more languages."""

    id: Id
    version: Annotated[int, Field(ge=1)] = 1
    state: TemplateState
    category: Category = Category.NOTIFICATION
    languages: Annotated[dict[str, str], Field(min_length=1)]
    variables: dict[VariableName, Variable] = Field(default_factory=dict)
    voice_script: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for kind, texts in (("languages", self.languages), ("voice_script", self.voice_script)):
            for tag, text in texts.items():
                self._check_text(f"{kind}.{tag}", text)
        strangers = {tag.lower() for tag in self.voice_script} - self.texts.keys()
        if strangers:
            raise ValueError(f"voice_script: {sorted(strangers)} are not among languages: add them")
        return self

    def _check_text(self, where: str, text: str) -> None:
        used = variables_of(text)
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

    @property
    def is_approved(self) -> bool:
        return self.state is TemplateState.APPROVED


class Rule(_Entry):
    """What an account sends at a milestone."""

    template: Id
    lane: Lane = Lane.STANDARD
    validity_s: ValidityS = 86_400
    max_age_s: Annotated[int, Field(ge=1, le=30 * 86_400)] = 86_400
    notify: Notify = Notify.ALWAYS
    sender: Sender | None = None


class Account(_Entry):
    """A business customer."""

    id: Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    state: AccountState
    home_region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "CN"
    locale: Annotated[str, StringConstraints(min_length=2, max_length=35)] = "zh"
    time_zone: str = "Asia/Shanghai"
    sender: Sender
    validity_s: ValidityS = 86_400
    policy: Policy = Policy()
    keys: tuple[ApiKey, ...] = ()
    templates: tuple[Template, ...] = ()
    rules: dict[Milestone, Rule] = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such zone: write an IANA name such as Europe/Paris") from None
        return zone

    @field_validator("rules", mode="before")
    @classmethod
    def _milestones_exist(cls, rules: object) -> object:
        # Milestone takes anything for "unknown"; a rule for a misspelt milestone would never fire.
        if isinstance(rules, dict) and (strange := set(rules) - set(_MILESTONES)):
            raise ValueError(f"{sorted(map(str, strange))}: write one of {', '.join(_MILESTONES)}")
        return rules

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        doubled = _doubled((t.id, t.version) for t in self.templates)
        if doubled:
            raise ValueError(f"templates: {doubled} twice: give each its own version")
        for template in self.templates:
            if not set(language_chain(self.locale)) & template.texts.keys():
                raise ValueError(
                    f"templates ({template.id}): no text in {self.locale}, the account's locale, "
                    "which others fall back to: add one"
                )
        for milestone, rule in self.rules.items():
            if rule.template not in self.newest:
                raise ValueError(f"rules.{milestone}: no template {rule.template}: add or correct")
        return self

    @cached_property
    def newest(self) -> dict[str, Template]:
        """Give, by id, the newest approved version; where none is approved, the newest."""
        ranked = sorted(self.templates, key=lambda t: (t.is_approved, t.version))
        return {template.id: template for template in ranked}

    def template(self, template_id: str, version: int | None = None) -> Template | None:
        """Find a template, in the version asked for or the newest approved one."""
        if version is None:
            return self.newest.get(template_id)
        wanted = (template_id, version)
        return next((t for t in self.templates if (t.id, t.version) == wanted), None)

    @property
    def is_verified(self) -> bool:
        return self.state is AccountState.VERIFIED


_MILESTONES = tuple(m.value for m in Milestone if m is not Milestone.UNKNOWN)


class CatalogueFile(_Entry):
    """The whole file. ``shared`` is a place for YAML anchors; nothing reads it."""

    shared: object = None
    accounts: Annotated[tuple[Account, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        if doubled := _doubled(account.id for account in self.accounts):
            raise ValueError(f"accounts: {doubled} twice: an id names one account")
        if _doubled(key.key for account in self.accounts for key in account.keys):
            raise ValueError("accounts: one key belongs to two accounts: draw another")
        return self


def _doubled(items: Iterable[object]) -> list[object]:
    return list(_repeats(items))


def _repeats(items: Iterable[object]) -> Iterator[object]:
    seen: set[object] = set()
    for item in items:
        if item in seen:
            yield item
        seen.add(item)
