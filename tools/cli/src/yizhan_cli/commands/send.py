"""yizhan send: one message to one recipient."""

import secrets
from typing import Annotated, Any

import typer

from yizhan_cli.errors import Unavailable, UsageError
from yizhan_cli.options import AsJson, IngestUrl, TimeoutS
from yizhan_cli.output import show_json, show_table


def send(
    to: Annotated[str, typer.Argument(metavar="NUMBER", help="With + and country code.")],
    *,
    template: Annotated[str, typer.Option("--template", "-t", help="An approved template.")],
    variables: Annotated[
        list[str] | None, typer.Option("--var", "-v", metavar="NAME=VALUE", help="Once for each.")
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Else the newest approved.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47, such as zh-Hant.")] = None,
    reference: Annotated[str, typer.Option(help="Your own name for it.")] = "",
    lane: Annotated[str | None, typer.Option(help="urgent, standard or bulk.")] = None,
    sender: Annotated[str | None, typer.Option(help="Signature or sender ID.")] = None,
    validity_s: Annotated[int | None, typer.Option("--validity", help="Seconds.")] = None,
    idempotency_key: Annotated[
        str, typer.Option(help="Else one is drawn; a repeat with it sends nothing twice.")
    ] = "",
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 15.0,
) -> None:
    """Send one message. What becomes of it: yizhan trace.

    Exit code: 0 accepted, 5 ingest is away, 7 refused: the code and what to do are told.
    """
    from yizhan_cli.client import call, ingest_edge

    optional = {
        "version": version,
        "language": language,
        "reference": reference,
        "lane": lane,
        "sender": sender,
        "validity_s": validity_s,
    }
    body: dict[str, object] = {
        "to": to,
        "template": template,
        "variables": _variables(variables or []),
    }
    body |= {name: value for name, value in optional.items() if value}
    key = idempotency_key or secrets.token_hex(16)
    edge = ingest_edge(ingest_url)
    headers = {"Idempotency-Key": key}
    try:
        answer = call(edge, "POST", "/v1/messages", body=body, headers=headers, timeout_s=timeout_s)
    except Unavailable as error:
        # It may have been taken: only the same key is sure to send nothing twice.
        raise Unavailable(f"{error}\nTry again with --idempotency-key {key}") from error
    _show(answer, as_json=as_json)


def _show(answer: Any, *, as_json: bool) -> None:  # noqa: ANN401 - whatever JSON holds
    if as_json:
        show_json(answer)
        return
    show_table(("accepted", ""), list(answer.items()))


def _variables(given: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name or name in values:
            raise UsageError(f"--var {name!r}: write NAME=VALUE, each name once")
        values[name] = value
    return values
