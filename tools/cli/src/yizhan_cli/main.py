"""The command line: every group of commands, put together."""

from typing import Annotated

import typer

from yizhan_cli import profiles
from yizhan_cli.commands import (
    account,
    channels,
    conservation,
    dlq,
    documents,
    endpoint,
    erase,
    explain,
    export,
    hold,
    log,
    optout,
    profile,
    replies,
    send,
    simulate,
    template,
    topics,
    trace,
    what_if,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=(
        "Exit codes: 2 usage, 3 a topic is not as declared, 4 not found, "
        "5 a server is away or refuses us, 6 not everything was replayed, 7 refused with a code."
    ),
)


@app.callback()
def choose(
    *,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="Which deployment; else YIZHAN_PROFILE, else the default."),
    ] = None,
) -> None:
    """Operate Yizhan: send, hold, follow a message, topics, dead letters."""
    profiles.chosen.set(profile)


# Alphabetical: a group has a module of its own in commands, and one line here.
app.add_typer(account.app, name="account")
app.command("asyncapi")(documents.asyncapi)
app.add_typer(channels.app, name="channels")
app.command("conservation")(conservation.conservation)
app.command("conversation")(replies.conversation)
app.add_typer(dlq.app, name="dlq")
app.add_typer(endpoint.app, name="endpoint")
app.add_typer(erase.app, name="erase")
app.command("explain")(explain.explain)
app.add_typer(export.app, name="export")
app.add_typer(hold.app, name="hold")
app.command("log")(log.log)
app.add_typer(optout.app, name="optout")
app.add_typer(profile.app, name="profile")
app.command("replies")(replies.replies)
app.command("schemas")(documents.schemas)
app.command("send")(send.send)
app.command("simulate", context_settings=simulate.CONTEXT)(simulate.simulate)
app.add_typer(template.app, name="template")
app.add_typer(topics.app, name="topics")
app.command("trace")(trace.trace)
app.command("what-if")(what_if.what_if)
