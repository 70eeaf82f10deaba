"""yizhan account: who may send, and what they have left. For operators."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from yizhan_cli.errors import UsageError
from yizhan_cli.options import AsJson, ForAccount, IngestUrl, TimeoutS
from yizhan_cli.output import show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Accounts, their packages and balance.")

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Once for each field; VALUE may be JSON."),
]
BookingId = Annotated[
    str, typer.Option("--id", help="Its name: booked once, however often it is repeated.")
]
_COLUMNS = ("id", "name", "state", "home_region", "locale", "time_zone")


@app.command("list")
def list_(
    *, ingest_url: IngestUrl = None, as_json: AsJson = False, timeout_s: TimeoutS = 10.0
) -> None:
    """Show all accounts."""
    found = _call("GET", "/v1/accounts", ingest_url, timeout_s)["accounts"]
    _show(found, as_json=as_json)


@app.command()
def add(
    account_id: AccountId,
    *,
    name: Annotated[str, typer.Option(help="What people call it.")],
    sender: Annotated[str, typer.Option(help="Its signature or sender ID.")],
    state: Annotated[str, typer.Option(help="pending, verified or suspended.")] = "pending",
    settings: Settings = None,
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Add an account. Exit code: 0 done, 5 ingest is away or refuses us, 7 refused."""
    body = {"id": account_id, "name": name, "sender": sender, "state": state, **_values(settings)}
    _show([_call("POST", "/v1/accounts", ingest_url, timeout_s, body)], as_json=as_json)


@app.command("set")
def set_(
    account_id: AccountId,
    settings: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE...")],
    *,
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Change an account, such as state=verified. The accounts file has no say in it any more."""
    path = f"/v1/accounts/{quote(account_id, safe='')}"
    changed = _call("PATCH", path, ingest_url, timeout_s, _values(settings))
    _show([changed], as_json=as_json)


@app.command()
def usage(
    *,
    account: ForAccount = "",
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Show packages and balance: --account names whose, else the profile's own."""
    _show_usage(_call("GET", "/v1/usage", ingest_url, timeout_s, account=account), as_json=as_json)


@app.command()
def buy(
    account_id: AccountId,
    package: Annotated[
        str, typer.Argument(help="domestic, international, domestic-marketing, ...")
    ],
    quantity: Annotated[int, typer.Argument(min=1, help="In chargingNum.")],
    *,
    purchase_id: BookingId,
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Add to a package."""
    body = {"package": package, "quantity": quantity, "purchase_id": purchase_id}
    answer = _call("POST", "/v1/packages", ingest_url, timeout_s, body, account_id)
    _show_usage(answer, as_json=as_json)


@app.command("top-up")
def top_up(
    account_id: AccountId,
    amount: Annotated[str, typer.Argument(help="In the wallet's currency, such as 100.00.")],
    *,
    entry_id: BookingId,
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Add to the balance; less than zero takes away (write -- before it)."""
    body = {"amount": amount, "entry_id": entry_id}
    answer = _call("POST", "/v1/balance", ingest_url, timeout_s, body, account_id)
    _show_usage(answer, as_json=as_json)


def _call(
    method: str,
    path: str,
    ingest_url: str | None,
    timeout_s: float,
    body: object = None,
    account: str = "",
) -> Any:  # noqa: ANN401 - whatever JSON holds
    from yizhan_cli.client import call, ingest_edge

    edge = ingest_edge(ingest_url, operator=True, account=account)
    return call(edge, method, path, body=body, timeout_s=timeout_s)


def _values(settings: list[str] | None) -> dict[str, Any]:
    import json

    values: dict[str, Any] = {}
    for text in settings or ():
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{text!r}: write FIELD=VALUE")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


def _show(accounts: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json(accounts)
        return
    show_table(_COLUMNS, [[one.get(name, "") for name in _COLUMNS] for one in accounts])


def _show_usage(usage: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(usage)
        return
    columns = ("bought", "left", "leased", "spent", "returned")
    rows = [
        [kind, *(package[name] for name in columns)] for kind, package in usage["packages"].items()
    ]
    show_table((usage["account_id"], *columns), rows)
    typer.echo(f"balance {usage['balance']} {usage['currency']}")
