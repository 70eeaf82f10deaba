"""Accounts and what they may send: keys, templates, rules. Never changed in place."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from ingest.accounts.plan import Plan
from ingest.entry import Entry
from ingest.limits.model import AccountLimits
from ingest.quota.wallet import PackageKind
from ingest.rendering import language_chain
from ingest.senders.model import SenderId, Senders
from ingest.templates.matching import Matcher
from ingest.templates.model import Id, Template
from yizhan_contracts.events import Lane, Milestone, Policy
from yizhan_runtime.tokens import PERSONAL

MAX_VALIDITY_S = 72 * 3600

NumberPrefix = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{3,14}$")]
Sender = Annotated[str, StringConstraints(min_length=1, max_length=40)]
ValidityS = Annotated[int, Field(ge=30, le=MAX_VALIDITY_S)]


class AccountState(StrEnum):
    """Only a verified (qualified) account sends."""

    VERIFIED = "verified"
    PENDING = "pending"
    SUSPENDED = "suspended"


class Scope(StrEnum):
    """What a key may do."""

    SEND = "send"
    READ = "read"
    READ_PERSONAL = PERSONAL
    """Whole numbers and texts, where the other services' APIs would mask them or leave them out."""
    ADMIN = "admin"


ORDINARY = frozenset(Scope) - {Scope.READ_PERSONAL}
"""What a key of the accounts file may do where it does not say: personal data is asked for."""


class Notify(StrEnum):
    """How often a rule speaks of one shipment to one recipient."""

    ALWAYS = "always"
    FIRST = "first"
    NEVER = "never"


KeyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{4,64}$")]


class ApiKey(Entry):
    """A key that an account begins with. With its secret's SHA-256 only, it cannot sign."""

    key: KeyName
    secret_sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    secret: SecretStr = SecretStr("")
    scopes: frozenset[Scope] = ORDINARY
    test: bool = False

    @model_validator(mode="after")
    def _has_one_secret(self) -> Self:
        if bool(self.secret_sha256) == bool(self.secret.get_secret_value()):
            raise ValueError("write secret_sha256, or secret: one of them")
        return self


class Rule(Entry):
    """What an account sends at a milestone."""

    template: Id
    lane: Lane = Lane.STANDARD
    validity_s: ValidityS = 86_400
    max_age_s: Annotated[int, Field(ge=1, le=30 * 86_400)] = 86_400
    notify: Notify = Notify.ALWAYS
    sender: Sender | None = None


class AccountFacts(Entry):
    """A business customer, without what other collections hold of it: keys, templates, money."""

    id: Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    state: AccountState
    home_region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "CN"
    locale: Annotated[str, StringConstraints(min_length=2, max_length=35)] = "zh"
    time_zone: str = "Asia/Shanghai"
    sender: Sender
    validity_s: ValidityS = 86_400
    policy: Policy = Policy()
    test_numbers: tuple[NumberPrefix, ...] = ()
    """Numbers, or how they begin: what goes to them is a test, whatever the key."""
    limits: AccountLimits = AccountLimits()
    plan: Plan = Plan()
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

    def is_test_number(self, e164: str) -> bool:
        """Tell whether messages to a number are tests: no carrier sees them."""
        return e164.startswith(self.test_numbers) if self.test_numbers else False

    @property
    def is_verified(self) -> bool:
        return self.state is AccountState.VERIFIED


class Account(AccountFacts):
    """A business customer with all that it registered."""

    keys: tuple[ApiKey, ...] = ()
    """Those of the file; once they are in the database, the key table has them."""
    templates: tuple[Template, ...] = ()
    senders: tuple[SenderId, ...] = ()
    """Signatures and sender IDs. Of a file also those that its accounts, rules and texts name."""
    packages: dict[PackageKind, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """What a new wallet begins with, in chargingNum; a wallet that is there is left alone."""
    balance: Annotated[Decimal, Field(ge=0, decimal_places=4, max_digits=18)] = Decimal(0)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "CNY"

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
    def registered(self) -> Senders:
        """Give the senders by name and country."""
        return Senders(self.senders)

    @cached_property
    def matcher(self) -> Matcher:
        """Give what finds the template of a text."""
        return Matcher(self.templates)

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


_MILESTONES = tuple(m.value for m in Milestone if m is not Milestone.UNKNOWN)


class CatalogueFile(Entry):
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
