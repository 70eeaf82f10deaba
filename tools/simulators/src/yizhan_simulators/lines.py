"""YAML, and in which line of it everything is."""

from collections.abc import Sequence
from typing import Any

import yaml


class Lines:
    """Finds the line (from 1) of what a path leads to, or of the nearest thing above it."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root

    def of(self, path: Sequence[int | str]) -> int:
        """Say in which line the end of a path is."""
        node, line = self._root, 1
        for step in path:
            found = _below(node, step)
            if found is None:
                break
            line, node = found
        return line


def _below(node: yaml.Node | None, step: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        below = node.value[step]
        return below.start_mark.line + 1, below
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line + 1, value
    return None


def read_lines(text: str) -> tuple[Any, Lines]:
    """Read YAML safely. Raises yaml.YAMLError."""
    return yaml.safe_load(text), Lines(yaml.compose(text, yaml.SafeLoader))
