"""yizhan endpoint: where accounts are told what became of their messages, and how."""

from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from yizhan_cli.options import AsJson, ReceiptsUrl, TimeoutS, Token
from yizhan_cli.output import say, show_json, show_table

app = typer.Typer(
    no_args_is_help=True, help="Callback addresses: set, pause, resume, replay, sample, sign."
)


class About(StrEnum):
    """What is told at an address."""

    RESULTS = "results"
    EVENTS = "events"


AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT")]
AboutOption = Annotated[About, typer.Option("--about", help="Which of its two addresses.")]
_COLUMNS = ("account_id", "state", "url", "events_url", "concurrency", "timeout_s", "signed")
_REPLAY_COLUMNS = ("replay_id", "about", "source", "since", "until", "progress", "items", "why")


@app.command("list")
def list_(
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Show all endpoints. For operators."""
    found: list[dict[str, Any]] = []
    while True:
        after = quote(found[-1]["account_id"], safe="") if found else ""
        path = f"/v1/endpoints?after={after}"
        page = _call("GET", path, receipts_url, token, timeout_s)
        found += page["endpoints"]
        if len(page["endpoints"]) < page["most"]:
            break
    _show(found, as_json=as_json)


@app.command()
def show(
    account_id: AccountId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Show an account's endpoint. Exit code: 0 shown, 4 it has none, 5 receipts is away."""
    _show([_call("GET", _path(account_id), receipts_url, token, timeout_s)], as_json=as_json)


@app.command("set")
def set_(
    account_id: AccountId,
    *,
    url: Annotated[str, typer.Option(help="Where results go; empty for nowhere.")] = "",
    events_url: Annotated[str, typer.Option(help="Where events go; empty for nowhere.")] = "",
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Requests at a time.")] = 4,
    answer_within_s: Annotated[float, typer.Option("--answer-within", min=0.1, max=60)] = 10.0,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Make an account's endpoint, or change it as a whole. Its secrets and its state stay.

    Exit code: 0 done, 5 receipts is away or refuses us, 7 an address is refused.
    """
    body = {
        "url": url or None,
        "events_url": events_url or None,
        "concurrency": concurrency,
        "timeout_s": answer_within_s,
    }
    saved = _call("PUT", _path(account_id), receipts_url, token, timeout_s, body)
    _show([saved], as_json=as_json)


@app.command()
def delete(
    account_id: AccountId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """End it: nothing is pushed any more."""
    _call("DELETE", _path(account_id), receipts_url, token, timeout_s)
    say(f"{account_id} has no endpoint any more")


@app.command()
def pause(
    account_id: AccountId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Send nothing, keep everything, until it is resumed. In force within seconds."""
    path = _path(account_id, "pause")
    _show([_call("POST", path, receipts_url, token, timeout_s)], as_json=as_json)


@app.command()
def resume(
    account_id: AccountId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Go on, in the order in which it was due."""
    path = _path(account_id, "resume")
    _show([_call("POST", path, receipts_url, token, timeout_s)], as_json=as_json)


@app.command()
def replay(
    account_id: AccountId,
    *,
    since: Annotated[str, typer.Option(help="A time, such as 2026-11-29T08:00:00+08:00.")],
    until: Annotated[str, typer.Option(help="A time; else now.")] = "",
    about: AboutOption = About.RESULTS,
    status: Annotated[str, typer.Option(help="0 successes, 1 failures; else both.")] = "",
    parked: Annotated[bool, typer.Option("--parked", help="Only what was given up.")] = False,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Have a range of time said again, as it is now: a job that goes on by itself.

    Exit code: 0 begun, 4 there is no such address, 5 receipts is away, 7 refused.
    """
    body = {
        "since": since,
        "until": until or None,
        "about": about.value,
        "status": status,
        "source": "parked" if parked else "known",
    }
    job = _call("POST", _path(account_id, "replay"), receipts_url, token, timeout_s, body)
    _show_replays([job], as_json=as_json)


@app.command()
def replays(
    account_id: AccountId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Show how far an account's replays are, the newest first."""
    found = _call("GET", _path(account_id, "replays"), receipts_url, token, timeout_s)
    _show_replays(found["replays"], as_json=as_json)


@app.command("cancel-replay")
def cancel_replay(
    account_id: AccountId,
    replay_id: Annotated[str, typer.Argument(metavar="REPLAY_ID")],
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """End a replay that runs."""
    path = _path(account_id, "replays", replay_id)
    _show_replays([_call("DELETE", path, receipts_url, token, timeout_s)], as_json=as_json)


@app.command()
def sample(
    account_id: AccountId,
    *,
    about: AboutOption = About.RESULTS,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 70.0,
) -> None:
    """Send a sample push now, and show the endpoint's answer.

    Exit code: 0 acknowledged, 1 not, 4 there is no such address, 5 receipts is away.
    """
    path, body = _path(account_id, "sample"), {"about": about.value}
    answer = _call("POST", path, receipts_url, token, timeout_s, body)
    if as_json:
        show_json(answer)
    else:
        show_table(("what", "was answered"), [(name, told) for name, told in answer.items()])
    if answer["answer"] != "acknowledged":
        raise typer.Exit(1)


@app.command("rotate-secret")
def rotate_secret(
    account_id: AccountId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Sign with a new secret, shown this once. The one before it signs for a day more."""
    told = _call("POST", _path(account_id, "secret"), receipts_url, token, timeout_s)
    if as_json:
        show_json(told)
        return
    say("keep this: it is not shown again")
    typer.echo(told["secret"])


@app.command("drop-secret")
def drop_secret(
    account_id: AccountId,
    *,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 10.0,
) -> None:
    """Sign nothing any more."""
    path = _path(account_id, "secret")
    _show([_call("DELETE", path, receipts_url, token, timeout_s)], as_json=as_json)


def _path(account_id: str, *more: str) -> str:
    return "/".join(["/v1/endpoints", *(quote(part, safe="") for part in (account_id, *more))])


def _call(
    method: str,
    path: str,
    receipts_url: str | None,
    token: str | None,
    timeout_s: float,
    body: object = None,
) -> Any:  # noqa: ANN401 - whatever JSON holds
    from yizhan_cli.client import call, service_edge

    edge = service_edge("receipts", receipts_url, token)
    return call(edge, method, path, body=body, timeout_s=timeout_s)


def _show(endpoints: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json(endpoints)
        return
    rows = [{**one, "signed": len(one.get("secrets", ()))} for one in endpoints]
    show_table(_COLUMNS, [[one.get(name) or "" for name in _COLUMNS] for one in rows])


def _show_replays(jobs: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json(jobs)
        return
    show_table(_REPLAY_COLUMNS, [[job.get(name, "") for name in _REPLAY_COLUMNS] for job in jobs])
