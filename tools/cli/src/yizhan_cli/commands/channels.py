"""yizhan channels: the router's table, how its channels do, and taking them out and in."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from yizhan_cli.client import call, service_edge
from yizhan_cli.options import AsJson, RouterUrl, Token
from yizhan_cli.output import say, show_json, show_table

app = typer.Typer(no_args_is_help=True, help="See channels, drain, disable and enable them.")

ChannelName = Annotated[str, typer.Argument(metavar="CHANNEL")]
Reason = Annotated[str, typer.Option("--reason", help="Shown with the channel.")]

_COLUMNS = ("channel", "state", "takes new", "queued", "tps", "countries", "ill in", "note")


@app.command("list")
def list_channels(
    *, router_url: RouterUrl = None, token: Token = None, as_json: AsJson = False
) -> None:
    """Show the table in force, with the health of every channel."""
    table = call(service_edge("router", router_url, token), "GET", "/v1/channels")
    if as_json:
        show_json(table)
        return
    show_table(_COLUMNS, map(_row, table["channels"]), f"table {table['table_version']}")
    if table["problem"]:
        say(f"the file as it stands is refused: {table['problem']}")


@app.command()
def show(
    channel: ChannelName,
    *,
    router_url: RouterUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show one channel: configuration, health by country, what operators want of it."""
    edge = service_edge("router", router_url, token)
    found = call(edge, "GET", f"/v1/channels/{quote(channel, safe='')}")
    if as_json:
        show_json(found)
        return
    show_table((channel, ""), [(name, _cell(value)) for name, value in _facts(found)])
    show_table(("country", "price", "priority", "weight", "senders", "health"), _countries(found))


@app.command()
def drain(
    channel: ChannelName,
    *,
    reason: Reason = "",
    router_url: RouterUrl = None,
    token: Token = None,
) -> None:
    """Plan nothing new there; what is queued goes on."""
    _turn(channel, "drain", reason, router_url, token)


@app.command()
def disable(
    channel: ChannelName,
    *,
    reason: Reason = "",
    router_url: RouterUrl = None,
    token: Token = None,
) -> None:
    """Plan nothing new there; what is queued is handed back and goes by others."""
    _turn(channel, "disable", reason, router_url, token)


@app.command()
def enable(
    channel: ChannelName,
    *,
    reason: Reason = "",
    router_url: RouterUrl = None,
    token: Token = None,
) -> None:
    """Let the table's file decide again."""
    _turn(channel, "enable", reason, router_url, token)


def _turn(channel: str, what: str, reason: str, router_url: str | None, token: str | None) -> None:
    edge = service_edge("router", router_url, token)
    path = f"/v1/channels/{quote(channel, safe='')}/{what}"
    found = call(edge, "POST", path, body={"reason": reason})
    say(f"{channel}: {found['mode']}, {_takes(found)}")


def _row(channel: dict[str, Any]) -> list[object]:
    health = channel["health"]
    return [
        channel["channel"],
        health["state"],
        _takes(channel),
        health["backlog"],
        f"{channel['tps']:g}",
        len(channel["countries"]),
        " ".join(channel["ill_countries"]),
        health["note"] or channel["mode_reason"],
    ]


def _takes(channel: dict[str, Any]) -> str:
    return f"nothing new: {channel['excluded']}" if channel["excluded"] else "takes new messages"


def _facts(channel: dict[str, Any]) -> list[tuple[str, object]]:
    health = channel["health"]
    shown = {
        name: value for name, value in channel.items() if not isinstance(value, dict | list)
    } | {f"health {name}": health[name] for name in ("state", "kind", "quality", "backlog", "note")}
    figures = {f"health {name}": f"{value:g}" for name, value in health["figures"].items()}
    return [(name, value) for name, value in (shown | figures).items() if value not in (None, "")]


def _countries(channel: dict[str, Any]) -> list[list[object]]:
    ill = channel["ill_countries"]
    return [
        [
            country,
            f"{route['price']:g}",
            route["priority"],
            route["weight"],
            _senders(route["senders"]),
            ill[country]["state"] if country in ill else "",
        ]
        for country, route in channel["countries"].items()
    ]


def _senders(rules: dict[str, Any]) -> str:
    if rules["rewrite"]:
        return f"rewritten to {rules['rewrite']}"
    parts = [" ".join(rules["kinds"])] + [f"only {' '.join(rules['registered'])}"] * bool(
        rules["registered"]
    )
    return ", ".join(filter(None, parts))


def _cell(value: object) -> str:
    return str(value)
