"""``make bench``: the whole pipeline under load, on real servers, with simulated carriers.

Prints messages a second, p50/p95/p99 of every stage, and CPU microseconds and bytes written per
message of every process. Figures of one run on one machine: compare in one run, quote ratios.
``python -m bench routing`` and ``... choose`` are benches of their own, without servers.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import choose
from bench.configuration import CONFIG, configuration
from bench.load import SettledCounter, post_messages, publish_events, shipment_events
from bench.meters import METERS, per_thousand, read_meters
from bench.processes import Spent, spent_by_all
from bench.routing import __main__ as routing
from bench.stages import quantile, read_timelines, stage_seconds
from yizhan_local.servers import PrivateServers
from yizhan_local.stack import Stack

WORK = Path(".local/bench")
OUT = Path("bench/out")
EVENTS = "shipment events on Kafka -> settled"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("way", nargs="?", choices=["events", "http", "all"], default="all")
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--http-messages", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--smpp", action="store_true", help="carriers by SMPP, not HTTP")
    parser.add_argument("--rate", type=float, default=0, help="events a second; 0: flat out")
    parser.add_argument("--warm", type=int, default=2_000, help="messages that are not measured")
    parser.add_argument("--within", type=float, default=240, help="seconds to wait for the last")
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> int:
    """Run the chosen loads one after the other on one stack."""
    namespace = f"bench-{secrets.token_hex(3)}."
    results: list[dict[str, Any]] = []
    async with AsyncExitStack() as rest:
        servers = PrivateServers(WORK / "servers")
        await rest.enter_async_context(servers)
        overlay = CONFIG / ("bench-smpp" if arguments.smpp else "bench")
        source = configuration(WORK, overlay)
        stack = Stack(source, WORK, servers=servers, namespace=namespace)
        os.environ["BENCH_SMSC"] = stack.plan.smpp_url.removeprefix("smpp://")
        await rest.enter_async_context(stack)
        bench = Bench(stack, arguments)
        await bench.events(arguments.warm, "warm-up")
        if arguments.way in {"events", "all"}:
            results.append(await bench.events(arguments.messages, EVENTS))
        if arguments.way in {"http", "all"}:
            results.append(await bench.http(arguments.http_messages))
    _keep(results)
    return 0 if all(result["settled"] >= result["accepted"] for result in results) else 1


class Bench:
    """Loads one stack."""

    def __init__(self, stack: Stack, arguments: argparse.Namespace) -> None:
        self._stack = stack
        self._state = stack.state()
        self._arguments = arguments
        self._random = random.Random(11)

    async def events(self, count: int, title: str) -> dict[str, Any]:
        """Shipment events on Kafka until all have settled."""
        events = shipment_events(count, secrets.token_hex(3), self._random)
        kafka = self._state["kafka_url"], self._state["namespace"]
        async with SettledCounter(*kafka) as settled:
            meters, before, begun = await self._meters(), self._spent(), time.monotonic()
            published = await publish_events(*kafka, events, self._arguments.rate)
            done = await settled.wait_for(count, self._arguments.within)
            seconds, spent = time.monotonic() - begun, self._since(before)
            did = per_thousand(meters, await self._meters(), done, self._urls())
        channels = [channel["channel"] for channel in self._state["channels"]["channels"]]
        timelines = await read_timelines(*kafka, channels, published)
        mine = [line for line in timelines.values() if "published" in line.at]
        result = _result(title, count, done, seconds, spent, stage_seconds(mine))
        result["per_1000_messages"] = did
        _print(result)
        return result

    async def http(self, count: int) -> dict[str, Any]:
        """One message per request until all have settled."""
        account = self._state["account"]
        async with SettledCounter(self._state["kafka_url"], self._state["namespace"]) as settled:
            before, begun = self._spent(), time.monotonic()
            load = await post_messages(
                self._stack.url("ingest"),
                account["key"] + "-bench",
                account["secret"],
                count,
                self._arguments.connections,
                self._random,
            )
            taken_s = time.monotonic() - begun
            done = await settled.wait_for(load.accepted, self._arguments.within)
            seconds, spent = time.monotonic() - begun, self._since(before)
        result = _result(
            "one message per HTTP request -> settled", load.accepted, done, seconds, spent,
            {"answered": load.seconds},
        )  # fmt: skip
        result["requests_per_s"] = round(count / taken_s)
        result["refused"] = load.refused
        _print(result)
        return result

    def _urls(self) -> dict[str, str]:
        return {name: one["url"] for name, one in self._stack.state()["services"].items()}

    async def _meters(self) -> dict[str, dict[str, float]]:
        return await read_meters(self._urls())

    def _spent(self) -> dict[str, Spent]:
        state = self._stack.state()
        pids = {name: one["pid"] for name, one in state["services"].items()}
        pids["simulators"] = state["simulators"]["pid"]
        pids |= {name: one["pid"] for name, one in state["servers"].items() if "pid" in one}
        pids["load generator"] = os.getpid()
        return spent_by_all(pids)

    def _since(self, before: dict[str, Spent]) -> dict[str, Spent]:
        return {name: now - before[name] for name, now in self._spent().items() if name in before}


def _result(
    title: str,
    accepted: int,
    settled: int,
    seconds: float,
    spent: dict[str, Spent],
    stages: dict[str, list[float]],
) -> dict[str, Any]:
    return {
        "title": title,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "accepted": accepted,
        "settled": settled,
        "seconds": round(seconds, 2),
        "messages_per_s": round(settled / seconds),
        "stages_ms": {
            stage: {f"p{q}": round(quantile(values, q / 100) * 1000, 1) for q in (50, 95, 99)}
            for stage, values in stages.items()
        },
        "per_message": {
            name: {
                "cpu_us": round(used.cpu_s / max(settled, 1) * 1e6),
                "bytes_written": round(used.written / max(settled, 1)),
            }
            for name, used in sorted(spent.items(), key=lambda item: -item[1].cpu_s)
        },
    }


def _print(result: dict[str, Any]) -> None:
    print(f"\n{result['title']}")
    print(
        f"  {result['settled']} of {result['accepted']} settled in {result['seconds']} s: "
        f"{result['messages_per_s']} messages/s"
    )
    if "requests_per_s" in result:
        print(f"  {result['requests_per_s']} requests/s; refused: {result['refused'] or 'none'}")
    print(f"  {'stage (since the one before)':32} {'p50 ms':>10} {'p95 ms':>10} {'p99 ms':>10}")
    for stage, ms in result["stages_ms"].items():
        print(f"  {stage:32} {ms['p50']:>10} {ms['p95']:>10} {ms['p99']:>10}")
    print(f"  {'process':32} {'CPU us/msg':>10} {'bytes/msg':>10}")
    for name, used in result["per_message"].items():
        print(f"  {name:32} {used['cpu_us']:>10} {used['bytes_written']:>10}")
    if "per_1000_messages" in result:
        print(f"  {'per 1,000 messages':24} " + " ".join(f"{meter:>12}" for meter in METERS))
        for name, did in result["per_1000_messages"].items():
            print(f"  {name:24} " + " ".join(f"{did[meter]:>12}" for meter in METERS))
    total = sum(used["cpu_us"] for used in result["per_message"].values())
    print(f"  {'all':32} {total:>10}", flush=True)


def _keep(results: list[dict[str, Any]]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    (OUT / f"{name}.json").write_text(json.dumps(results, indent=2))


def _alone(name: str, arguments: list[str]) -> int | None:
    """Run a bench that needs no stack; None where ``name`` is none of these."""
    match name:
        case "routing":
            return routing.main(arguments)
        case "choose":
            return choose.main(arguments)
        case _:
            return None


if __name__ == "__main__":
    done = _alone(sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else None
    raise SystemExit(asyncio.run(main(_arguments())) if done is None else done)
