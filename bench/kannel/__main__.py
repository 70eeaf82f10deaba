"""``make bench-kannel``: the whole pipeline and Debian's Kannel in turns, several times.

Both speak SMPP to one message centre that neither wrote, npm's `smpp` (or, with --smsc ours, the
simulator, which costs less). Kannel: one HTTP request a message, receipts out by HTTP, everything
in its memory. Yizhan: shipment events on Kafka, every step durable, receipts pushed to the
customer. A round ends when the last receipt, or push, is with its receiver. Installs both peers
when they are absent (Kannel by apt-get, as root). Figures of one run: quote ratios.
"""

import argparse
import asyncio
import json
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.kannel.alone import kannel_round
from bench.kannel.load import Load
from bench.kannel.ours import simulated_centre
from bench.kannel.pipeline import pipeline_round
from bench.smsc.peer import Options, Peer

WORK = Path(".local/kannel")
OUT = Path("bench/out")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-kannel", description=__doc__)
    parser.add_argument("which", nargs="?", choices=["both", "kannel", "yizhan"], default="both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--warm", type=int, default=2_000, help="messages that are not measured")
    parser.add_argument("--window", type=int, default=1_000, help="Kannel's unanswered submits")
    parser.add_argument("--close", action="store_true", help="Kannel: each request connects anew")
    parser.add_argument("--store", action="store_true", help="Kannel: messages in a spool of files")
    parser.add_argument("--smsc", choices=["npm", "ours"], default="npm")
    parser.add_argument("--receipt-ms", type=int, default=500, help="from answer to receipt")
    parser.add_argument("--within", type=float, default=240, help="seconds to wait for the last")
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> int:
    """Run the rounds and print them."""
    sides = ["kannel", "yizhan"] if arguments.which == "both" else [arguments.which]
    results = []
    for _ in range(arguments.rounds):
        for side in sides:
            results.append(await _round(side, arguments))
            _print(results[-1])
    _compare(results)
    _keep(results)
    return 0 if all(result["done"] == result["sent"] for result in results) else 1


async def _round(side: str, arguments: argparse.Namespace) -> dict[str, Any]:
    load = Load(
        count=arguments.messages,
        warm=arguments.warm,
        window=arguments.window,
        within_s=arguments.within,
        is_kept=not arguments.close,
        is_stored=arguments.store,
    )
    run = kannel_round if side == "kannel" else pipeline_round
    async with _centre(arguments) as (port, pid):
        return await run(WORK / side, port, pid, load)


@asynccontextmanager
async def _centre(arguments: argparse.Namespace) -> AsyncIterator[tuple[int, int]]:
    """Run the message centre; give the port it takes binds on, and its process."""
    if arguments.smsc == "npm":
        async with Peer(Options(receipt_ms=arguments.receipt_ms)) as peer:
            yield peer.port, peer.pid
    else:
        async with simulated_centre(arguments.receipt_ms) as (port, pid):
            yield port, pid


def _print(result: dict[str, Any]) -> None:
    spent = sorted(result["cpu_us"].items(), key=lambda item: -item[1])
    print(
        f"{result['what']}: {result['done']} of {result['sent']} in {result['seconds']:.1f} s: "
        f"{_rate(result):.0f} messages/s; CPU us/message: {sum(used for _, used in spent):.0f} = "
        + " + ".join(f"{name} {used:.0f}" for name, used in spent),
        flush=True,
    )


def _compare(results: list[dict[str, Any]]) -> None:
    rates = {
        what: [_rate(result) for result in results if result["what"] == what]
        for what in ("kannel", "yizhan")
    }
    for what, found in rates.items():
        if found:
            print(f"{what}: median {statistics.median(found):.0f} messages/s of {len(found)}")
    if all(rates.values()):
        ratio = statistics.median(rates["yizhan"]) / statistics.median(rates["kannel"])
        print(f"yizhan : kannel = {ratio:.2f}")


def _rate(result: dict[str, Any]) -> float:
    return float(result["done"] / result["seconds"])


def _keep(results: list[dict[str, Any]]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S-kannel")
    (OUT / f"{name}.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
