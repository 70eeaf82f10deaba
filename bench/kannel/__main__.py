"""``make bench-kannel``: what Debian's Kannel does on this machine, against npm's message centre.

Installs both when they are absent (Kannel by apt-get, as root). Kannel: one HTTP request a message,
SMPP to the message centre, the receipt out by HTTP; everything in its memory. A round ends when the
last receipt has come out. Figures of one run on one machine: quote ratios.
"""

import argparse
import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.kannel.alone import Load, kannel_round
from bench.smsc.peer import Options, Peer

WORK = Path(".local/kannel")
OUT = Path("bench/out")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-kannel", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--warm", type=int, default=1_000, help="messages that are not measured")
    parser.add_argument("--window", type=int, default=1_000, help="submits without an answer")
    parser.add_argument("--close", action="store_true", help="a connection for each request")
    parser.add_argument("--receipt-ms", type=int, default=500, help="from answer to receipt")
    parser.add_argument("--within", type=float, default=120, help="seconds to wait for the last")
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> int:
    """Run the rounds and print them."""
    results = []
    for _ in range(arguments.rounds):
        results.append(await _kannel(arguments))
        _print(results[-1])
    _keep(results)
    return 0 if all(result["done"] == result["sent"] for result in results) else 1


async def _kannel(arguments: argparse.Namespace) -> dict[str, Any]:
    load = Load(
        count=arguments.messages,
        warm=arguments.warm,
        window=arguments.window,
        within_s=arguments.within,
        is_kept=not arguments.close,
    )
    async with Peer(Options(receipt_ms=arguments.receipt_ms)) as centre:
        return await kannel_round(WORK, centre.port, centre.pid, load)


def _print(result: dict[str, Any]) -> None:
    rate = result["done"] / result["seconds"]
    print(
        f"{result['what']}: {result['done']} of {result['sent']} in {result['seconds']:.1f} s: "
        f"{rate:.0f} messages/s; CPU us/message: "
        + ", ".join(f"{name} {used:.0f}" for name, used in result["cpu_us"].items())
        + f", all {sum(result['cpu_us'].values()):.0f}",
        flush=True,
    )


def _keep(results: list[dict[str, Any]]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S-kannel")
    (OUT / f"{name}.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
