"""Changes to a behaviour: partial JSON merged over what is in force, or why it cannot be."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from yizhan_simulators.behaviour import CarrierBehaviour, MessageBehaviour

M = TypeVar("M", bound=BaseModel)


class Problem(NamedTuple):
    """One thing wrong with what was sent: where, what, and what to do about it."""

    field: str
    problem: str
    do: str


class Invalid(ValueError):
    """What was sent cannot be used. Says everything that is wrong with it, not the first thing."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.problem} ({p.do})" for p in problems))
        self.problems = problems


def revise(current: M, patch: object) -> M:
    """Merge `patch` over `current`: null takes a field back to its default (RFC 7396)."""
    if not isinstance(patch, dict):
        raise Invalid([Problem("(body)", "not a JSON object", 'send one, e.g. {"down": true}')])
    revised = validate(type(current), merge(current.model_dump(), patch))
    if isinstance(revised, CarrierBehaviour):
        per_country(revised)
    return revised


def per_country(behaviour: CarrierBehaviour) -> dict[str, MessageBehaviour]:
    """Resolve the overrides of by_country into whole behaviours."""
    base = behaviour.model_dump(include=set(MessageBehaviour.model_fields))
    resolved: dict[str, MessageBehaviour] = {}
    problems: list[Problem] = []
    for country, override in behaviour.by_country.items():
        try:
            resolved[country] = validate(MessageBehaviour, merge(base, override))
        except Invalid as invalid:
            problems += [
                p._replace(field=f"by_country.{country}.{p.field}") for p in invalid.problems
            ]
    if problems:
        raise Invalid(problems)
    return resolved


def merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge as RFC 7396 says: objects by key, null removes, all else replaces."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def validate(model: type[M], value: object) -> M:
    """Validate into a model, or raise Invalid with the path of each fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Invalid(problems_of(error, model)) from error


def problems_of(error: ValidationError, model: type[BaseModel] | None = None) -> list[Problem]:
    """Put pydantic's findings into words for whoever sent the JSON. Never repeats a value."""
    return [
        Problem(_path(found), found["msg"].removeprefix("Value error, "), _advice(found, model))
        for found in error.errors(include_url=False, include_input=False)
    ]


def _path(found: ErrorDetails) -> str:
    return ".".join(str(step) for step in found["loc"] if step != "[key]") or "(body)"


def _advice(found: ErrorDetails, model: type[BaseModel] | None) -> str:
    kind = found["type"]
    if kind == "extra_forbidden":
        known = ", ".join(_fields_at(model, found["loc"][:-1]))
        return f"remove it; known here: {known}" if known else "remove it"
    if kind == "missing":
        return "add it"
    if kind == "json_invalid":
        return "send valid JSON"
    return "correct the value, or send null for the default" if model else "correct the value"


def _fields_at(model: type[BaseModel] | None, path: tuple[int | str, ...]) -> list[str]:
    for step in path:
        if model is None or step not in model.model_fields:
            return []
        model = _model_in(model.model_fields[str(step)].annotation)
    return list(model.model_fields) if model else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    candidates = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
