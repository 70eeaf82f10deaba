"""How long what an account's messages say is kept: a YAML file, checked whole at the start.

default: {contents_days: 30, numbers_days: 180, all_days: 400}
accounts:
  acme: {contents_days: 14}        # the rest as by default
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from yizhan_contracts.ids import first_message_id
from yizhan_runtime import Misconfigured

MIN_DAYS = 10
"""The longest validity (3 days), the longest wait for a receipt (3), and a late correction (4)."""
Days = Annotated[int, Field(ge=MIN_DAYS, le=3650)]


class Stage(StrEnum):
    """What goes, in this order."""

    CONTENTS = "contents"
    NUMBERS = "numbers"
    ALL = "all"


class Policy(BaseModel):
    """How many days of what, counted from the time of a message's id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contents_days: Days = 30
    """Texts, calls' scripts and variables, and the texts of replies."""
    numbers_days: Days = 180
    all_days: Days = 400

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        # Contents hold the number too; and a message that is gone has none of either.
        if not self.contents_days <= self.numbers_days <= self.all_days:
            raise ValueError(
                "contents_days may not be more than numbers_days, nor that more than all_days"
            )
        return self

    def days(self, stage: Stage) -> int:
        return {
            Stage.CONTENTS: self.contents_days,
            Stage.NUMBERS: self.numbers_days,
            Stage.ALL: self.all_days,
        }[stage]

    def before(self, stage: Stage, now: datetime) -> datetime:
        """Give the time before which it goes."""
        return now - timedelta(days=self.days(stage))

    def below(self, stage: Stage, now: datetime) -> str:
        """Give the message id below which it goes."""
        return first_message_id(int(self.before(stage, now).timestamp() * 1000))


class Policies(BaseModel):
    """The default, and the accounts that have their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: Policy = Policy()
    accounts: dict[str, Policy] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, told: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        """Give an account what it does not say as by default."""
        if not isinstance(told, dict) or not isinstance(told.get("accounts"), dict):
            return told
        default = told.get("default") or {}
        filled = {
            account_id: {**default, **own} if isinstance(own, dict) else own
            for account_id, own in told["accounts"].items()
        }
        return {**told, "accounts": filled}

    def with_own(self, own: Mapping[str, Policy]) -> "Policies":
        """Give them with what accounts have been given since: that comes before the file."""
        return Policies(default=self.default, accounts={**self.accounts, **own})

    def of(self, account_id: str) -> Policy:
        return self.accounts.get(account_id, self.default)

    def longest(self, stage: Stage) -> int:
        """Give the days after which it goes of every account: then whole weeks may."""
        return max(policy.days(stage) for policy in (self.default, *self.accounts.values()))

    def shortest(self, stage: Stage) -> int:
        return min(policy.days(stage) for policy in (self.default, *self.accounts.values()))

    def shorter_than_longest(self, stage: Stage, account_ids: Iterable[str]) -> list[str]:
        """Name those whose contents (or all) go before a week goes whole."""
        longest = self.longest(stage)
        return sorted(one for one in account_ids if self.of(one).days(stage) < longest)


def load_policies(path: Path | None) -> Policies:
    """Read and check the file; without one all is as by default. Raises Misconfigured."""
    if path is None:
        return Policies()
    try:
        return Policies.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (OSError, yaml.YAMLError) as error:
        raise Misconfigured(f"{path} cannot be read: {type(error).__name__}") from error
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        said = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems[:5])
        raise Misconfigured(f"{path}: {said}") from error
