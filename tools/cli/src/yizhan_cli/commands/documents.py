"""yizhan schemas and yizhan asyncapi: the generated files of the repository."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from yizhan_cli.errors import NotFound, UsageError

SCHEMAS = Path("libs/contracts/schemas")
ASYNCAPI = Path("docs/asyncapi/yizhan.yaml")

Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 4 if it is not current.")]


def schemas(
    *,
    folder: Annotated[Path, typer.Argument(help="Where the snapshots are.")] = SCHEMAS,
    check: Check = False,
    allow_breaking: Annotated[
        bool, typer.Option(help="Write although running consumers cannot follow.")
    ] = False,
) -> None:
    """Write the JSON schema snapshots of all events.

    Refuses (exit 2) a change that running consumers, or records already written, cannot follow:
    that needs a new version of the topic.
    """
    from yizhan_contracts.schemas import snapshots

    current = dict(snapshots())
    if not allow_breaking:
        _refuse_breaking(folder, current)
    texts = {folder / name: _json(schema) for name, schema in current.items()}
    gone = set(folder.glob("*.json")) - texts.keys()
    _write(texts, gone, check=check, command="make schemas")


def asyncapi(
    *,
    file: Annotated[Path, typer.Argument(help="Where the document is.")] = ASYNCAPI,
    check: Check = False,
) -> None:
    """Write the AsyncAPI 3 document of all topics."""
    _write({file: asyncapi_text()}, set(), check=check, command="make asyncapi")


def asyncapi_text() -> str:
    """Give the document as it is kept in the repository."""
    import yaml

    from yizhan_contracts.asyncapi import document

    # Through JSON: enum members become the strings that they are, and nothing is an alias.
    plain = json.loads(json.dumps(document()))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
    return "# Generated from the topic registry by `make asyncapi`.\n" + text


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _refuse_breaking(folder: Path, current: dict[str, dict[str, Any]]) -> None:
    from yizhan_contracts.compatibility import breaking_changes

    problems = []
    for file in sorted(folder.glob("*.json")):
        old = json.loads(file.read_text())
        new = current.get(file.name)
        changes = breaking_changes(old, new) if new else ["the event is gone"]
        problems += [f"{file.stem}: {change}" for change in changes]
    if problems:
        listed = "\n  ".join(problems)
        raise UsageError(
            f"running consumers or old records cannot follow:\n  {listed}\n"
            "Make it additive, or declare a new version of the topic (.v2)."
        )


def _write(texts: dict[Path, str], gone: set[Path], *, check: bool, command: str) -> None:
    stale = [path for path, text in texts.items() if _read(path) != text] + sorted(gone)
    if check:
        if stale:
            raise NotFound(f"not current: {', '.join(map(str, stale))}. Run `{command}`")
        return
    for path in gone:
        path.unlink()
    for path in stale:
        if path not in gone:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path])
    typer.echo(f"{len(texts)} files, {len(stale)} changed")


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
