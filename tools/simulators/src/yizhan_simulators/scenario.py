"""A timeline of what happens to the parties, from a YAML file.

    - {at_s: 0,  carrier: alpha, set: {throttle_tps: 500}}
    - {at_s: 30, carrier: alpha, set: {down: true}}
    - {at_s: 40, carrier: alpha, reset: true}
    - {at_s: 50, every_s: 5, times: 4, carrier: beta, cut: true}
    - {at_s: 60, carrier: beta, reply: {from: '+8613800138000', to: '10690001', text: TD}}

Each entry names one `carrier`, `provider` or `customer` and one thing: `set` fields of its
behaviour, `reset` it to the default, `cut` its binds, have a recipient `reply`. What is at 0 is in
force before the simulators listen. Faults are named with their line.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    model_validator,
)
from pydantic import ValidationError as Malformed

from yizhan_simulators.behaviour import CarrierBehaviour, CustomerBehaviour, ProviderBehaviour
from yizhan_simulators.lines import Lines, read_lines
from yizhan_simulators.revision import Invalid, Problem, problems_of, revise

_DEFAULTS: dict[str, BaseModel] = {
    "carriers": CarrierBehaviour(),
    "providers": ProviderBehaviour(),
    "customers": CustomerBehaviour(),
}
_MOST_TIMES = 100_000

Address = Annotated[str, StringConstraints(min_length=1, max_length=21)]


class ReplyStep(BaseModel):
    """What a recipient writes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sender: Address = Field(alias="from")
    to: Address
    text: str = Field(max_length=5000)


class Step(BaseModel):
    """One thing at one time after the start, or at several."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_s: float = Field(ge=0)
    every_s: float | None = Field(default=None, gt=0)
    times: int = Field(default=1, ge=1, le=_MOST_TIMES)
    carrier: str = ""
    provider: str = ""
    customer: str = ""
    set: dict[str, JsonValue] | None = None
    reset: Literal[True] | None = None
    cut: Literal[True] | None = None
    reply: ReplyStep | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(map(bool, (self.carrier, self.provider, self.customer))) != 1:
            raise ValueError("name one of carrier, provider, customer")
        if sum(one is not None for one in (self.set, self.reset, self.cut, self.reply)) != 1:
            raise ValueError("say one of set, reset, cut, reply")
        if (self.cut or self.reply) and not self.carrier:
            raise ValueError("cut and reply are for carriers")
        if (self.times > 1) != (self.every_s is not None):
            raise ValueError("every_s and times go together")
        return self

    @property
    def kind(self) -> str:
        return "carriers" if self.carrier else "providers" if self.provider else "customers"

    @property
    def name(self) -> str:
        return self.carrier or self.provider or self.customer


Apply = Callable[[Step], Awaitable[None]]
"""Makes happen what a step says."""


def load_scenario(path: Path) -> list[Step]:
    """Read a scenario, try every step, and lay it out in time.

    Raises Invalid, which says what is wrong with which line.
    """
    try:
        text = path.read_text("utf-8")
        data, lines = read_lines(text)
    except (OSError, UnicodeError) as error:
        raise Invalid([Problem(str(path), str(error), "give a readable YAML list")]) from error
    except yaml.YAMLError as error:
        raise Invalid([_unreadable(path, error)]) from error
    steps = _steps(path, data, lines)
    _try(path, steps, lines)
    return _laid_out(steps)


def _unreadable(path: Path, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
    return Problem(where, f"not YAML: {getattr(error, 'problem', error)}", "correct it")


def _steps(path: Path, data: Any, lines: Lines) -> list[Step]:  # noqa: ANN401 - what the file holds
    try:
        return TypeAdapter(list[Step]).validate_python(data)
    except Malformed as malformed:
        found = malformed.errors(include_url=False, include_input=False)
        problems = [
            problem._replace(field=f"{path}:{lines.of(error['loc'])}: {problem.field}")
            for error, problem in zip(found, problems_of(malformed), strict=True)
        ]
        raise Invalid(problems) from malformed


def _try(path: Path, steps: Sequence[Step], lines: Lines) -> None:
    behaviours: dict[tuple[str, str], BaseModel] = {}
    for number, step in sorted(enumerate(steps), key=lambda one: one[1].at_s):
        key = (step.kind, step.name)
        if step.reset:
            behaviours.pop(key, None)
        if step.set is None:
            continue
        try:
            behaviours[key] = revise(behaviours.get(key, _DEFAULTS[step.kind]), step.set)
        except Invalid as invalid:
            problems = [
                p._replace(
                    field=f"{path}:{lines.of((number, 'set', *p.field.split('.')))}: {step.name}"
                    f" at {step.at_s:g} s: {p.field}"
                )
                for p in invalid.problems
            ]
            raise Invalid(problems) from invalid


def _laid_out(steps: Sequence[Step]) -> list[Step]:
    laid = [
        step.model_copy(update={"at_s": step.at_s + number * (step.every_s or 0)})
        for step in steps
        for number in range(step.times)
    ]
    return sorted(laid, key=lambda step: step.at_s)


async def play(
    steps: Sequence[Step], apply: Apply, sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Apply the steps at their times, counted from now."""
    elapsed = 0.0
    for step in steps:
        if step.at_s > elapsed:
            await sleep(step.at_s - elapsed)
            elapsed = step.at_s
        await apply(step)
