"""The channels of a deployment: named by the operator, or read from the router's table."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from yizhan_cli.errors import UsageError
from yizhan_contracts.events import CHANNEL_NAME_PATTERN

FILE_VARIABLE = "YIZHAN_ROUTER_CHANNELS_FILE"


def channel_names(names: str, file: Path | None) -> list[str]:
    """Collect channel names from a comma-separated list and a file. Raises UsageError."""
    from_environment = os.environ.get(FILE_VARIABLE)
    file = file or (Path(from_environment) if from_environment else None)
    listed = [name.strip() for name in names.split(",") if name.strip()]
    return _checked([*listed, *(_of_file(file) if file else ())])


def _checked(names: Iterable[str]) -> list[str]:
    unique = sorted(set(names))
    for name in unique:
        if not re.fullmatch(CHANNEL_NAME_PATTERN, name):
            raise UsageError(f"{name!r} is no channel name: lower-case letters, digits, hyphens")
    return unique


def _of_file(file: Path) -> list[str]:
    try:
        # Everything as text, as the router reads names: `no` is a name here and not False.
        table = yaml.load(file.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - makes only text
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"the channels file {file} cannot be read: {error}") from error
    return [_name(entry, file) for entry in _entries(table, file)]


def _entries(table: Any, file: Path) -> list[Any]:  # noqa: ANN401 - whatever the YAML holds
    entries = table.get("channels") if isinstance(table, dict) else None
    if not isinstance(entries, list):
        raise UsageError(f"the channels file {file} has no list `channels:`")
    return entries


def _name(entry: Any, file: Path) -> str:  # noqa: ANN401 - as above
    name = (entry.get("channel") or entry.get("name")) if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise UsageError(f"a channel in {file} has no name")
    return name
