import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tools.simulators.tests.support import Webhook, until

pytestmark = pytest.mark.integration


class Program:
    """Starts `python -m yizhan_simulators`, and ends what it started."""

    def __init__(self) -> None:
        self.processes: list[Process] = []

    async def start(self, *arguments: str) -> tuple[Process, dict[str, Any]]:
        process = await self.run(*arguments)
        assert process.stdout is not None
        return process, json.loads(await process.stdout.readline())

    async def run(self, *arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "yizhan_simulators", *arguments, stdout=PIPE, stderr=PIPE
        )
        self.processes.append(process)
        return process

    async def stop(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    program = Program()
    yield program
    await program.stop()


async def submit(url: str, count: int, callback: str) -> None:
    messages = [
        {
            "ref": f"m{number}-1",
            "to": "+8613800138000",
            "from": "YIZHAN",
            "text": "x",
            "validity_s": 300,
            "callback": callback,
        }
        for number in range(count)
    ]
    headers = {"Authorization": "Bearer any"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url}/alpha/messages", json={"messages": messages}, headers=headers
        ) as answer,
    ):
        assert answer.status == 200


async def get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_kill_and_restart_loses_no_record_and_no_receipt(
    program: Program, webhook: Webhook, tmp_path: Path
) -> None:
    arguments = ("--port", "0", "--record-dir", str(tmp_path))
    await webhook.stop()
    process, ready = await program.start(*arguments)
    await submit(ready["url"], 50, webhook.url)
    before = await get(f"{ready['url']}/records/carriers/alpha")
    process.kill()
    await process.wait()
    _, ready = await program.start(*arguments)
    assert await get(f"{ready['url']}/records/carriers/alpha") == before

    await webhook.start()
    await until(lambda: len(webhook.receipts) == 50)
    async with asyncio.timeout(5):
        while (await get(f"{ready['url']}/records/carriers/alpha"))["receipts_sent"] < 50:
            await asyncio.sleep(0.02)


async def test_sigterm_ends_it_cleanly(program: Program) -> None:
    process, ready = await program.start("--port", "0", "--port-of", "carriers/alpha=0")
    own = ready["own_ports"]["carriers/alpha"]
    assert await get(f"{ready['url']}/live") == {"status": "ok"}
    assert await get(f"http://127.0.0.1:{own}/ready") == {"status": "ok"}
    process.send_signal(signal.SIGTERM)
    _, errors = await process.communicate()

    assert process.returncode == 0
    assert errors == b""


async def test_scenario_changes_behaviour_on_its_timeline(program: Program, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(
        "- {at_s: 0, carrier: alpha, set: {refuse_ratio: 0.5}}\n"
        "- {at_s: 0.3, carrier: alpha, set: {refuse_ratio: 1}}\n",
        "utf-8",
    )
    _, ready = await program.start("--port", "0", "--scenario", str(scenario))
    control = f"{ready['url']}/control/carriers/alpha"

    assert (await get(control))["refuse_ratio"] == 0.5
    async with asyncio.timeout(5):
        while (await get(control))["refuse_ratio"] != 1:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("--scenario", "/nonexistent.yaml"), b"give a readable YAML list", 2),
        (("--port-of", "alpha=1"), b"not KIND/NAME=PORT", 2),
        (("--smpps-port", "0"), b"give --tls-cert and --tls-key", 2),
        (("--record-dir", "/dev/null/x"), b"cannot listen or record", 1),
    ],
)
async def test_wrong_arguments_are_explained(
    program: Program, arguments: tuple[str, ...], said: bytes, code: int
) -> None:
    process = await program.run("--port", "0", *arguments)
    _, errors = await process.communicate()

    assert process.returncode == code
    assert said in errors
