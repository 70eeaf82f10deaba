"""yizhan trace: the story of one message, as the ledger tells it."""

import asyncio
from typing import Annotated, Any

import typer

from yizhan_cli.errors import CliError, NotFound, Unavailable, UsageError
from yizhan_cli.output import show_json, show_table
from yizhan_cli.settings import running_stack
from yizhan_cli.topics import AsJson

_UNAUTHORISED = (401, 403)
_OK, _NOT_FOUND = 200, 404


def trace(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID")],
    *,
    receipts_url: Annotated[
        str | None,
        typer.Option(envvar="YIZHAN_RECEIPTS_URL", help="Else that of the running stack."),
    ] = None,
    token: Annotated[
        str, typer.Option(envvar="YIZHAN_TOKEN", help="Sent as a bearer token, if given.")
    ] = "",
    as_json: AsJson = False,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1)] = 10.0,
) -> None:
    """Tell what became of a message: every attempt, receipt and call, in order.

    Exit code: 0 told, 4 no such message, 5 the service is away or refuses.
    """
    from yizhan_contracts.ids import is_message_id

    if not is_message_id(message_id):
        raise UsageError("a message id is 32 lower-case hexadecimal characters")
    base = (receipts_url or _receipts_of_stack()).rstrip("/")
    story = asyncio.run(_fetch(f"{base}/v1/messages/{message_id}", token, timeout_s))
    if as_json:
        show_json(story)
        return
    _show(story)


def _receipts_of_stack() -> str:
    services = running_stack().get("services", {})
    url = services.get("receipts", {}).get("url") or next(
        (one["url"] for one in services.values() if one.get("service") == "receipts"), None
    )
    if not url:
        raise UsageError("no stack runs here: give --receipts-url or YIZHAN_RECEIPTS_URL")
    return str(url)


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
        return Unavailable(f"{url} wants a token that may read: --token or YIZHAN_TOKEN")
    return Unavailable(f"{url} answers {status}")


def _show(story: dict[str, Any]) -> None:
    """Draw the message's own fields, then a table for each list of what happened."""
    single = {name: value for name, value in story.items() if not _is_list_of_facts(value)}
    show_table(("", ""), [(name, _cell(value)) for name, value in single.items()])
    for name, value in story.items():
        if _is_list_of_facts(value):
            columns = list(dict.fromkeys(column for fact in value for column in fact))
            rows = [[_cell(fact.get(column)) for column in columns] for fact in value]
            show_table(columns, rows, title=name)


def _is_list_of_facts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    match value:
        case None:
            return ""
        case dict():
            return ", ".join(f"{name}: {_cell(inner)}" for name, inner in value.items())
        case list():
            return ", ".join(map(_cell, value))
        case _:
            return str(value)
