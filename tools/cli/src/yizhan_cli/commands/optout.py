"""yizhan optout: numbers that want no messages, or get none."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from yizhan_cli.client import Edge, call, ingest_edge, service_edge
from yizhan_cli.options import AsJson, IngestUrl, Token
from yizhan_cli.output import show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Opt numbers out and in; blacklists.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="With + and country code.")]
Blacklist = Annotated[
    bool, typer.Option("--blacklist", help="Nothing at all, verification codes neither.")
]
Reason = Annotated[str, typer.Option("--reason", help="It is kept.")]
Everyone = Annotated[
    bool, typer.Option("--everyone", help="For all accounts. For operators, with their token.")
]

_COLUMNS = ("number", "opted out", "blacklisted")


@app.command()
def add(
    number: Number,
    *,
    blacklist: Blacklist = False,
    reason: Reason = "",
    everyone: Everyone = False,
    ingest_url: IngestUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send nothing more to a number."""
    edge = _edge(ingest_url, token, everyone=everyone)
    _show(_say(edge, "", number, reason, blacklist=blacklist), as_json=as_json)


@app.command()
def remove(
    number: Number,
    *,
    blacklist: Blacklist = False,
    reason: Reason = "",
    everyone: Everyone = False,
    ingest_url: IngestUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send to a number again. What a reply stopped, only a reply or an operator starts again."""
    edge = _edge(ingest_url, token, everyone=everyone)
    _show(_say(edge, "/remove", number, reason, blacklist=blacklist), as_json=as_json)


@app.command()
def find(
    number: Number,
    *,
    everyone: Everyone = False,
    ingest_url: IngestUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what holds for a number, and everything that was said of it."""
    edge = _edge(ingest_url, token, everyone=everyone)
    found = call(edge, "POST", "/v1/opt-outs/find", body={"number": number})
    _show(found, as_json=as_json)
    if not as_json:
        rows = [(one["at"], one["action"], one["by"], one["reason"]) for one in found["history"]]
        show_table(("at", "said", "by", "reason"), rows)


@app.command("list")
def list_numbers(
    *,
    since: Annotated[str | None, typer.Option(help="RFC 3339: changes from then on.")] = None,
    everyone: Everyone = False,
    ingest_url: IngestUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List up to 1,000 numbers that something was said of, the oldest change first."""
    query = f"?since={quote(since, safe='')}" if since else ""
    found = call(_edge(ingest_url, token, everyone=everyone), "GET", f"/v1/opt-outs{query}")
    if as_json:
        show_json(found)
        return
    rows = [(*_row(one), one["changed_at"]) for one in found["numbers"]]
    show_table((*_COLUMNS, "since"), rows)


def _edge(url: str | None, token: str | None, *, everyone: bool) -> Edge:
    return service_edge("ingest", url, token) if everyone else ingest_edge(url)


def _say(edge: Edge, path: str, number: str, reason: str, *, blacklist: bool) -> Any:  # noqa: ANN401 - JSON
    kind = "blacklist" if blacklist else "opt-out"
    body = {"number": number, "kind": kind, "reason": reason}
    return call(edge, "POST", f"/v1/opt-outs{path}", body=body)


def _show(shown: Any, *, as_json: bool) -> None:  # noqa: ANN401 - whatever JSON holds
    if as_json:
        show_json(shown)
        return
    show_table(_COLUMNS, [_row(shown)])


def _row(shown: dict[str, Any]) -> tuple[object, ...]:
    return shown["number"], _word(shown["opted_out"]), _word(shown["blacklisted"])


def _word(holds: bool) -> str:  # noqa: FBT001 - it is the value
    return "yes" if holds else "no"
