"""``python -m bench.feeds``: a feed of receipts that is cut, and receipts that come too late.

``cut``: 50,000 messages whose account wants a call when an SMS fails, and no receipt of any; then
all receipts come. ``late``: 1,000 receipts among 10,000 come past their deadline. Receipts runs as
two processes, on a Kafka and a mongod of its own, with a customer over HTTP. Exit 1 if there was a
storm of calls, or anything was lost or told wrongly.
"""

import argparse
import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.feeds.corner import Corner, open_corner, until
from bench.feeds.story import (
    CHANNEL,
    WITH_CALL,
    WITHOUT_CALL,
    accepted,
    delivered,
    handed_over,
    publish,
)

OUT = Path("bench/out")
_DEADLINE_S = 20
_SOON: dict[str, Any] = {
    "look_again_s": 5,
    "look_again_most_s": 15,
    "grace_s": 10,
    "longest_s": 3600,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.feeds", description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="WAY", help="cut, late, storm; cut and late")
    parser.add_argument("--messages", type=int, default=50_000, help="of a cut feed")
    parser.add_argument("--late", type=int, default=1000, help="receipts, among ten times as many")
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument(
        "--kill", action="store_true", help="kill -9 one of them while cut, and while it comes back"
    )
    parser.add_argument("--watched", type=float, default=60, help="seconds that a cut feed lasts")
    parser.add_argument("--within", type=float, default=240, help="seconds to wait for anything")
    return parser.parse_args()


async def cut(arguments: argparse.Namespace, *, watched: bool = True) -> dict[str, Any]:
    """Cut the feed of all messages, watch, and let it come back. Without watching: a storm."""
    terms = _SOON | ({} if watched else {"never": [CHANNEL]})
    within = timedelta(seconds=arguments.within)
    async with open_corner(_waiting(terms), arguments.instances) as corner:
        messages = accepted(arguments.messages, WITH_CALL, timedelta(hours=1))
        await publish(*corner.kafka, handed_over(messages))

        async def is_due() -> bool:
            before = {"$lt": datetime.now(UTC) - timedelta(seconds=5)}
            due = await corner.count("facts", kind="submitted", receipt_due_at=before)
            return due == len(messages)

        due_s = await until(is_due, "all overdue", within)
        _kill(corner, arguments, "receipts-1")
        await asyncio.sleep(arguments.watched)
        result = {
            "messages": len(messages),
            "all_overdue_after_s": due_s,
            "calls_while_cut": await corner.calls(),
            "settled_while_cut": await corner.count("settled"),
            "held_back_facts": await corner.count("facts", kind="held-back"),
            "feeds": await corner.feeds(),
        }
        if watched:
            result |= await _come_back(corner, arguments, messages)
        return result | {"is_good": _is_calm(result, len(messages)) if watched else True}


async def _come_back(
    corner: Corner, arguments: argparse.Namespace, messages: list[Any]
) -> dict[str, Any]:
    within = timedelta(seconds=arguments.within)
    await publish(*corner.kafka, map(delivered, messages))
    _kill(corner, arguments, "receipts-2")

    async def is_settled() -> bool:
        return await corner.count("settled", status="delivered") == len(messages)

    async def is_pushed() -> bool:
        return await corner.pushed() == len(messages)

    settled_s = await until(is_settled, "all settled", within)
    pushed_s = await until(is_pushed, "all pushed", within)
    await asyncio.sleep(2 * _SOON["look_again_most_s"])
    return {
        "settled_after_s": settled_s,
        "pushed_after_s": round(settled_s + pushed_s, 1),
        "revisions": await corner.revisions(),
        "pushed": _words(await corner.heard()),
        "calls_in_all": await corner.calls(),
        "holds": (await corner.balance())["holds"],
        "feeds_back": await corner.feeds(),
    }


async def late(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keep one receipt in ten until its message is settled as unknown."""
    within = timedelta(seconds=arguments.within)
    async with open_corner(_waiting(_SOON), arguments.instances) as corner:
        messages = accepted(10 * arguments.late, WITHOUT_CALL, timedelta(0))
        await publish(*corner.kafka, handed_over(messages))
        held = messages[::10]
        kept = {message.message_id for message in held}
        in_time = [message for message in messages if message.message_id not in kept]
        await publish(*corner.kafka, map(delivered, in_time))

        async def is_unknown() -> bool:
            return await corner.count("settled", status="unknown") == len(held)

        async def is_told() -> bool:
            return await corner.pushed() == len(messages)

        unknown_s = await until(is_unknown, "the late ones unknown", within)
        await until(is_told, "all pushed", within)
        before = _words(await corner.heard())
        await publish(*corner.kafka, map(delivered, held))

        async def is_corrected() -> bool:
            return (await corner.heard())[("1", "0")] == len(held)

        corrected_s = await until(is_corrected, "the late ones pushed again", within)
        await asyncio.sleep(5)
        result = {
            "messages": len(messages),
            "late": len(held),
            "unknown_after_s": unknown_s,
            "pushed_before": before,
            "corrected_after_s": corrected_s,
            "pushed": _words(await corner.heard()),
            "revisions": await corner.revisions(),
            "held_back_facts": await corner.count("facts", kind="held-back"),
            "holds": (await corner.balance())["holds"],
        }
    wanted = {"0": len(messages) - len(held), "1 0": len(held)}
    is_once = result["pushed"] == wanted and result["revisions"].get(2) == len(held)
    return result | {"is_good": is_once and result["holds"]}


def _kill(corner: Corner, arguments: argparse.Namespace, name: str) -> None:
    """Kill an instance, where that is asked for and there is another."""
    if arguments.kill and arguments.instances > 1:
        corner.stack.kill(name)


def _keep(results: dict[str, Any]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S-feeds")
    (OUT / f"{name}.json").write_text(json.dumps(results, indent=2, default=str))


def _waiting(terms: dict[str, Any]) -> dict[str, Any]:
    return {"deadlines": {"default_s": _DEADLINE_S}, "missing_feeds": terms}


def _is_calm(result: dict[str, Any], messages: int) -> bool:
    return bool(
        result["calls_in_all"] == 0
        and result["settled_while_cut"] == 0
        and result["revisions"] == {1: messages}
        and result["holds"]
    )


def _words(heard: Any) -> dict[str, int]:  # noqa: ANN401 - a Counter of tuples
    return {" ".join(statuses): count for statuses, count in sorted(heard.items())}


async def main(arguments: argparse.Namespace) -> int:
    """Run what is asked for, print it, keep it; 0 when all was as it should be."""
    ways = {
        "cut": lambda: cut(arguments),
        "late": lambda: late(arguments),
        "storm": lambda: cut(arguments, watched=False),
    }
    results = {}
    for way in arguments.ways or ("cut", "late"):
        results[way] = await ways[way]()
        print(way)
        for name, value in results[way].items():
            print(f"  {name.replace('_', ' '):24} {value}", flush=True)
    _keep(results)
    return 0 if all(result["is_good"] for result in results.values()) else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(_arguments())))
