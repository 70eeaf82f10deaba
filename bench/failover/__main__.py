"""``python -m bench.failover``: a carrier broken by command, three routers, one killed meanwhile.

``break`` tells who saw it when, how soon traffic left and came back; ``queue`` what became of
messages that were queued on a channel that died. Everything is counted at the carriers' end and on
the topics. Figures of one run on one machine.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.failover import broken, queued

OUT = Path("bench/out")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=__doc__)
    ways = parser.add_subparsers(dest="way", required=True)
    breaking = ways.add_parser("break", help="a carrier is broken and mended")
    breaking.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(broken.FAULTS))
    breaking.add_argument("--rate", type=float, default=100, help="messages a second")
    breaking.add_argument("--broken", type=float, default=20, help="seconds")
    breaking.add_argument("--after", type=float, default=35, help="seconds of load once mended")
    queueing = ways.add_parser("queue", help="messages are queued on a channel that dies")
    queueing.add_argument("--messages", type=int, default=10_000)
    queueing.add_argument("--queued", type=float, default=15, help="seconds before it dies")
    queueing.add_argument("--within", type=float, default=240, help="seconds to wait for the last")
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> int:
    """Run what is asked for, print it, keep it; 0 when nothing was lost and nothing sent twice."""
    results = [result async for result in _results(arguments)]
    _keep(results)
    return 0 if all(map(_is_good, results)) else 1


async def _results(arguments: argparse.Namespace) -> AsyncIterator[dict[str, Any]]:
    if arguments.way == "queue":
        yield _shown(await queued.run(arguments.messages, arguments.queued, arguments.within))
        return
    for fault in arguments.faults or broken.FAULTS:
        yield _shown(
            await broken.run(
                fault,
                rate=arguments.rate,
                broken_s=arguments.broken,
                after_s=arguments.after,
            )
        )


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    for name, value in result.items():
        print(f"  {name.replace('_', ' '):40} {value}")
    print(flush=True)
    return result


def _keep(results: list[dict[str, Any]]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S-failover")
    (OUT / f"{name}.json").write_text(json.dumps(results, indent=2))


def _is_good(result: dict[str, Any]) -> bool:
    return (
        result["settled"] >= result["messages"]
        and result["attempts_taken_twice"] == 0
        and not result.get("taken_after_validity")
    )


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
