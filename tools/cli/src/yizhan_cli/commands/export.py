"""yizhan export: an account's messages as a CSV or XLSX file."""

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from yizhan_cli.client import Edge, call, download, service_edge
from yizhan_cli.errors import Refused, UsageError
from yizhan_cli.options import AsJson, ReceiptsUrl, TimeoutS, Token
from yizhan_cli.output import say, show_json, show_table

app = typer.Typer(no_args_is_help=True, help="An account's messages as a CSV or XLSX file.")

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT")]
ExportId = Annotated[str, typer.Argument(metavar="EXPORT_ID")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Where the file goes; .csv or .xlsx.")]
Since = Annotated[str, typer.Option(help="From when, RFC 3339 with its offset.")]
_COLUMNS = ("export_id", "state", "percent", "rows", "format", "created_at", "expires_at", "error")
_POLL_S = 1.0
_FORMATS = {".csv": "csv", ".xlsx": "xlsx"}


@app.command()
def start(
    account_id: AccountId,
    *,
    since: Since,
    until: Annotated[str, typer.Option(help="Until when; else until now.")] = "",
    out: Out,
    status: Annotated[list[str] | None, typer.Option(help="Such as failed; repeat it.")] = None,
    country: Annotated[list[str] | None, typer.Option(help="Such as CN; repeat it.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Repeat it.")] = None,
    template: Annotated[list[str] | None, typer.Option(help="Repeat it.")] = None,
    batch: str = "",
    reference: str = "",
    personal: Annotated[
        bool, typer.Option("--personal", help="Whole phone numbers; needs read:personal.")
    ] = False,
    text: Annotated[
        bool, typer.Option("--text", help="What the messages said; needs read:personal.")
    ] = False,
    zone: Annotated[str, typer.Option(help="Of all times; else the account's.")] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="And fetch the file.")] = True,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    timeout_s: TimeoutS = 30.0,
) -> None:
    """Begin an export, wait for it and fetch its file. Given again, it goes on with the same one.

    Exit code: 0 done, 2 usage, 5 receipts is away or refuses us, 7 refused or failed.
    """
    body: dict[str, Any] = {
        "account_id": account_id,
        "since": _time(since),
        "until": _time(until) if until else None,
        "format": _format_of(out),
        "status": status or [],
        "country": country or [],
        "channel": channel or [],
        "template": template or [],
        "batch": batch,
        "reference": reference,
        "personal": personal,
        "text": text,
        "zone": zone,
    }
    edge = service_edge("receipts", receipts_url, token)
    begun = call(edge, "POST", "/v1/exports", body=body, timeout_s=timeout_s)
    say(f"export {begun['export_id']}: {begun['estimated']} messages in the range")
    if wait:
        _fetch(edge, begun["export_id"], out, timeout_s)
    else:
        typer.echo(begun["export_id"])


@app.command()
def fetch(
    export_id: ExportId,
    *,
    out: Out,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    timeout_s: TimeoutS = 30.0,
) -> None:
    """Wait for an export that was begun, and fetch its file."""
    _fetch(service_edge("receipts", receipts_url, token), export_id, out, timeout_s)


@app.command("list")
def list_(
    account_id: AccountId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 30.0,
) -> None:
    """Show an account's exports, newest first."""
    edge = service_edge("receipts", receipts_url, token)
    path = f"/v1/exports?account_id={account_id}"
    _show(call(edge, "GET", path, timeout_s=timeout_s)["exports"], as_json=as_json)


@app.command()
def cancel(
    export_id: ExportId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 30.0,
) -> None:
    """Cancel an export, or remove its file. Exit code: 0 done, 4 there is none."""
    edge = service_edge("receipts", receipts_url, token)
    told = call(edge, "DELETE", f"/v1/exports/{export_id}", timeout_s=timeout_s)
    _show([told], as_json=as_json)


def _fetch(edge: Edge, export_id: str, out: Path, timeout_s: float) -> None:
    told = _wait(edge, export_id, timeout_s)
    if told["state"] != "done":
        raise Refused(f"the export is {told['state']}: {told['error'] or 'there is no file'}")
    size = download(edge, f"/v1/exports/{export_id}/file", out)
    say(f"{told['rows']} messages, {size} bytes: {out}")


def _wait(edge: Edge, export_id: str, timeout_s: float) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.completed:.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("export", total=100)
        while True:
            told: dict[str, Any] = call(
                edge, "GET", f"/v1/exports/{export_id}", timeout_s=timeout_s
            )
            progress.update(task, completed=told["percent"])
            if told["state"] != "running":
                return told
            time.sleep(_POLL_S)


def _format_of(out: Path) -> str:
    found = _FORMATS.get(out.suffix.lower())
    if found is None:
        raise UsageError(f"{out}: name it .csv or .xlsx, so that the format is known")
    return found


def _time(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(f"{text}: a time is wanted such as 2026-11-23T10:00:00+08:00")
    return at.isoformat()


def _show(exports: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json(exports)
        return
    show_table(_COLUMNS, [[one.get(name, "") for name in _COLUMNS] for one in exports])
