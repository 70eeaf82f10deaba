"""``python -m bench.ledger flow|kill``: receipts alone, on a real Kafka and a real mongod.

flow: messages and facts a second, CPU a message, and bare inserts of the same documents.
kill: two instances; each of them, mongod and the customers are killed while receipts come.
"""

import argparse
import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.ledger.flow import measure, measure_bare
from bench.ledger.house import open_house
from bench.ledger.kills import kill_everything

OUT = Path("bench/out")
_PATIENT = {"YIZHAN_RECEIPTS_FULL_SWEEP_PERIOD_S": "10"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("what", choices=["flow", "kill"])
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--warm", type=int, default=5_000, help="messages that are not measured")
    parser.add_argument("--within", type=float, default=300, help="seconds to wait for the last")
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> int:
    """Run one of the two, print and keep what was seen."""
    result = await (_flow if arguments.what == "flow" else _kill)(arguments)
    result["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    print(json.dumps(result, indent=2))
    _keep(arguments.what, result)
    return 0 if result["holds"] else 1


def _keep(what: str, result: dict[str, Any]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    (OUT / f"ledger-{what}-{name}.json").write_text(json.dumps(result, indent=2))


async def _flow(arguments: argparse.Namespace) -> dict[str, Any]:
    async with open_house() as house:
        await measure(house, arguments.warm, arguments.within)
        seen = await measure(house, arguments.messages, arguments.within)
        bare = await asyncio.to_thread(measure_bare, house)
    ratio = seen["documents_per_s"] / bare["documents_per_s"]
    return {
        "ledger": seen,
        "bare": bare,
        "ratio": round(ratio, 2),
        "holds": seen["settled"] == seen["messages"],
    }


async def _kill(arguments: argparse.Namespace) -> dict[str, Any]:
    async with open_house(2, _PATIENT) as house:
        return await kill_everything(house, arguments.messages, arguments.within)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
