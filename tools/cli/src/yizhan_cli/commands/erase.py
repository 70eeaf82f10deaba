"""yizhan erase: erase a number, or all whom an account wrote to, and show the proof."""

import sys
from typing import Annotated, Any

import typer

from yizhan_cli.client import call, service_edge
from yizhan_cli.errors import UsageError
from yizhan_cli.options import AsJson, ReceiptsUrl, TimeoutS, Token
from yizhan_cli.output import say, show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Erase a person, or an account, and prove it.")


@app.command()
def start(
    *,
    phone: Annotated[
        str, typer.Option(help="E.164; - reads it from standard input, and no history has it.")
    ] = "",
    account: Annotated[str, typer.Option(help="Only what this account sent.")] = "",
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Without --phone: all whom the account wrote to.")
    ] = False,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 30.0,
) -> None:
    """Begin an erasure. It cannot be undone. Exit code: 0 begun, 2 usage, 5 receipts is away."""
    number = sys.stdin.readline().strip() if phone == "-" else phone
    if not number and not (account and everyone):
        raise UsageError("name a --phone; or an --account and --everyone, to erase all of it")
    if number and everyone:
        raise UsageError("--everyone goes without --phone")
    body = {"phone": number, "account_id": account}
    edge = service_edge("receipts", receipts_url, token)
    begun = call(edge, "POST", "/v1/erasures", body=body, timeout_s=timeout_s)
    say(f"see: yizhan erase proof {begun['erasure_id']}")
    _show(begun, as_json=as_json)


@app.command()
def proof(
    erasure_id: Annotated[str, typer.Argument(metavar="ERASURE_ID")],
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 30.0,
) -> None:
    """Show what was removed, what is left, and what goes by itself by when.

    Exit code: 0 told, 4 no such erasure, 5 receipts is away or refuses us.
    """
    edge = service_edge("receipts", receipts_url, token)
    told = call(edge, "GET", f"/v1/erasures/{erasure_id}", timeout_s=timeout_s)
    _show(told, as_json=as_json)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(told)
        return
    names = ("state", "subject", "asked_by", "requested_at", "done_at", "complete_at", "backups")
    show_table(("erasure", told["erasure_id"]), [(name, told.get(name) or "") for name in names])
    left = told.get("verified_left") or {}
    show_table(
        ("store", "found and removed", "left", "found by"),
        [
            (one["store"], one["found_and_removed"], left.get(one["store"], ""), one["found_by"])
            for one in told["removed"]
        ],
    )
    if told["still_open_ids"]:
        say(f"{len(told['still_open_ids'])} messages are still open: erased once they settle")
    show_table(
        ("goes by itself", "holds", "by", "how"),
        [
            (one["where"], ", ".join(one["holds"]), one["by"] or "no bound", one["how"])
            for one in told["expires_by_itself"]
        ],
    )
