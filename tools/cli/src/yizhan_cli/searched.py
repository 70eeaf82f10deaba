"""Searches of receipts' API: one page or all of them, and what its answers say of themselves."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from yizhan_cli.client import Edge, call
from yizhan_cli.errors import Unavailable
from yizhan_cli.output import say

MOST = 500
"""Rows of a page."""

Phone = Annotated[str, typer.Option("--phone", help="E.164, such as +8613800001111.")]
Account = Annotated[str, typer.Option("--account", help="Whose; with an account's token its own.")]
Since = Annotated[str, typer.Option("--since", help="RFC 3339, such as 2026-11-29T08:00:00+08:00.")]
Until = Annotated[str, typer.Option("--until", help="RFC 3339, excluded.")]
Text = Annotated[str, typer.Option("--text", help="Part of the text, in any language.")]
WithText = Annotated[bool, typer.Option("--with-text", help="Show texts; the service logs it.")]
Unmasked = Annotated[bool, typer.Option("--unmasked", help="Whole numbers; the service logs it.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=MOST, help="Rows of a page.")]
AllPages = Annotated[bool, typer.Option("--all", help="Every page, not the first one only.")]


def search(
    edge: Edge, path: str, asked: Mapping[str, object], rows: str, *, all_pages: bool
) -> dict[str, Any]:
    """Ask for a page, or for all; give the last answer with the rows of all. Raises CliError."""
    found: list[Any] = []
    answer: dict[str, Any] = {}
    for answer in _pages(edge, path, asked):
        found += answer[rows]
        if not all_pages:
            break
    return answer | {rows: found}


def _pages(edge: Edge, path: str, asked: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    given = {name: _written(value) for name, value in asked.items() if value}
    while True:
        answer = call(edge, "GET", f"{path}?{urlencode(given)}")
        if not isinstance(answer, dict) or "next" not in answer:
            raise Unavailable(f"{edge.url}{path} answers something else than a page")
        yield answer
        if not answer["next"]:
            return
        given["cursor"] = answer["next"]


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def tell(answer: Mapping[str, Any]) -> None:
    """Say what a page says of itself: whether there is more, and as of when it is complete."""
    if not answer.get("complete", True):
        say(f"not complete: {answer['advice']}. Searched until: {answer.get('searched_until')}")
    elif answer["next"]:
        say("there is more: --all shows every page")
    as_of = answer["as_of"]
    complete = as_of["complete_until"] or "not known"
    say(f"the ledger is complete as of: {complete}. {as_of['note']}".rstrip(". "))
