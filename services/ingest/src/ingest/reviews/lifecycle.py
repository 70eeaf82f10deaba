"""How something registered becomes approved: a fold over the steps that people took.

draft -> pending -> approved -> retired, or pending -> rejected. What a version says never changes;
what is to be said differently is a new version. Every step names who took it, when and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from ingest.templates.model import TemplateState as State


class Kind(StrEnum):
    """What is registered and reviewed."""

    TEMPLATE = "template"
    SENDER = "sender"


class Step(StrEnum):
    """What somebody does with a version."""

    CREATE = "create"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    RETIRE = "retire"


_LEADS: dict[tuple[State | None, Step], State] = {
    (None, Step.CREATE): State.DRAFT,
    (State.DRAFT, Step.SUBMIT): State.PENDING,
    (State.PENDING, Step.APPROVE): State.APPROVED,
    (State.PENDING, Step.REJECT): State.REJECTED,
    (State.DRAFT, Step.RETIRE): State.RETIRED,
    (State.PENDING, Step.RETIRE): State.RETIRED,
    (State.APPROVED, Step.RETIRE): State.RETIRED,
}

WAY: dict[State, tuple[Step, ...]] = {
    State.DRAFT: (Step.CREATE,),
    State.PENDING: (Step.CREATE, Step.SUBMIT),
    State.APPROVED: (Step.CREATE, Step.SUBMIT, Step.APPROVE),
    State.REJECTED: (Step.CREATE, Step.SUBMIT, Step.REJECT),
    State.RETIRED: (Step.CREATE, Step.SUBMIT, Step.APPROVE, Step.RETIRE),
}
"""The steps to a state, as a file that names only the state stands for them."""


class NotPossibleError(Exception):
    """A step that does not follow from the state."""


def after(state: State | None, step: Step) -> State:
    """Give the state that a step leads to. Raises NotPossibleError."""
    try:
        return _LEADS[state, step]
    except KeyError:
        raise NotPossibleError(f"It is {state}: {step} does not follow.") from None


@dataclass(frozen=True, slots=True)
class Name:
    """Which version of what."""

    kind: Kind
    account_id: str
    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.kind}/{self.account_id}/{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken. Stored once, never changed: the audit trail is these."""

    of: Name
    n: int
    """From 0, without gaps: two people who decide at once cannot both be the n-th."""
    step: Step
    by: str
    at: datetime
    reason: str = ""
    content: dict[str, Any] | None = None
    """What is registered; with the first step only."""

    @property
    def taken_id(self) -> str:
        return f"{self.of}#{self.n}"


@dataclass(frozen=True, slots=True)
class Registered:
    """One version with its history, in the state that it has come to."""

    name: Name
    content: dict[str, Any]
    steps: tuple[Taken, ...]
    state: State


def fold(steps: Sequence[Taken]) -> Registered | None:
    """Put a version's steps together, in any order; those behind a gap are left out."""
    ordered = {step.n: step for step in steps}
    state: State | None = None
    known: list[Taken] = []
    while (step := ordered.get(len(known))) is not None:
        try:
            state = after(state, step.step)
        except NotPossibleError:
            break
        known.append(step)
    if state is None or known[0].content is None:
        return None
    return Registered(known[0].of, known[0].content, tuple(known), state)
