"""A timeline of behaviour changes, from a YAML file.

    - {at_s: 0,  carrier: alpha, set: {throttle_tps: 500}}
    - {at_s: 30, carrier: alpha, set: {down: true}}
    - {at_s: 60, carrier: alpha, set: {down: false}}

Each entry names one `carrier`, `provider` or `customer`. What is at 0 is in force before the
simulators listen.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, model_validator
from pydantic import ValidationError as Malformed

from yizhan_simulators.behaviour import CarrierBehaviour, CustomerBehaviour, ProviderBehaviour
from yizhan_simulators.revision import Invalid, Problem, problems_of, revise

Apply = Callable[[str, str, dict[str, JsonValue]], Awaitable[None]]
"""Changes the behaviour of a party: kind, name, patch."""

_DEFAULTS: dict[str, BaseModel] = {
    "carriers": CarrierBehaviour(),
    "providers": ProviderBehaviour(),
    "customers": CustomerBehaviour(),
}


class Step(BaseModel):
    """One change at one time after the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_s: float = Field(ge=0)
    carrier: str = ""
    provider: str = ""
    customer: str = ""
    set: dict[str, JsonValue]

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(map(bool, (self.carrier, self.provider, self.customer))) != 1:
            raise ValueError("name one of carrier, provider, customer")
        return self

    @property
    def kind(self) -> str:
        return "carriers" if self.carrier else "providers" if self.provider else "customers"

    @property
    def name(self) -> str:
        return self.carrier or self.provider or self.customer


def load_scenario(path: Path) -> list[Step]:
    """Read a scenario and try every step; Invalid says what is wrong with which."""
    try:
        steps = TypeAdapter(list[Step]).validate_python(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        if isinstance(error, Malformed):
            raise Invalid(problems_of(error)) from error
        raise Invalid([Problem(str(path), str(error), "give a readable YAML list")]) from error
    steps.sort(key=lambda step: step.at_s)
    _try(steps)
    return steps


def _try(steps: Sequence[Step]) -> None:
    behaviours: dict[tuple[str, str], BaseModel] = {}
    for step in steps:
        key = (step.kind, step.name)
        try:
            behaviours[key] = revise(behaviours.get(key, _DEFAULTS[step.kind]), step.set)
        except Invalid as invalid:
            where = f"{step.name} at {step.at_s:g} s"
            problems = [p._replace(field=f"{where}: {p.field}") for p in invalid.problems]
            raise Invalid(problems) from invalid


async def play(
    steps: Sequence[Step], apply: Apply, sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Apply the steps at their times, counted from now."""
    elapsed = 0.0
    for step in steps:
        if step.at_s > elapsed:
            await sleep(step.at_s - elapsed)
            elapsed = step.at_s
        await apply(step.kind, step.name, step.set)
