"""Who may not be sent what: a fold that no order and no repeat of its facts can change."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ingest.codes import Code, Refusal
from ingest.templates.model import Category

EVERYONE = "*"
"""The scope of what holds for all accounts."""

BY_REPLY = "reply"
"""Who opted out: the recipient, who alone (or an operator) may take it back."""

Who = tuple[str, str]
"""An account and a number in E.164."""


class Action(StrEnum):
    """What is said of a number. The later of two that are opposites counts."""

    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"
    BLACKLIST = "blacklist"
    CLEAR = "clear"


OPPOSITES = {
    Action.OPT_OUT: Action.OPT_IN,
    Action.OPT_IN: Action.OPT_OUT,
    Action.BLACKLIST: Action.CLEAR,
    Action.CLEAR: Action.BLACKLIST,
}


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said of a number, by whom. Stored once, never changed."""

    scope: str
    number: str
    action: Action
    by: str
    at: datetime
    reason: str = ""

    @property
    def stop_id(self) -> str:
        return stop_id(self.scope, self.number)


@dataclass(frozen=True, slots=True)
class Stop:
    """What holds for a number in one scope, from when each action was last said."""

    scope: str
    number: str
    last: Mapping[Action, datetime]
    opted_out_by: str = ""

    @property
    def is_opted_out(self) -> bool:
        return self._holds(Action.OPT_OUT)

    @property
    def is_blacklisted(self) -> bool:
        return self._holds(Action.BLACKLIST)

    def _holds(self, action: Action) -> bool:
        said, unsaid = self.last.get(action), self.last.get(OPPOSITES[action])
        # Of the same moment: in doubt nobody is written to.
        return said is not None and (unsaid is None or said >= unsaid)


NOTHING = Stop("", "", {})


def stop_id(scope: str, number: str) -> str:
    """Name what is known of a number in a scope."""
    return f"{scope}|{number}"


def refusal_of(stops: Iterable[Stop], category: Category) -> Refusal | None:
    """Say why a number may not be sent this, if so.

    An opt-out stops everything but verification codes: those the recipient asks for just then.
    """
    found = tuple(stops)
    if any(stop.is_blacklisted for stop in found):
        return Refusal(Code.RECIPIENT_BLACKLISTED, "to")
    if category is not Category.VERIFICATION and any(stop.is_opted_out for stop in found):
        return Refusal(Code.RECIPIENT_OPTED_OUT, "to")
    return None


class Stops(Protocol):
    """What is known of numbers. Every method raises Retryable while the store is away."""

    async def find(self, wanted: Collection[Who]) -> Mapping[Who, tuple[Stop, ...]]:
        """Give what holds for numbers, for the account and for everyone: those that have any."""
        ...
