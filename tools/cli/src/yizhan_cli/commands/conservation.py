"""yizhan conservation: every accepted message is settled or in flight, every claim has an end."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from yizhan_cli.balance import Balance, ask_balance, slices_of
from yizhan_cli.client import service_edge
from yizhan_cli.lag import Lags
from yizhan_cli.options import AsJson, KafkaUrl, Namespace, ReceiptsUrl, TimeoutS, Token
from yizhan_cli.output import say, show_json, show_table
from yizhan_cli.settings import kafka_settings

_STATUSES = ("delivered", "failed", "unknown", "expired", "cancelled")
_LANES = ("country", "lane", "accepted", *_STATUSES, "in flight")
_CHANNELS = (
    "channel", "claimed", "under way",
    "submitted", "refused", "failed", "in-doubt", "unroutable", "expired", "awaiting receipt",
)  # fmt: skip
_LEAKS_FOUND = 1


def conservation(
    *,
    hours: Annotated[float, typer.Option(min=0.01, help="How far back to look.")] = 24.0,
    slice_minutes: Annotated[
        float, typer.Option(min=1, help="How much is asked for at a time.")
    ] = 10.0,
    receipts_url: ReceiptsUrl = None,
    adapter_url: Annotated[
        str | None,
        typer.Option(
            "--adapter-url",
            envvar="YIZHAN_ADAPTER_URL",
            help="Else the profile's, else the stack's.",
        ),
    ] = None,
    kafka_url: KafkaUrl = None,
    namespace: Namespace = None,
    token: Token = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 60.0,
) -> None:
    """Count messages by country and lane and attempts by channel, and name every leak by its id.

    What the groups have not read yet is shown too: the ledger cannot have counted it.

    Exit code: 0 it holds, 1 there are leaks, 5 a service or Kafka is away or refuses.
    """
    from yizhan_cli.kafka import run
    from yizhan_cli.lag import read_lags

    receipts = service_edge("receipts", receipts_url, token)
    adapter = service_edge("carrier-adapter", adapter_url, token)
    settings = kafka_settings(kafka_url, namespace)
    lags = run(read_lags(settings), settings, timeout_s)
    until = datetime.now(UTC)
    slices = list(
        slices_of(until - timedelta(hours=hours), until, timedelta(minutes=slice_minutes))
    )
    balance = ask_balance(receipts, adapter, slices, timeout_s)
    show_json(_json(balance, lags)) if as_json else _show(balance, lags)
    if not balance.holds:
        raise typer.Exit(_LEAKS_FOUND)


def _show(balance: Balance, lags: Lags) -> None:
    lanes = sorted(balance.lanes.items())
    show_table(_LANES, [[*key, *_cells(_LANES[2:], counts)] for key, counts in lanes])
    channels = sorted(balance.channels.items())
    show_table(_CHANNELS, [[name, *_cells(_CHANNELS[1:], counts)] for name, counts in channels])
    behind = [(group, topic, lag) for group, its in lags.items() for topic, lag in its.items()]
    if behind:
        show_table(("group", "topic", "records not read yet"), sorted(behind))
    if balance.in_doubt:
        say(f"{len(balance.in_doubt)} claims without an outcome are in doubt in the ledger")
    leaks = [(kind, one) for kind, ids in sorted(balance.leaks.items()) for one in ids]
    if leaks:
        show_table(("leak", "id"), leaks)
    say("it holds" if balance.holds else f"it does not hold: {len(leaks)} leaks")


def _cells(names: tuple[str, ...], counts: Mapping[str, int]) -> list[int]:
    return [counts.get(name, 0) for name in names]


def _json(balance: Balance, lags: Lags) -> dict[str, Any]:
    return {
        "holds": balance.holds,
        "lanes": [
            {"country": country, "lane": lane, **counts}
            for (country, lane), counts in sorted(balance.lanes.items())
        ],
        "channels": [
            {"channel": name, **counts} for name, counts in sorted(balance.channels.items())
        ],
        "in_doubt": balance.in_doubt,
        "leaks": balance.leaks,
        "lag": lags,
    }
