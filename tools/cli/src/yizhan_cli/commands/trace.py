"""yizhan trace: the story of one message, as the ledger tells it."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from yizhan_cli import profiles
from yizhan_cli.client import Edge, call, service_of
from yizhan_cli.errors import NotFound, Unavailable, UsageError
from yizhan_cli.options import AsJson
from yizhan_cli.output import show_json, show_table
from yizhan_cli.settings import running_stack

_COLUMNS = ("when", "what", "n", "channel", "state", "reason", "more")
_OWN_COLUMN = frozenset({"at", *_COLUMNS[1:-1]})
_TOKEN = "YIZHAN_INTERNAL_TOKEN"  # noqa: S105 - only its name


def trace(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID")],
    *,
    receipts_url: Annotated[
        str | None,
        typer.Option(envvar="YIZHAN_RECEIPTS_URL", help="Else the profile's, else the stack's."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar=_TOKEN, help="What may read; else the profile's, else the stack's."),
    ] = None,
    as_json: AsJson = False,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1)] = 10.0,
) -> None:
    """Tell what became of a message: every attempt, receipt and call, in order.

    Exit code: 0 told, 4 no such message, 5 the service is away or refuses.
    """
    from yizhan_contracts.ids import is_message_id

    if not is_message_id(message_id):
        raise UsageError("a message id is 32 lower-case hexadecimal characters")
    story = _ask(_edge(receipts_url, token), message_id, timeout_s)
    if as_json:
        show_json(story)
        return
    _show(story)


def _edge(url: str | None, token: str | None) -> Edge:
    profile = profiles.current()
    if profile is not None:
        url = url or profile.get("receipts_url")
        token = profile.get("token") if token is None else token
        return _complete(url, token, profile.get("ca_file"))
    stack = service_of(running_stack(), "receipts")
    if token is None:
        token = stack.get("env", {}).get(_TOKEN, "")
    return _complete(url or stack.get("url"), token)


def _complete(url: str | None, token: str | None, ca_file: str = "") -> Edge:
    if not url:
        raise UsageError("no stack runs here: give --receipts-url or YIZHAN_RECEIPTS_URL")
    return Edge(url.rstrip("/"), f"Bearer {token}" if token else "", ca_file)


def _ask(edge: Edge, message_id: str, timeout_s: float) -> dict[str, Any]:
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


def _fields(facts: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, _cell(value)) for name, value in facts.items() if value not in (None, "", {})]


def _rows(timeline: list[dict[str, Any]], begin: str | None) -> list[list[str]]:
    return [
        [
            _since(fact.get("at"), begin),
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


def _since(at: str | None, begin: str | None) -> str:
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
