"""Options that several commands take, said once."""

from typing import Annotated

import typer

from yizhan_cli.client import TOKEN

KafkaUrl = Annotated[
    str | None,
    typer.Option("--kafka-url", help="host:port[,..]; else YIZHAN_KAFKA_URL, profile, stack."),
]
Namespace = Annotated[
    str | None, typer.Option(help="Prefix of topics and groups; else YIZHAN_NAMESPACE.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
TimeoutS = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds for all of it.")]
IngestUrl = Annotated[
    str | None,
    typer.Option(
        "--ingest-url", envvar="YIZHAN_INGEST_URL", help="Else the profile's, else the stack's."
    ),
]
ReceiptsUrl = Annotated[
    str | None,
    typer.Option(
        "--receipts-url", envvar="YIZHAN_RECEIPTS_URL", help="Else the profile's, else the stack's."
    ),
]
RouterUrl = Annotated[
    str | None,
    typer.Option(
        "--router-url", envvar="YIZHAN_ROUTER_URL", help="Else the profile's, else the stack's."
    ),
]
Token = Annotated[
    str | None,
    typer.Option(envvar=TOKEN, help="What may do this; else the profile's, else the stack's."),
]
ForAccount = Annotated[
    str, typer.Option("--account", help="The account that an operator acts for.")
]
