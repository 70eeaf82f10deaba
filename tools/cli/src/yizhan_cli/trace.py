"""yizhan trace: the story of one message, as the ledger tells it."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from yizhan_cli.errors import CliError, NotFound, Unavailable, UsageError
from yizhan_cli.output import show_json, show_table
from yizhan_cli.settings import running_stack
from yizhan_cli.topics import AsJson

_COLUMNS = ("when", "what", "n", "channel", "state", "reason", "more")
_OWN_COLUMN = frozenset({"at", *_COLUMNS[1:-1]})
_UNAUTHORISED = (401, 403)
_OK, _NOT_FOUND = 200, 404
_TOKEN = "YIZHAN_INTERNAL_TOKEN"  # noqa: S105 - only its name


def trace(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID")],
    *,
    receipts_url: Annotated[
        str | None,
        typer.Option(envvar="YIZHAN_RECEIPTS_URL", help="Else that of the running stack."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar=_TOKEN, help="What may read; else that of the running stack."),
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
    stack = _receipts_of_stack()
    base = receipts_url or stack.get("url")
    if not base:
        raise UsageError("no stack runs here: give --receipts-url or YIZHAN_RECEIPTS_URL")
    if token is None:
        token = stack.get("env", {}).get(_TOKEN, "")
    url = f"{base.rstrip('/')}/v1/messages/{message_id}"
    story = asyncio.run(_fetch(url, token, timeout_s))
    if as_json:
        show_json(story)
        return
    _show(story)


def _receipts_of_stack() -> dict[str, Any]:
    services = running_stack().get("services", {}).values()
    found = (one for one in services if one.get("service") == "receipts")
    return next(found, {})


async def _fetch(url: str, token: str, timeout_s: float) -> dict[str, Any]:
    import aiohttp

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, headers=headers) as answer,
        ):
            if answer.status != _OK:
                raise _refusal(answer.status, url)
            story = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Unavailable(f"{url} does not answer as expected ({type(error).__name__})") from error
    if not isinstance(story, dict):
        raise Unavailable(f"{url} answers something else than a message")
    return story


def _refusal(status: int, url: str) -> CliError:
    if status == _NOT_FOUND:
        return NotFound("the ledger knows no such message")
    if status in _UNAUTHORISED:
        return Unavailable(f"{url} wants a token that may read: --token or {_TOKEN}")
    return Unavailable(f"{url} answers {status}")


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
