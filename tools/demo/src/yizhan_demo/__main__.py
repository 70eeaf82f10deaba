"""``make demo``: the main job from end to end, on real servers, with a conservation check.

Exit code 0: it held.
"""

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import time
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.status import Status

from yizhan_contracts.events import NO_CHANNEL
from yizhan_demo import printing
from yizhan_demo.addresses import Addresses, DemoError, from_environment
from yizhan_demo.morning import HANDSETS, Morning, Outcome, count_at_the_ends
from yizhan_demo.parties import Parties
from yizhan_demo.topics import Publisher, Watch
from yizhan_demo.upstream import Upstream

CONFIG = Path("deploy/config")
WORK = Path(".local/demo")
PROVIDER = "lyra-voice"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--events", type=int, default=400, help="good shipment events to publish (400)"
    )
    parser.add_argument("--rate", type=float, default=25.0, help="events a second (25)")
    parser.add_argument("--seed", type=int, default=7, help="what the shipments are drawn from")
    parser.add_argument(
        "--within", type=float, default=120.0, help="seconds to wait for everything to settle"
    )
    parser.add_argument(
        "--attach",
        action="store_true",
        help="use a stack that runs, named by the environment, instead of starting one",
    )
    return parser.parse_args()


async def main(arguments: argparse.Namespace, console: Console) -> int:
    """Run the morning on a stack of its own, or on one that runs; print what came of it."""
    begun = time.monotonic()
    async with AsyncExitStack() as rest:
        if arguments.attach:
            addresses = from_environment()
        else:
            addresses = await _start_stack(rest, console)
            console.print(f"Up after {time.monotonic() - begun:.0f} s. Logs: {WORK}/logs")
        outcome = await _morning(addresses, arguments, console)
        printing.print_outcome(console, outcome)
        await _stories(addresses, outcome, console)
        console.print(f"\n{time.monotonic() - begun:.0f} s in all.")
    return 0 if outcome.verdict.holds else 1


async def _start_stack(rest: AsyncExitStack, console: Console) -> Addresses:
    """Start servers, services and simulators, in a namespace of their own."""
    # Not there in a container that attaches.
    from yizhan_local.errors import StackError  # noqa: PLC0415
    from yizhan_local.stack import Stack  # noqa: PLC0415

    shutil.rmtree(WORK / "records", ignore_errors=True)
    stack = Stack(CONFIG, WORK, namespace=f"demo-{secrets.token_hex(3)}.")
    console.print(
        "[bold]Yizhan[/]: shipment events in; SMS, receipts and calls out. Starting Kafka, MongoDB,"
    )
    console.print(
        "five services and the simulated carriers. The first start downloads Kafka and mongod."
    )
    try:
        with console.status("starting"):
            await rest.enter_async_context(stack)
    except StackError as error:
        raise DemoError(str(error)) from error
    state = stack.state()
    return Addresses(
        kafka_url=state["kafka_url"],
        namespace=state["namespace"],
        simulators_url=stack.simulators_url,
        receipts_url=stack.url("receipts"),
        internal_token=state["services"]["receipts"]["env"].get("YIZHAN_INTERNAL_TOKEN", ""),
        channels=tuple(channel["channel"] for channel in state["channels"]["channels"]),
    )


async def _morning(
    addresses: Addresses, arguments: argparse.Namespace, console: Console
) -> Outcome:
    upstream = Upstream(arguments.seed, secrets.token_hex(3), arguments.events)
    async with AsyncExitStack() as open_:
        session = await open_.enter_async_context(aiohttp.ClientSession())
        kafka = addresses.kafka_url, addresses.namespace
        publisher = await open_.enter_async_context(Publisher(*kafka))
        watch = await open_.enter_async_context(Watch(*kafka, [*addresses.channels, NO_CHANNEL]))
        parties = Parties(addresses.simulators_url, session)
        for channel in addresses.channels:
            await parties.behave(
                "carriers", channel, {"receipt": {"numbers": HANDSETS, "duplicate_ratio": 0.05}}
            )
        morning = Morning(watch, parties, upstream, arguments.rate)
        with console.status("publishing") as status:
            await morning.publish(publisher, lambda m: _show(status, m))
            await morning.settle(lambda m: _show(status, m), arguments.within)
        console.print(printing.progress_line(morning))
        return await count_at_the_ends(morning, PROVIDER)


def _show(status: Status, morning: Morning) -> None:
    status.update(printing.progress_line(morning))


async def _stories(addresses: Addresses, outcome: Outcome, console: Console) -> None:
    for title, message_id in (
        ("One message that failed over", printing.failed_over_message(outcome)),
        ("One message that was read out in a call", printing.called_message(outcome)),
    ):
        story = await _story(addresses, message_id) if message_id else None
        printing.print_story(console, title, story)


async def _story(addresses: Addresses, message_id: str) -> dict[str, Any]:
    """Ask the receipts service, as an operator would."""
    headers = {"Authorization": f"Bearer {addresses.internal_token}"}
    url = f"{addresses.receipts_url}/v1/messages/{message_id}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        if answer.status != HTTPStatus.OK:
            return {"message_id": message_id, "error": f"receipts answered {answer.status}"}
        body: dict[str, Any] = json.loads(await answer.read())
        return body


def _console() -> Console:
    """Give a terminal its own width, and a file or a pipe enough for a table."""
    return Console() if sys.stdout.isatty() else Console(width=140)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(_arguments(), _console())))
    except DemoError as error:
        sys.exit(f"The demo could not start: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
