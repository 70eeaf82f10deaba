"""yizhan log: messages and what became of them, from the message log of receipts."""

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

_COLUMNS = ("accepted_at", "message_id", "phone", "country", "status", "channel", "meaning")
_WITH_TEXT = (*_COLUMNS, "text")


def log(
    *,
    phone: Phone = "",
    account: Account = "",
    reference: Annotated[str, typer.Option(help="The account's own name for it.")] = "",
    batch: Annotated[str, typer.Option(help="The batch that it came in with.")] = "",
    since: Since = "",
    until: Until = "",
    status: Annotated[
        str, typer.Option(help="in-flight, delivered, failed, expired, unknown or cancelled.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Such as number-vacant.")] = "",
    carrier_code: Annotated[str, typer.Option(help="The carrier's own code.")] = "",
    template: Annotated[str, typer.Option()] = "",
    channel: Annotated[str, typer.Option(help="By which it was settled.")] = "",
    country: Annotated[str, typer.Option(help="Two letters, such as CN.")] = "",
    lane: Annotated[str, typer.Option(help="urgent, standard or bulk.")] = "",
    text: Text = "",
    with_text: WithText = False,
    unmasked: Unmasked = False,
    limit: Limit = 50,
    all_pages: AllPages = False,
    receipts_url: ReceiptsUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Search the message log: by phone, reference, batch, or account and time; newest first.

    An account alone is searched for the last 24 hours. Filters look within the range.
    """
    asked = {
        "phone": phone,
        "account_id": account,
        "reference": reference,
        "batch": batch,
        "since": since,
        "until": until,
        "status": status,
        "reason": reason,
        "carrier_code": carrier_code,
        "template": template,
        "channel": channel,
        "country": country,
        "lane": lane,
        "text": text,
        "with": "text" if with_text else "",
        "unmasked": unmasked,
        "limit": limit,
    }
    edge = service_edge("receipts", receipts_url, token)
    answer = search(edge, "/v1/log", asked, "messages", all_pages=all_pages)
    if as_json:
        show_json(answer)
        return
    columns = _WITH_TEXT if with_text else _COLUMNS
    show_table(columns, (_cells(row, columns) for row in answer["messages"]))
    tell(answer)


def _cells(row: dict[str, Any], columns: tuple[str, ...]) -> list[str]:
    return ["" if row[name] is None else str(row[name]) for name in columns]
