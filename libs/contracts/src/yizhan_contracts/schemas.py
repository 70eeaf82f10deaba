"""JSON schemas of the events, as others may read them; snapshots of them are kept in git.

Needed by tools and tests only: no service imports this.
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

from yizhan_contracts.events import EVENTS, Event

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(event: type[Event]) -> Schema:
    """Describe an event's JSON, with the sentences that stand under its fields in the code."""
    schema = event.model_json_schema()
    definitions = {name: described(part) for name, part in schema.pop("$defs", {}).items()}
    whole = {"$schema": _DIALECT, "x-topic": event.TOPIC, **described(schema)}
    return whole | ({"$defs": definitions} if definitions else {})


def snapshots() -> Iterator[tuple[str, Schema]]:
    """Give (file name, schema) of every event. The topic, and so its version, names the file."""
    for event in EVENTS:
        yield f"{event.TOPIC}.json", schema_of(event)


def described(schema: Schema) -> Schema:
    """Put the sentences of the code into the schema of one class, in place."""
    sentences = _sentences().get(schema["title"], {})
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        if name in sentences:
            field["description"] = sentences[name]
    return schema


@cache
def _sentences() -> dict[str, dict[str, str]]:
    """Read the strings under the fields, by class. Pydantic could, at every start of a service."""
    modules = {inspect.getmodule(base) for event in EVENTS for base in event.__mro__}
    ours = [m for m in modules if m and m.__name__.startswith(f"{__package__}.")]
    trees = (ast.parse(inspect.getsource(module)) for module in ours)
    return {
        node.name: _field_sentences(node)
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _field_sentences(node: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
