"""yizhan what-if: what recorded traffic would have come to under another channel table."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yizhan_cli.errors import NotFound
from yizhan_cli.options import AsJson, KafkaUrl, Namespace, TimeoutS
from yizhan_cli.output import say, show_json, show_table
from yizhan_cli.settings import kafka_settings

if TYPE_CHECKING:
    from yizhan_telecom.what_if import Outlook

_COLUMNS = ("", "messages", "delivered", "cost per 1,000 delivered", "mean seconds to receipt")
_CHANNEL_COLUMNS = (
    "channel", "share now", "share then", "delivered now", "delivered then",
    "cost now", "cost then", "seconds now", "seconds then", "rests on",
)  # fmt: skip
_MOST_SHOWN = 20


def what_if(
    table: Annotated[Path, typer.Argument(help="A channel table, as the router reads it.")],
    *,
    hours: Annotated[float, typer.Option(min=0.01, help="How far back to look.")] = 24.0,
    kafka_url: KafkaUrl = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 120.0,
) -> None:
    """Send the recorded messages by another table: delivery, cost, latency and share per channel.

    Reads what Kafka still holds and changes nothing. Three lines are compared: what was measured,
    the same table by the same estimate (how far to trust it), and the other table by the estimate.

    Exit code: 0 told, 2 the table cannot be read, 4 no traffic is recorded, 5 Kafka is away.
    """
    from yizhan_cli.kafka import run
    from yizhan_cli.recorded import read_channels, read_history
    from yizhan_cli.tables import table_of_file
    from yizhan_telecom.choice import Table
    from yizhan_telecom.what_if import Experience, measured, replay

    settings, other = kafka_settings(kafka_url, namespace), table_of_file(table)
    since = datetime.now(UTC) - timedelta(hours=hours)
    history = run(read_history(settings, since), settings, timeout_s)
    today = Table(run(read_channels(settings), settings, timeout_s))
    stories = history.stories()
    if not stories:
        raise NotFound(f"no message was accepted in the last {hours:g} hours")
    experience = Experience(stories)
    now = measured(stories, today)
    estimated, then = replay(stories, today, experience), replay(stories, other, experience)
    if as_json:
        show_json({"measured": _json(now), "estimated": _json(estimated), "then": _json(then)})
        return
    _show(now, estimated, then, table.name)


def _show(now: "Outlook", estimated: "Outlook", then: "Outlook", name: str) -> None:
    show_table(
        _COLUMNS,
        [
            ("now, measured", *_line(now)),
            ("now, by the estimate", *_line(estimated)),
            (f"{name}, by the estimate", *_line(then)),
        ],
    )
    show_table(_CHANNEL_COLUMNS, _channel_rows(now, then))
    for why, count in then.unroutable.most_common(_MOST_SHOWN):
        say(f"no channel for {count} messages: {why}")
    for (channel, country, basis), count in then.unseen.most_common(_MOST_SHOWN):
        say(f"{channel} in {country}, {count} messages: {_BASES[basis]}")
    say(
        "Every channel is taken to do as it did on the whole; faults of the time are not played "
        "again. Messages without a receipt yet count neither for nor against."
    )


_BASES = {
    "few": "hardly used there, mixed with what it did in other countries",
    "elsewhere": "never used there: taken to do as in its other countries",
    "prior": "never used at all: nothing is known, a usual channel is assumed",
}


def _line(outlook: "Outlook") -> tuple[object, ...]:
    return (
        outlook.messages,
        _share(outlook.delivered, outlook.judged),
        _rate(1000 * outlook.cost, outlook.delivered),
        _rate(outlook.seconds, outlook.delivered),
    )


def _channel_rows(now: "Outlook", then: "Outlook") -> Iterator[tuple[object, ...]]:
    for channel in sorted(now.channels.keys() | then.channels.keys()):
        before, after = now.channels[channel], then.channels[channel]
        yield (
            channel,
            _share(before.first, now.messages),
            _share(after.first, then.messages),
            _share(before.delivered, before.judged),
            _share(after.delivered, after.judged),
            f"{before.cost:.2f}",
            f"{after.cost:.2f}",
            _rate(before.seconds, before.delivered),
            _rate(after.seconds, after.delivered),
            ", ".join(f"{basis} {count}" for basis, count in after.bases.most_common()),
        )


def _share(part: float, of: float) -> str:
    return f"{part / of:.1%}" if of else "-"


def _rate(part: float, of: float) -> str:
    return f"{part / of:.2f}" if of else "-"


def _json(outlook: "Outlook") -> dict[str, Any]:
    return {
        "messages": outlook.messages,
        "judged": outlook.judged,
        "delivered": outlook.delivered,
        "cost": outlook.cost,
        "mean_s": outlook.seconds / outlook.delivered if outlook.delivered else None,
        "channels": {
            name: {
                "first": share.first,
                "accepted": share.accepted,
                "judged": share.judged,
                "delivered": share.delivered,
                "cost": share.cost,
                "mean_s": share.seconds / share.delivered if share.delivered else None,
                "rests_on": dict(share.bases),
            }
            for name, share in sorted(outlook.channels.items())
        },
        "unroutable": dict(outlook.unroutable),
        "unseen": [
            {"channel": channel, "country": country, "basis": basis, "messages": count}
            for (channel, country, basis), count in outlook.unseen.most_common()
        ],
    }
