"""The catalogue from one YAML file, validated whole before anything of it is used."""

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ingest.catalogue import Account, CatalogueFile
from ingest.errors import BadCatalogue
from ingest.reviews.seeds import with_senders

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_HINTS = {
    "missing": "add it",
    "extra_forbidden": "remove it, or correct its name",
    "string_type": "write a text, in quotes where YAML takes it for something else",
    "string_pattern_mismatch": "see the pattern",
    "enum": "write one of these",
    "int_parsing": "write a number",
    "bool_parsing": "write true or false",
}


class FileCatalogue:
    """Implements ``ports.Catalogue`` on a file that was read once."""

    def __init__(self, content: CatalogueFile) -> None:
        self._accounts = {account.id: with_senders(account) for account in content.accounts}

    def account(self, account_id: str) -> Account | None:
        return self._accounts.get(account_id)

    def accounts(self) -> tuple[Account, ...]:
        """Give all of them."""
        return tuple(self._accounts.values())


def load_catalogue(path: Path) -> FileCatalogue:
    """Read and check the file. Raises BadCatalogue with place, reason and what to do."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCatalogue(
            f"{path}: cannot be read ({type(error).__name__}): "
            "point YIZHAN_INGEST_ACCOUNTS_FILE at the accounts file"
        ) from error
    return FileCatalogue(parse_catalogue(_substituted(text, str(path)), str(path)))


def _substituted(text: str, name: str) -> str:
    """Put the environment's values in for ${NAME}: keys differ where files do not."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise BadCatalogue(f"{name}: names ${{{match[1]}}}: set it in the environment")
        return found

    return _VARIABLE.sub(value, text)


def parse_catalogue(text: str, name: str) -> CatalogueFile:
    """Check a file's content. Raises BadCatalogue."""
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.YAMLError as error:
        raise BadCatalogue(f"{name}: no YAML: {error}: correct it there") from None
    try:
        return CatalogueFile.model_validate(content)
    except ValidationError as error:
        raise BadCatalogue("\n".join(_complaints(error, content, name))) from None


def _complaints(error: ValidationError, content: object, name: str) -> list[str]:
    problems = error.errors(include_input=False, include_url=False)
    lines = [
        f"{name}: {_place(problem['loc'], content)}: {problem['msg'].removeprefix('Value error, ')}"
        f"{_hint(problem['type'])}"
        for problem in problems[:20]
    ]
    return lines if len(problems) <= len(lines) else [*lines, f"... and {len(problems) - 20} more"]


def _hint(kind: str) -> str:
    return f": {_HINTS[kind]}" if kind in _HINTS else ""


def _place(location: tuple[int | str, ...], content: object) -> str:
    """Write a path that is found by eye: accounts[1](demo).templates[0](delivered).state."""
    place, here = "", content
    for step in location:
        here = _inside(here, step)
        label = f"({here['id']})" if isinstance(here, dict) and "id" in here else ""
        place += f"[{step}]{label}" if isinstance(step, int) else f".{step}"
    return place.removeprefix(".") or "the file"


def _inside(here: object, step: int | str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    if isinstance(here, dict):
        return here.get(step)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    return None


class _Loader(yaml.SafeLoader):
    """Takes no key twice, and leaves ``no`` (Norwegian), ``on`` and ``yes`` the words they are."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's signature
    ) -> dict[Hashable, Any]:

        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        doubled = {key for key in keys if keys.count(key) > 1 and key != "<<"}
        if doubled:
            raise yaml.constructor.ConstructorError(
                None, None, f"{sorted(doubled)} twice in one mapping", node.start_mark
            )
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
