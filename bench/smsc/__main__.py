"""``make bench-smsc``: the whole system over SMPP against a message centre that nobody here wrote.

Sends shipment events through one SMPP channel, three times for each number of carrier-adapters:
under a rate (`--tps`), as fast as a window takes answers that come late, and the same with kill -9
of an adapter in the middle. Counts at the message centre and at the customer: all taken, once but
for what is in doubt, which is a window at most; all receipts matched; the rate within 2 %; the
window full. Exit 1 when one of these is not so.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp
import yaml

from bench.configuration import CONFIG, configuration
from bench.kannel.pipeline import Pushes
from bench.load import publish_events, shipment_events
from bench.smsc.doubt import count_in_doubt
from bench.smsc.peer import Options, Peer
from yizhan_local.servers import PrivateServers
from yizhan_local.stack import Stack

WORK = Path(".local/smsc-run")
OUT = Path("bench/out")
LIMITS = ["tps", "window", "kill"]
_EDGE = 0.1
"""The first and last tenth of a run are its ramps: its rate is that of the rest."""
_MOST_OFF = 0.02


@dataclass(frozen=True)
class Run:
    """What is limited: by the rate, or by the window and answers that are late."""

    instances: int
    tps: float
    window: int
    latency_ms: int
    limit: Literal["tps", "window", "kill"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-smsc", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--tps", type=float, default=250)
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--limit", nargs="+", choices=LIMITS, default=LIMITS)
    parser.add_argument("--latency-ms", type=int, default=250, help="of answers, beside a window")
    parser.add_argument("--within", type=float, default=120, help="seconds to wait for the last")
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> int:
    """Run them all and print each."""
    faults = 0
    for instances in arguments.instances:
        for run in (
            Run(instances, arguments.tps, 10 * arguments.window, 0, "tps"),
            Run(instances, 50_000, arguments.window, arguments.latency_ms, "window"),
            Run(instances, 50_000, arguments.window, arguments.latency_ms, "kill"),
        ):
            if run.limit in arguments.limit:
                faults += await _run(run, arguments)
    return 1 if faults else 0


async def _run(run: Run, arguments: argparse.Namespace) -> int:
    options = Options(receipt_ms=300, latency_ms=run.latency_ms, to="any")
    async with Peer(options) as centre:
        os.environ["BENCH_SMSC"] = f"127.0.0.1:{centre.port}"
        source = _source(run)
        servers = PrivateServers(WORK / "servers")
        async with servers:
            stack = Stack(
                source, WORK, servers=servers, namespace=f"smsc-{secrets.token_hex(3)}.",
                instances={"carrier-adapter": run.instances},
            )  # fmt: skip
            async with stack:
                killing = asyncio.create_task(_kill(run, stack, centre, arguments.messages))
                customer = await _load(stack, arguments)
                killing.cancel()
                counts = await _settle(centre, arguments.messages)
                state = stack.state()
                doubt = await count_in_doubt(state["kafka_url"], state["namespace"])
                counts["in_doubt"] = doubt
    return _report(run, arguments.messages, counts, customer)


def _source(run: Run) -> Path:
    overlay = WORK / "overlay"
    overlay.mkdir(parents=True, exist_ok=True)
    table = yaml.safe_load((CONFIG / "bench-smpp" / "channels.yaml").read_text())
    table["channels"][0].update(tps=run.tps, window=run.window)
    (overlay / "channels.yaml").write_text(yaml.safe_dump(table))
    for left in ("source", "records"):  # what the customer counted of the run before, too
        shutil.rmtree(WORK / left, ignore_errors=True)
    return configuration(WORK, overlay)


async def _load(stack: Stack, arguments: argparse.Namespace) -> dict[str, Any]:
    """Publish the events, wait for the pushes; return what the customer counted."""
    state = stack.state()
    events = shipment_events(arguments.messages, secrets.token_hex(3), random.Random(11))
    async with aiohttp.ClientSession() as http:
        pushes = Pushes(http, stack.simulators_url)
        await publish_events(state["kafka_url"], state["namespace"], events, 0)
        await pushes.wait_for(arguments.messages, arguments.within)
        return await pushes.summary()


async def _kill(run: Run, stack: Stack, centre: Peer, messages: int) -> None:
    """Kill an adapter, with signal 9, when half of the messages are handed over."""
    while run.limit == "kill":
        if (await centre.counts())["submits"] >= messages // 2:
            stack.kill("carrier-adapter")
            return
        await asyncio.sleep(0.2)


async def _settle(centre: Peer, messages: int) -> dict[str, Any]:
    """Read the message centre's counts once every receipt is answered."""
    for _ in range(50):
        counts = await centre.counts()
        if counts["receipts_taken"] >= messages:
            break
        await asyncio.sleep(0.1)
    return counts


def _report(run: Run, messages: int, counts: dict[str, Any], customer: dict[str, Any]) -> int:
    rate = _steady_rate(counts["times_ms"])
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"smsc-{run.instances}-{run.limit}.json").write_text(json.dumps(counts))
    kind = f"tps {run.tps:g}" if run.limit == "tps" else f"window {run.window}, {run.latency_ms} ms"
    kind += ", one killed" if run.limit == "kill" else ""
    print(
        f"{run.instances} adapters, {kind}: {counts['submits']} submits of {messages}, "
        f"twice {counts['twice']}, receipts taken {counts['receipts_taken']}, delivered "
        f"{customer['last']['0']}, failed {customer['last']['1']}, pushed twice "
        f"{len(customer['sms_ids_twice'])}, in doubt {counts['in_doubt']}; {rate:.1f}/s, at most "
        f"{counts['open_most']} unanswered on {counts['binds']} binds"
    )
    faults = list(_faults(run, messages, counts, customer, rate))
    for fault in faults:
        print(f"  NOT SO: {fault}")
    return len(faults)


def _faults(
    run: Run, messages: int, counts: dict[str, Any], customer: dict[str, Any], rate: float
) -> Iterator[str]:
    if counts["distinct"] != messages or counts["twice"] > counts["in_doubt"]:
        yield "each message is taken, and only those in doubt twice"
    if counts["in_doubt"] > (run.window if run.limit == "kill" else 0):
        yield "nothing is in doubt but the window of what was killed"
    # Whom an attempt in doubt reached, its receipt cannot say: this centre echoes no reference.
    unmatched = messages - customer["last"]["0"]
    if counts["receipts_taken"] != counts["submits"] or unmatched > counts["in_doubt"]:
        yield "every receipt is matched, but of what is in doubt"
    if run.limit == "tps" and abs(rate / run.tps - 1) > _MOST_OFF:
        yield f"the rate is within {_MOST_OFF:.0%} of {run.tps:g}/s: {rate / run.tps - 1:+.1%}"
    if run.limit == "window" and counts["open_most"] != run.window * run.instances:
        yield f"the window is full: {counts['open_most']} of {run.window * run.instances}"


def _steady_rate(times_ms: Sequence[int]) -> float:
    edge = int(len(times_ms) * _EDGE)
    steady = times_ms[edge : len(times_ms) - edge]
    if len(steady) < 2 or steady[-1] == steady[0]:
        return 0.0
    return (len(steady) - 1) / (steady[-1] - steady[0]) * 1000


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
