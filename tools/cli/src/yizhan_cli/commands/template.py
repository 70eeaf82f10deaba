"""yizhan template: registering templates, deciding about them, seeing what they would send."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from yizhan_cli.client import Edge, call, ingest_edge, service_edge
from yizhan_cli.errors import UsageError
from yizhan_cli.options import AsJson, IngestUrl, Token
from yizhan_cli.output import say, show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Register, review and preview templates.")

TemplateId = Annotated[str, typer.Argument(metavar="TEMPLATE")]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1)]
Account = Annotated[str, typer.Option("--account", "-a", help="Whose template it is.")]
Reviewer = Annotated[str, typer.Option("--reviewer", help="Who decides: it is kept.")]
Variables = Annotated[
    list[str] | None, typer.Option("--var", "-v", metavar="NAME=VALUE", help="Once for each.")
]

_COLUMNS = ("template", "version", "state", "category", "languages", "last step", "by", "reason")


@app.command("list")
def list_templates(
    *,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the account's templates, with the last step of each."""
    query = f"?state={quote(state)}" if state else ""
    found = call(ingest_edge(ingest_url), "GET", f"/v1/templates{query}")
    if as_json:
        show_json(found)
        return
    show_table(_COLUMNS, map(_row, found["templates"]))


@app.command()
def pending(*, ingest_url: IngestUrl = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show what waits for a reviewer, of all accounts: templates and senders. For operators."""
    found = call(service_edge("ingest", ingest_url, token), "GET", "/v1/reviews")
    if as_json:
        show_json(found)
        return
    rows = [(one["account_id"], *_row(one)[:5]) for one in found["templates"]]
    show_table(("account", *_COLUMNS[:5]), rows)
    senders = [(s["account_id"], s["value"], s["country"], s["type"]) for s in found["senders"]]
    show_table(("account", "sender", "country", "type"), senders)


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML or JSON: id, languages ...")],
    *,
    draft: Annotated[bool, typer.Option("--draft", help="Register it, no more.")] = False,
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
) -> None:
    """Register a template's next version and hand it to the reviewers. Harmless to repeat.

    Exit code: 0 done, 7 refused: the code and what to do are told.
    """
    content, edge = _content(file), ingest_edge(ingest_url)
    made = call(edge, "POST", "/v1/templates", body=content)
    if not draft and made["state"] == "draft":
        made = call(edge, "POST", f"{_path(made['id'], made['version'])}/submit")
    _show(made, as_json=as_json)


@app.command()
def approve(
    template: TemplateId,
    version: Version,
    *,
    account: Account,
    reviewer: Reviewer,
    reason: Annotated[str, typer.Option("--reason")] = "",
    ingest_url: IngestUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Approve a version: it may be sent from now on. For operators."""
    body = {"reviewer": reviewer, "reason": reason}
    edge = service_edge("ingest", ingest_url, token)
    _show(_decide(edge, account, template, version, "approve", body), as_json=as_json)


@app.command()
def reject(
    template: TemplateId,
    version: Version,
    *,
    account: Account,
    reviewer: Reviewer,
    reason: Annotated[str, typer.Option("--reason", help="What to change: the account reads it.")],
    ingest_url: IngestUrl = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Reject a version, with the reason. For operators."""
    body = {"reviewer": reviewer, "reason": reason}
    edge = service_edge("ingest", ingest_url, token)
    _show(_decide(edge, account, template, version, "reject", body), as_json=as_json)


@app.command()
def retire(
    template: TemplateId,
    version: Version,
    *,
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a version be sent no more. For good."""
    edge = ingest_edge(ingest_url)
    _show(call(edge, "POST", f"{_path(template, version)}/retire"), as_json=as_json)


@app.command()
def preview(
    template: TemplateId,
    *,
    variables: Variables = None,
    version: Annotated[int | None, typer.Option(min=1, help="Else the newest approved.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47, such as zh-Hant.")] = None,
    sender: Annotated[str | None, typer.Option(help="Signature or sender ID.")] = None,
    to: Annotated[str | None, typer.Option(metavar="NUMBER")] = None,
    countries: Annotated[list[str] | None, typer.Option("--country", help="Once for each.")] = None,
    ingest_url: IngestUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what a message would say, take and cost, and why it would be refused. Sends nothing."""
    optional = {
        "version": version,
        "language": language,
        "sender": sender,
        "to": to,
        "countries": countries,
    }
    body = {name: value for name, value in optional.items() if value}
    asked = body | {"template": template, "variables": named_values(variables or [])}
    shown = call(ingest_edge(ingest_url), "POST", "/v1/preview", body=asked)
    if as_json:
        show_json(shown)
        return
    lines = ("text", "language", "state", "encoding", "segments", "charging_num")
    show_table((f"{shown['template']} {shown['version']}", ""), [(n, shown[n]) for n in lines])
    costs = [(cost["country"], cost["package"], cost["quantity"]) for cost in shown["costs"]]
    show_table(("country", "package", "quantity"), costs)
    for refusal in shown["refusals"]:
        say(f"would be refused: {refusal['code']} ({refusal['field']}): {refusal['detail']}")


def named_values(given: list[str]) -> dict[str, str]:
    """Read NAME=VALUE. Raises UsageError."""
    values: dict[str, str] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name or name in values:
            raise UsageError(f"--var {name!r}: write NAME=VALUE, each name once")
        values[name] = value
    return values


def _content(file: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{file} cannot be read ({type(error).__name__})") from None
    if not isinstance(content, dict):
        raise UsageError(f"{file}: one template, as a mapping: id, languages, variables")
    return content


def _decide(
    edge: Edge, account: str, template: str, version: int, step: str, body: dict[str, str]
) -> Any:  # noqa: ANN401 - whatever JSON holds
    headers = {"Yizhan-Account": account}
    return call(edge, "POST", f"{_path(template, version)}/{step}", body=body, headers=headers)


def _path(template: str, version: int) -> str:
    return f"/v1/templates/{quote(template, safe='')}/versions/{version}"


def _show(shown: Any, *, as_json: bool) -> None:  # noqa: ANN401 - whatever JSON holds
    if as_json:
        show_json(shown)
        return
    show_table(_COLUMNS, [_row(shown)])


def _row(shown: dict[str, Any]) -> tuple[object, ...]:
    last = shown["history"][-1]
    languages = ", ".join(shown["languages"])
    return (
        shown["id"],
        shown["version"],
        shown["state"],
        shown["category"],
        languages,
        last["step"],
        last["by"],
        last["reason"],
    )
