"""The command line: every group of commands, put together."""

import typer

from yizhan_cli import dlq, documents, topics, trace

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Operate Yizhan: topics, dead letters, the story of a message.",
    epilog=(
        "Exit codes: 2 usage, 3 a topic is not as declared, 4 not found, "
        "5 a server is away or refuses, 6 not everything was replayed."
    ),
)
app.add_typer(topics.app, name="topics")
app.add_typer(dlq.app, name="dlq")
app.command("trace")(trace.trace)
app.command("schemas")(documents.schemas)
app.command("asyncapi")(documents.asyncapi)
