"""yizhan explain: why a message went where it went, or where one would go now."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from yizhan_cli.client import call, service_edge
from yizhan_cli.commands.trace import ask_story, since
from yizhan_cli.errors import UsageError
from yizhan_cli.options import AsJson, ReceiptsUrl, RouterUrl, Token
from yizhan_cli.output import say, show_json, show_table

_COLUMNS = ("", "channel", "state", "score", "what was known")
_WHY = {
    "preferred": "it ranks first",
    "share": "drawn by weight among those that rank the same",
    "probe": "a trial of a channel that was broken",
    "sticky": "this recipient's own among those that rank the same",
    "not-taken": "channels serve the country, and none takes this message",
    "spilled": "the preferred ones are full",
    "degraded": "no healthy one is left",
    "broken": "all that is left is broken: the best of those",
    "no-route": "no channel serves the country",
    "exhausted": "all that do have been tried",
}


def explain(
    message_id: Annotated[str | None, typer.Argument(metavar="[MESSAGE_ID]")] = None,
    *,
    country: Annotated[
        str | None, typer.Option(help="Instead of a message: what one there would take now.")
    ] = None,
    routing: Annotated[str, typer.Option(help="quality, cost or balanced.")] = "quality",
    lane: Annotated[str, typer.Option(help="urgent, standard or bulk.")] = "standard",
    account: Annotated[str, typer.Option(help="Whose rules hold.")] = "",
    receipts_url: ReceiptsUrl = None,
    router_url: RouterUrl = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1)] = 10.0,
) -> None:
    """Tell why: the candidates of every attempt with their scores, and why others were none.

    Exit code: 0 told, 4 no such message, 5 a service is away or refuses.
    """
    if (message_id is None) is (country is None):
        raise UsageError("explain what? A message id, or --country for what would be chosen now")
    if message_id is None:
        asked = {"country": country, "routing": routing, "lane": lane, "account": account}
        query = urlencode(asked)
        edge = service_edge("router", router_url, token)
        said = call(edge, "GET", f"/v1/explain?{query}", timeout_s=timeout_s)
        show_json(said) if as_json else _show_now(said)
        return
    story = ask_story(service_edge("receipts", receipts_url, token), message_id, timeout_s)
    attempts = [fact for fact in story.get("timeline") or [] if fact.get("decision")]
    if as_json:
        show_json({"message_id": message_id, "attempts": attempts})
        return
    _show_story(story, attempts)


def _show_story(story: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> None:
    accepted, settled = story.get("accepted") or {}, story.get("settled") or {}
    status = settled.get("status", "still open")
    say(f"{story.get('message_id')}: {accepted.get('country', '?')}, {status}")
    if not attempts:
        say("no attempt has ended yet: nothing to explain")
    for fact in attempts:
        decision = fact["decision"]
        when = since(fact.get("at"), accepted.get("accepted_at"))
        title = f"attempt {fact.get('n')} on {fact.get('channel')}: {_because(decision)}"
        show_table(_COLUMNS, _rows(decision, fact.get("channel")), title)
        reason = f", {fact['reason']}" if fact.get("reason") else ""
        say(f"{when}: {fact.get('what')}{reason}\n")


def _show_now(said: Mapping[str, Any]) -> None:
    title = f"{said['country']}: {said['chosen'] or 'none'}: {_because(said)}"
    show_table(_COLUMNS, _rows(said, said["chosen"]), title)


def _because(decision: Mapping[str, Any]) -> str:
    why = str(decision.get("why", "?"))
    routing = f" (policy {decision['routing']})" if decision.get("routing") else ""
    return f"{why}, {_WHY[why]}{routing}" if why in _WHY else f"{why}{routing}"


def _rows(decision: Mapping[str, Any], chosen: str | None) -> list[list[object]]:
    candidates = [
        [
            "->" if one.get("channel") == chosen else "",
            one.get("channel", ""),
            one.get("state", ""),
            f"{one.get('score', 0.0):g}",
            one.get("note", ""),
        ]
        for one in decision.get("candidates") or ()
    ]
    excluded = decision.get("excluded") or {}
    return candidates + [["x", name, "", "", why] for name, why in excluded.items()]
