"""How results are shown: a table for people, JSON on standard output for machines."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import typer


def show_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Draw a table; nothing in it is read as markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title or None, box=box.SIMPLE_HEAD, title_justify="left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        # A pipe has no width: what is cut off there is lost.
        console = Console(width=500)
    console.print(table)


def say(sentence: str) -> None:
    """Tell the operator something, beside the result."""
    typer.echo(sentence, err=True)
