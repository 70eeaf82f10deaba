"""yizhan hold: stop and resume an account, a template, a batch, a shipment, a channel."""

from typing import Annotated
from urllib.parse import quote

import typer

from yizhan_cli.options import AsJson, ForAccount, IngestUrl, TimeoutS
from yizhan_cli.output import show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Stop what is sent, and let it go on.")

Kind = Annotated[str, typer.Argument(help="account, template, batch, shipment or channel.")]
HeldId = Annotated[str, typer.Argument(metavar="ID")]
_COLUMNS = ("kind", "id", "account_id", "cancel", "reason", "by", "changed_at")


@app.command()
def stop(
    kind: Kind,
    held_id: HeldId,
    *,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="It settles as cancelled instead of waiting.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Shown to whom it concerns.")] = "",
    account: ForAccount = "",
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Stop something: within 2 seconds nothing of it goes out.

    Exit code: 0 stopped, 5 ingest is away or refuses us, 7 refused.
    """
    from yizhan_cli.client import call, ingest_edge

    body = {"kind": kind, "id": held_id, "cancel": cancel, "reason": reason}
    edge = ingest_edge(ingest_url, operator=True, account=account)
    answer = call(edge, "POST", "/v1/holds", body=body, timeout_s=timeout_s)
    _show([answer], as_json=as_json)


@app.command()
def resume(
    kind: Kind,
    held_id: HeldId,
    *,
    account: ForAccount = "",
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Let it go on. Exit code: 0 done, 4 it is not held, 5 and 7 as for stop."""
    from yizhan_cli.client import call, ingest_edge

    edge = ingest_edge(ingest_url, operator=True, account=account)
    path = f"/v1/holds/{quote(kind, safe='')}/{quote(held_id, safe='')}"
    _show([call(edge, "DELETE", path, timeout_s=timeout_s)], as_json=as_json)


@app.command("list")
def list_(
    *,
    account: ForAccount = "",
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Show what is stopped."""
    from yizhan_cli.client import call, ingest_edge

    edge = ingest_edge(ingest_url, operator=True, account=account)
    _show(call(edge, "GET", "/v1/holds", timeout_s=timeout_s)["holds"], as_json=as_json)


def _show(holds: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        show_json(holds)
        return
    show_table(_COLUMNS, [[hold.get(name, "") for name in _COLUMNS] for hold in holds])
