"""yizhan topics: what there should be, what there is, and making it so."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yizhan_cli.errors import NotFound, WrongTopics
from yizhan_cli.options import AsJson, KafkaUrl, Namespace, TimeoutS
from yizhan_cli.output import say, show_json, show_table
from yizhan_cli.settings import KafkaSettings, kafka_settings

if TYPE_CHECKING:
    from yizhan_cli.provisioning import Finding
    from yizhan_contracts.topics import Topic

app = typer.Typer(no_args_is_help=True, help="Declare, compare and create the topics.")

Channels = Annotated[str, typer.Option(help="Channel names, comma-separated.")]
ChannelsFile = Annotated[
    Path | None,
    typer.Option(help="The router's channel table; else YIZHAN_ROUTER_CHANNELS_FILE."),
]

_HINT = (
    "A partition count is never changed in place: keys would move to other partitions. Stop the "
    "producers, let the consumers finish the topic, then delete it and run `yizhan topics apply` "
    "again; or declare a new version of the topic."
)


@app.command("list")
def list_(
    *,
    namespace: Namespace = None,
    channels: Channels = "",
    channels_file: ChannelsFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the topics that there should be. Asks no server."""
    prefix = kafka_settings(namespace=namespace).namespace
    declared = _topics(channels, channels_file)
    if as_json:
        show_json([_declared(topic, prefix) for topic in declared])
        return
    show_table(
        ("topic", "partitions", "cleanup", "retention", "key", "from", "to"),
        [_declared_row(topic, prefix) for topic in declared],
    )


@app.command()
def check(
    *,
    kafka_url: KafkaUrl = None,
    namespace: Namespace = None,
    channels: Channels = "",
    channels_file: ChannelsFile = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 30.0,
) -> None:
    """Compare Kafka's topics with those that there should be. Changes nothing.

    Exit code: 0 all is there, 3 one is wrong, 4 one is missing, 5 Kafka is away.
    """
    from yizhan_cli import kafka, provisioning

    settings = kafka_settings(kafka_url, namespace)
    wanted = _topics(channels, channels_file)
    found = kafka.run(provisioning.check(settings, wanted), settings, timeout_s)
    _report(found, settings, as_json=as_json)


@app.command()
def apply(
    *,
    kafka_url: KafkaUrl = None,
    namespace: Namespace = None,
    channels: Channels = "",
    channels_file: ChannelsFile = None,
    replication_factor: Annotated[
        int | None, typer.Option(min=1, help="Default: 3, or as many as there are brokers.")
    ] = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 60.0,
) -> None:
    """Create the topics that are missing, and wait until they can be used.

    What is there stays as it is. Exit code: 0 done, 3 a topic is wrong, 5 Kafka is away.
    """
    from yizhan_cli import kafka, provisioning

    settings = kafka_settings(kafka_url, namespace)
    wanted = _topics(channels, channels_file)
    work = provisioning.apply(settings, wanted, replication_factor)
    _report(kafka.run(work, settings, timeout_s), settings, as_json=as_json)


def _topics(channels: str, channels_file: Path | None) -> "list[Topic]":
    from yizhan_cli.channels import channel_names
    from yizhan_contracts.topics import all_topics

    return list(all_topics(channel_names(channels, channels_file)))


def _report(found: "Sequence[Finding]", settings: KafkaSettings, *, as_json: bool) -> None:
    counts = Counter(finding.state.value for finding in found)
    if as_json:
        show_json(
            {
                "kafka_url": settings.url,
                "namespace": settings.namespace,
                "counts": dict(counts),
                "topics": [_found(finding) for finding in found],
            }
        )
    else:
        _show(found)
        summary = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        typer.echo(f"{len(found)} topics on {settings.url}: {summary}")
    _complain(found)


def _show(found: "Sequence[Finding]") -> None:
    told = [one for one in found if one.state != "present" or one.differs]
    if told:
        show_table(
            ("topic", "state", "partitions", "declared", "settings that differ"),
            [
                (one.name, one.state, one.partitions, one.topic.partitions, "; ".join(one.differs))
                for one in told
            ],
        )


def _complain(found: "Sequence[Finding]") -> None:
    wrong = [finding for finding in found if finding.is_wrong]
    if wrong:
        for finding in wrong:
            say(f"{finding.name}: {_trouble(finding)}")
        raise WrongTopics(f"{len(wrong)} topics are not as declared. {_HINT}")
    missing = [finding.name for finding in found if finding.state == "missing"]
    if missing:
        raise NotFound(f"{len(missing)} topics are missing: run `yizhan topics apply`")


def _trouble(finding: "Finding") -> str:
    if finding.state == "wrong-partitions":
        return f"{finding.partitions} partitions, declared {finding.topic.partitions}"
    return "; ".join(finding.differs)


def _found(finding: "Finding") -> dict[str, Any]:
    return {
        "name": finding.name,
        "state": finding.state.value,
        "partitions": finding.partitions,
        "declared_partitions": finding.topic.partitions,
        "differs": list(finding.differs),
    }


def _declared(topic: "Topic", prefix: str) -> dict[str, Any]:
    return {
        "name": f"{prefix}{topic.name}",
        "partitions": topic.partitions,
        "key": topic.key.value,
        "config": topic.config(),
        "producers": [str(name) for name in topic.producers],
        "consumers": [str(name) for name in topic.consumers],
        "event": topic.event.__name__ if topic.event else None,
        "summary": topic.summary,
    }


def _declared_row(topic: "Topic", prefix: str) -> tuple[object, ...]:
    days = "kept" if topic.retention_ms < 0 else f"{topic.retention_ms / 86_400_000:g} d"
    return (
        f"{prefix}{topic.name}",
        topic.partitions,
        topic.config()["cleanup.policy"],
        days,
        topic.key.value,
        ", ".join(topic.producers),
        ", ".join(topic.consumers),
    )
