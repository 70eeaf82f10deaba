"""The channel table as a file: YAML to validated channels, every mistake with its line and reason.

Pure: text in, table out.
"""

import hashlib
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from router.errors import BadTable
from yizhan_contracts.events import (
    NO_CHANNEL,
    ChannelConfigured,
    ChannelName,
    CountryRoute,
    Protocol,
)
from yizhan_contracts.reasons import Reason
from yizhan_telecom.choice import REST

MOST_PROBLEMS = 5
_COUNTRY = re.compile(r"[A-Z]{2}|[0-9]{3}|\*")
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
Reference = Annotated[str, Field(pattern=_VARIABLE)]


class RouteSpec(BaseModel):
    """What a channel offers in one country."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    price: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    priority: Annotated[int, Field(ge=0, le=10_000)] = 100
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 100


class ChannelSpec(BaseModel):
    """One channel as the file describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: ChannelName
    carrier: Annotated[str, Field(min_length=1)]
    carrier_account: Annotated[str, Field(min_length=1)]
    protocol: Protocol
    enabled: bool = True
    test: bool = False
    url: str = ""
    secret_ref: Reference | None = None
    webhook_token_ref: Reference | None = None
    countries: Annotated[dict[str, RouteSpec], Field(min_length=1)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    sender: str = ""
    tps: Annotated[float, Field(gt=0, le=1_000_000)] = 100.0
    window: Annotated[int, Field(ge=1, le=5000)] = 100
    batch_max: Annotated[int, Field(ge=1, le=100)] = 1
    submit_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    reasons: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if self.channel == NO_CHANNEL:
            raise ValueError(
                f"the name {NO_CHANNEL!r} is taken: it is where unroutable messages go"
            )
        if self.protocol is Protocol.HTTP_JSON and not self.url.startswith(("http://", "https://")):
            raise ValueError("a channel that speaks http-json needs an http or https url")
        for country in self.countries:
            if not _COUNTRY.fullmatch(country):
                raise ValueError(
                    f"{country!r} is no country: two capitals (ISO 3166), three digits "
                    f"(international networks such as 883), or {REST!r} for the rest"
                )
        for code, reason in self.reasons.items():
            if reason not in Reason._value2member_map_:
                raise ValueError(
                    f"reasons: {code!r} is translated to {reason!r}, which is no reason"
                )
        return self

    def configured(self, table_version: str, now: datetime) -> ChannelConfigured:
        """Give the event that puts this channel in force."""
        return ChannelConfigured(
            **self.model_dump(exclude={"countries", "reasons", "secret_ref", "webhook_token_ref"}),
            secret_ref=self.secret_ref or "",
            webhook_token_ref=self.webhook_token_ref or "",
            countries={
                country: CountryRoute(**route.model_dump())
                for country, route in self.countries.items()
            },
            reasons={code: Reason(reason) for code, reason in self.reasons.items()},
            table_version=table_version,
            configured_at=now,
        )


class TableSpec(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[ChannelSpec, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [channel.channel for channel in self.channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"channels that are there twice: {', '.join(twice)}")
        currencies = sorted({channel.currency for channel in self.channels})
        if len(currencies) > 1:
            raise ValueError(
                f"prices are compared and so are in one currency, not in {', '.join(currencies)}"
            )
        return self


@dataclass(frozen=True, slots=True)
class ChannelTable:
    """A table that was found good. ``version`` is the hash of the file it came from."""

    version: str
    channels: tuple[ChannelConfigured, ...]


def version_of(text: bytes) -> str:
    """Name a version of the file by its bytes."""
    return hashlib.sha256(text).hexdigest()[:12]


def parse_table(text: bytes, environ: Mapping[str, str], now: datetime) -> ChannelTable:
    """Read a table. Raises BadTable, which names lines and reasons."""
    root = _compose(text)
    try:
        _fill(root, environ)
        spec = TableSpec.model_validate(_Loader.construct(root))
    except ValidationError as error:
        raise BadTable("; ".join(_problems(error, root))) from None
    version = version_of(text)
    return ChannelTable(
        version, tuple(channel.configured(version, now) for channel in spec.channels)
    )


class _Loader(yaml.SafeLoader):
    """YAML without its traps: keys are text, and one that is there twice is a mistake."""

    @classmethod
    def construct(cls, node: yaml.Node) -> Any:  # noqa: ANN401 - whatever the file holds
        """Make values of a composed document."""
        try:
            return cls("").construct_document(node)
        except yaml.YAMLError as error:
            raise BadTable(_yaml_problem(error)) from None

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


def _compose(text: bytes) -> yaml.Node:
    try:
        root = yaml.compose(text, _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadTable(_yaml_problem(error)) from None
    if root is None:
        raise BadTable("the file is empty: it holds a list `channels:`")
    return root


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark is not None else f"no YAML: {problem}"


def _fill(root: yaml.Node, environ: Mapping[str, str]) -> None:
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
    """Call a channel by its name, else by its place."""
    found = _step(node, "channel")
    return str(found[1].value) if found is not None else str(at)
