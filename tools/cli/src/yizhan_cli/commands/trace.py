"""yizhan trace: the story of one message, as the ledger tells it."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from yizhan_cli.client import Edge, call, service_edge
from yizhan_cli.errors import NotFound, Unavailable, UsageError
from yizhan_cli.options import AsJson, ReceiptsUrl, Token
from yizhan_cli.output import show_json, show_table

_COLUMNS = ("when", "what", "n", "channel", "state", "reason", "more")
_PUSH = ("status", "tries", "next_at", "parked_at")
_REPLY = ("received_at", "to", "text")
_OWN_COLUMN = frozenset({"at", *_COLUMNS[1:-1]})


def trace(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID")],
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1)] = 10.0,
) -> None:
    """Tell what became of a message: every attempt, receipt and call, in order.

    Exit code: 0 told, 4 no such message, 5 the service is away or refuses.
    """
    story = ask_story(service_edge("receipts", receipts_url, token), message_id, timeout_s)
    if as_json:
        show_json(story)
        return
    _show(story)


def ask_story(edge: Edge, message_id: str, timeout_s: float) -> dict[str, Any]:
    """Ask receipts for all it knows of a message. Raises UsageError, NotFound, Unavailable."""
    from yizhan_contracts.ids import is_message_id

    if not is_message_id(message_id):
        raise UsageError("a message id is 32 lower-case hexadecimal characters")
    try:
        story = call(edge, "GET", f"/v1/messages/{message_id}", timeout_s=timeout_s)
    except NotFound as error:
        raise NotFound("the ledger knows no such message") from error
    if not isinstance(story, dict):
        raise Unavailable(f"{edge.url} answers something else than a message")
    return story


def _show(story: dict[str, Any]) -> None:
    accepted, settled = story.get("accepted") or {}, story.get("settled")
    show_table(("message", str(story.get("message_id"))), _fields(accepted))
    show_table(("settled", ""), _fields(settled or {"status": "still open"}))
    show_table(_COLUMNS, _rows(story.get("timeline") or [], accepted.get("accepted_at")))
    for title, columns in (("waiting_pushes", _PUSH), ("replies", _REPLY)):
        if found := story.get(title):
            show_table(columns, _cells(found, columns), title.replace("_", " "))


def _cells(found: list[dict[str, Any]], columns: tuple[str, ...]) -> list[list[str]]:
    return [[_cell(one.get(column)) for column in columns] for one in found]


def _fields(facts: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, _cell(value)) for name, value in facts.items() if value not in (None, "", {})]


def _rows(timeline: list[dict[str, Any]], begin: str | None) -> list[list[str]]:
    return [
        [
            since(fact.get("at"), begin),
            *(_cell(fact.get(column)) for column in _COLUMNS[1:-1]),
            _cell(
                {name: _brief(name, value) for name, value in fact.items() if _is_more(name, value)}
            ),
        ]
        for fact in timeline
    ]


def _is_more(name: str, value: object) -> bool:
    return name not in _OWN_COLUMN and value not in (None, "")


def _brief(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    # The channels that were weighed are in --json; here they would fill the line.
    return value.get("why") if name == "decision" and isinstance(value, dict) else value


def since(at: str | None, begin: str | None) -> str:
    """Say when, counted from the acceptance where that is known."""
    if not (at and begin):
        return at or ""
    try:
        passed = datetime.fromisoformat(at) - datetime.fromisoformat(begin)
    except (TypeError, ValueError):
        return at
    return f"+{passed.total_seconds():.3f} s" if passed >= timedelta(0) else at


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    match value:
        case None:
            return ""
        case dict():
            return ", ".join(f"{name}: {_cell(inner)}" for name, inner in value.items())
        case list():
            return "; ".join(map(_cell, value))
        case _:
            return str(value)
