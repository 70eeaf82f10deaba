"""The channel table as a file: YAML to validated channels, every mistake with its line and reason.

Pure: text in, table out.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import yaml
from pydantic import ValidationError

from router.errors import BadTable
from router.table_spec import TableSpec
from router.yaml_text import compose, construct, fill
from yizhan_contracts.events import ChannelConfigured
from yizhan_telecom.choice import Rule

MOST_PROBLEMS = 5
_OF_KEY = "[key]"
"""What pydantic adds to the place of a key that is wrong."""


@dataclass(frozen=True, slots=True)
class ChannelTable:
    """A table that was found good. ``version`` is the hash of the file it came from."""

    version: str
    channels: tuple[ChannelConfigured, ...]
    rules: tuple[Rule, ...] = ()


def version_of(text: bytes) -> str:
    """Name a version of the file by its bytes."""
    return hashlib.sha256(text).hexdigest()[:12]


def parse_table(text: bytes, environ: Mapping[str, str], now: datetime) -> ChannelTable:
    """Read a table. Raises BadTable, which names lines and reasons."""
    root = compose(text)
    try:
        fill(root, environ)
        spec = TableSpec.model_validate(construct(root))
    except ValidationError as error:
        raise BadTable("; ".join(_problems(error, root))) from None
    version = version_of(text)
    return ChannelTable(
        version,
        tuple(channel.configured(version, now) for channel in spec.channels),
        tuple(rule.rule() for rule in spec.rules),
    )


def _problems(error: ValidationError, root: yaml.Node) -> Iterator[str]:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    for problem in problems[:MOST_PROBLEMS]:
        path, line = _place(problem["loc"], root)
        reason = problem["msg"].removeprefix("Value error, ")
        yield f"line {line}: {path}: {reason}" if path else f"line {line}: {reason}"
    if len(problems) > MOST_PROBLEMS:
        yield f"and {len(problems) - MOST_PROBLEMS} more"


def _place(loc: Sequence[int | str], root: yaml.Node) -> tuple[str, int]:
    """Give a path that people can follow, and the line of the nearest node on it."""
    node, line, parts = root, root.start_mark.line, []
    for step in loc:
        found = _step(node, step)
        if found is not None:
            key, node = found
            line = key.start_mark.line
        if step != _OF_KEY:
            parts.append(_named(node, step) if isinstance(step, int) else str(step))
    return ".".join(parts), line + 1


def _step(node: yaml.Node, step: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    if isinstance(node, yaml.MappingNode):
        # What was merged in stands before what takes its place.
        own_first = reversed(node.value)
        return next(((key, value) for key, value in own_first if key.value == str(step)), None)
    return None


def _named(node: yaml.Node, at: int) -> str:
    """Call a channel or a rule by its name, else by its place."""
    found = _step(node, "channel") or _step(node, "name")
    return str(found[1].value) if found is not None else str(at)
