"""yizhan replies, yizhan conversation: what recipients sent back, alone and in its place."""

from typing import Annotated, Any

import typer

from yizhan_cli.client import service_edge
from yizhan_cli.options import AsJson, ReceiptsUrl, Token
from yizhan_cli.output import show_json, show_table
from yizhan_cli.searched import (
    Account,
    AllPages,
    Limit,
    Phone,
    Since,
    Text,
    Unmasked,
    Until,
    WithText,
    search,
    tell,
)

_REPLY = ("received_at", "phone", "to", "account_id", "reference", "message_id", "text")
_ENTRY = ("at", "direction", "ours", "what", "text")


def replies(
    *,
    phone: Phone = "",
    account: Account = "",
    message: Annotated[str, typer.Option("--message", help="The message they answer.")] = "",
    since: Since = "",
    until: Until = "",
    text: Text = "",
    with_text: WithText = False,
    unmasked: Unmasked = False,
    limit: Limit = 50,
    all_pages: AllPages = False,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Search what recipients sent back: by phone, account or message; newest first."""
    asked = {
        "phone": phone,
        "account_id": account,
        "message_id": message,
        "since": since,
        "until": until,
        "text": text,
        "with": "text" if with_text else "",
        "unmasked": unmasked,
        "limit": limit,
    }
    edge = service_edge("receipts", receipts_url, token)
    answer = search(edge, "/v1/replies", asked, "replies", all_pages=all_pages)
    if as_json:
        show_json(answer)
        return
    show_table(_REPLY, ([row[name] or "" for name in _REPLY] for row in answer["replies"]))
    tell(answer)


def conversation(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="E.164.")],
    *,
    account: Account = "",
    sender: Annotated[str, typer.Option(help="Only through this sender of ours.")] = "",
    since: Since = "",
    until: Until = "",
    with_text: WithText = False,
    unmasked: Unmasked = False,
    limit: Limit = 50,
    all_pages: AllPages = False,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what an account and somebody wrote each other, newest first."""
    asked = {
        "phone": phone,
        "account_id": account,
        "sender": sender,
        "since": since,
        "until": until,
        "with": "text" if with_text else "",
        "unmasked": unmasked,
        "limit": limit,
    }
    edge = service_edge("receipts", receipts_url, token)
    answer = search(edge, "/v1/conversations", asked, "entries", all_pages=all_pages)
    if as_json:
        show_json(answer)
        return
    show_table(_ENTRY, map(_entry, answer["entries"]))
    tell(answer)


def _entry(entry: dict[str, Any]) -> tuple[str, ...]:
    said = entry["message"] or entry["reply"]
    what = said["status"] if entry["message"] else "reply"
    return entry["at"], entry["direction"], entry["ours"], what, said["text"] or ""
