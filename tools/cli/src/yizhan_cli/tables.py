"""A channel table's file, read for a comparison: the router alone says whether it is good."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from yizhan_cli.errors import UsageError
from yizhan_contracts.events import ChannelConfigured, RoutingPolicy
from yizhan_telecom.choice import Rule, Table


def table_of_file(file: Path) -> Table:
    """Read a channel table. Raises UsageError."""
    try:
        # Everything as text, as the router reads names: NO is Norway. Numbers are made by models.
        found = yaml.load(file.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - makes only text
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"the table {file} cannot be read: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("channels"), list):
        raise UsageError(f"the table {file} has no list `channels:`")
    channels = [_channel(entry, file) for entry in found["channels"]]
    return Table(channels, rules=_rules(found.get("rules") or (), file))


def _channel(entry: Any, file: Path) -> ChannelConfigured:  # noqa: ANN401 - whatever the YAML holds
    if not isinstance(entry, dict):
        raise UsageError(f"a channel in {file} is no mapping")
    stamp = {"configured_at": datetime.now(UTC)}
    countries = {name: route or {} for name, route in (entry.get("countries") or {}).items()}
    try:
        return ChannelConfigured.model_validate(entry | {"countries": countries} | stamp)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in problem["loc"])
        name = entry.get("channel", "without a name")
        raise UsageError(f"{file}: channel {name}: {where}: {problem['msg']}") from None


def _rules(entries: Iterable[Any], file: Path) -> list[Rule]:
    try:
        return [_rule(entry) for entry in entries]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UsageError(f"{file}: a rule cannot be read: {error}") from None


def _rule(entry: dict[str, Any]) -> Rule:
    routing = entry.get("routing")
    return Rule(
        entry["name"],
        accounts=tuple(entry.get("accounts") or ()),
        categories=tuple(entry.get("categories") or ()),
        lanes=tuple(entry.get("lanes") or ()),
        countries=tuple(entry.get("countries") or ()),
        routing=RoutingPolicy(routing) if routing else None,
        shares={name: int(share) for name, share in (entry.get("shares") or {}).items()},
    )
