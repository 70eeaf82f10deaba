"""Running the program of these tests, and looking at it from outside."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from libs.runtime.tests.support import until

ROOT = Path(__file__).resolve().parents[3]


class Program:
    """One process of the program, or of a service, with a log of its own."""

    def __init__(
        self, log: Path, environment: dict[str, str], module: str = "libs.runtime.tests.program"
    ) -> None:
        self._log = log
        self._module = module
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> "Program":
        """Start it; does not wait for anything."""
        with self._log.open("wb") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                cwd=ROOT,
                env={**os.environ, **self._environment},
                stdout=out,
                stderr=out,
            )
        return self

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    def text(self) -> str:
        """All that it has written."""
        return self._log.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    async def until_started(self, within_s: float = 40.0) -> "Program":
        await until(lambda: bool(self.said("started")) or not self.is_running(), within_s)
        assert self.is_running(), self.text()[-3000:]
        return self

    def is_running(self) -> bool:
        return self.process.returncode is None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def exit_code(self, within_s: float = 30.0) -> int:
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def end(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None and self.is_running():
            self.signal(signal.SIGKILL)
            await self.process.wait()

    async def get(self, path: str) -> tuple[int, str]:
        port = self.said("started")[-1]["port"]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def metric(self, name: str, **labels: str) -> float:
        """Sum a metric over the samples that have these labels."""
        _, text = await self.get("/metrics")
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.split("{")[0].split(" ")[0] == name and all(one in line for one in wanted)
        )

    def cpu_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


async def end_all(programs: Sequence[Program]) -> None:
    for program in programs:
        await program.end()
