"""YAML without its traps, and with its lines: keys are text, ``NO`` is Norway, 000 a code.

Pure. Raises BadTable, which names the line.
"""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from router.errors import BadTable

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _Loader(yaml.SafeLoader):
    """Keys are text, and one that is there twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise BadTable(f"line {key.start_mark.line + 1}: {key.value!r} is there twice")
                seen.add(key.value)
                # As it is written: 000 is a code and no zero, NO is Norway.
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), ["t", "f"])


def compose(text: bytes) -> yaml.Node:
    """Parse a document into nodes, which know their lines."""
    try:
        root = yaml.compose(text, _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadTable(_yaml_problem(error)) from None
    if root is None:
        raise BadTable("the file is empty: it holds a list `channels:`")
    return root


def construct(node: yaml.Node) -> Any:  # noqa: ANN401 - whatever the file holds
    """Make values of a composed document."""
    try:
        return _Loader("").construct_document(node)
    except yaml.YAMLError as error:
        raise BadTable(_yaml_problem(error)) from None


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark is not None else f"no YAML: {problem}"


def fill(root: yaml.Node, environ: Mapping[str, str]) -> None:
    """Put variables of the environment in the place of ${NAME}, in values and not in keys."""
    todo, seen = [root], set[int]()
    while todo:
        node = todo.pop()
        if id(node) in seen:  # an alias, or a node within itself
            continue
        seen.add(id(node))
        match node:
            case yaml.ScalarNode():
                node.value = _PLACEHOLDER.sub(_Variables(environ, node), node.value)
            case yaml.SequenceNode():
                todo += node.value
            case yaml.MappingNode():
                todo += [value for _, value in node.value]


@dataclass(frozen=True, slots=True)
class _Variables:
    """Looks a placeholder of one node up. Raises BadTable."""

    environ: Mapping[str, str]
    node: yaml.Node

    def __call__(self, found: re.Match[str]) -> str:
        value = self.environ.get(found[1])
        if value is None:
            line = self.node.start_mark.line + 1
            raise BadTable(f"line {line}: {found[0]} is not set in the environment")
        return value
