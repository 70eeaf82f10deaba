"""May a changed event go on the same topic? Compares two JSON schemas of it.

What was written yesterday is read by the code of today, and during a deployment what today's code
writes is read by yesterday's: an event may only gain fields that have defaults, and open enums may
gain values. Whatever else changes needs a new version of the topic.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "$schema", "x-topic"})
_HANDLED = frozenset({"$ref", "$defs", "properties", "required", "items", "additionalProperties"})
_ENUM = frozenset({"enum", "const", "x-open-enum"})


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Tell, in sentences, why ``new`` cannot take the place of ``old``; nothing means it can."""
    return list(_Comparison(old.get("$defs", {}), new.get("$defs", {})).of(old, new, ""))


@dataclass(frozen=True, slots=True)
class _Comparison:
    old_definitions: dict[str, Schema]
    new_definitions: dict[str, Schema]

    def of(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        old, new = _resolved(old, self.old_definitions), _resolved(new, self.new_definitions)
        here = path or "the event"
        yield from _changed_rules(old, new, here)
        yield from _changed_values(old, new, here)
        yield from self._properties(old, new, path)
        yield from self._inner(old, new, path, "items", "[]")
        yield from self._inner(old, new, path, "additionalProperties", ".*")
        yield from self._choices(old, new, path)

    def _properties(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required = set(new.get("required", ()))
        for name in before.keys() - after.keys():
            yield f"{_join(path, name)} is gone"
        for name in required - set(old.get("required", ())):
            yield f"{_join(path, name)} is required: what was written before lacks it"
        for name in before.keys() & after.keys():
            yield from self.of(before[name], after[name], _join(path, name))

    def _inner(self, old: Schema, new: Schema, path: str, keyword: str, mark: str) -> Iterator[str]:
        before, after = old.get(keyword, {}), new.get(keyword, {})
        if isinstance(before, dict) and isinstance(after, dict):
            if before or after:
                yield from self.of(before, after, path + mark)
        elif before != after:
            yield f"{path or 'the event'} changes {keyword}"

    def _choices(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = old.get("anyOf", []), new.get("anyOf", [])
        if len(before) != len(after):
            yield f"{path} may be one of {len(after)} types, not {len(before)}"
            return
        for old_choice, new_choice in zip(before, after, strict=True):
            yield from self.of(old_choice, new_choice, path)


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" not in schema:
        return schema
    return definitions[schema["$ref"].rpartition("/")[2]]


def _changed_rules(old: Schema, new: Schema, here: str) -> Iterator[str]:
    """Types, patterns, bounds: narrower refuses what was written, wider what runs now refuses."""
    ignored = _ANNOTATIONS | _HANDLED | _ENUM | {"anyOf"}
    for keyword in sorted((old.keys() | new.keys()) - ignored):
        if old.get(keyword) != new.get(keyword):
            before, after = old.get(keyword, "nothing"), new.get(keyword, "nothing")
            yield f"{here} changes {keyword} from {before} to {after}"


def _changed_values(old: Schema, new: Schema, here: str) -> Iterator[str]:
    before, after = _values(old), _values(new)
    for value in sorted(before - after):
        yield f"{here} no longer knows the value {value!r}"
    if not old.get("x-open-enum"):
        for value in sorted(after - before):
            yield f"{here} gains the value {value!r}, which consumers that run now refuse"
    if old.get("x-open-enum") and not new.get("x-open-enum"):
        yield f"{here} refuses values that it does not know"


def _values(schema: Schema) -> set[str]:
    constant = [schema["const"]] if "const" in schema else []
    return {str(value) for value in (*schema.get("enum", ()), *constant)}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
