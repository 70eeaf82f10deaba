"""Runs `smsc.js`: installs npm's `smpp` once, starts the message centre, reads its counts.

What it can be told (`Options`): how receipts look and when they come, how long an answer takes, in
which form ids are, and whether receipts come on the bind that submitted or on any of the account.
"""

import asyncio
import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import aiohttp

HERE = Path(__file__).parent
INSTALLED = Path(".local/smsc")
_STARTS_WITHIN_S = 20


class NoPeer(RuntimeError):
    """The message centre cannot run here; the text says what is missing."""


@dataclass(frozen=True)
class Options:
    """How the message centre behaves."""

    receipt_ms: int = 100
    latency_ms: int = 0
    form: Literal["text", "tlv", "both"] = "both"
    ids: Literal["hex", "dechex"] = "hex"
    """`dechex`: the text of a receipt names in decimal what the answer named in hexadecimal."""
    to: Literal["same", "any"] = "same"
    """On which bind of an account its receipts come."""
    window: int = 200
    """Receipts sent and not yet answered, on each bind."""
    system_id: str = ""
    password: str = ""


def install() -> Path:
    """Install what package-lock.json names, once; return the folder for NODE_PATH."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NoPeer("node and npm are needed (Debian: apt-get install nodejs npm)")
    lock = (HERE / "package-lock.json").read_bytes()
    kept = INSTALLED / "package-lock.json"
    if not (kept.is_file() and kept.read_bytes() == lock and (INSTALLED / "done").is_file()):
        INSTALLED.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, INSTALLED / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(command, cwd=INSTALLED, check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            raise NoPeer(f"npm could not install the message centre: {done.stderr.strip()[-400:]}")
        (INSTALLED / "done").touch()
    return (INSTALLED / "node_modules").resolve()


class Peer:
    """One message centre, from `async with` to its end."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0
        self._control = 0

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None  # noqa: S101
        return self._process.pid

    async def __aenter__(self) -> Self:
        modules = await asyncio.to_thread(install)
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(HERE / "smsc.js"),
            json.dumps(asdict(self._options)),
            env={**os.environ, "NODE_PATH": str(modules)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None  # noqa: S101
        async with asyncio.timeout(_STARTS_WITHIN_S):
            line = await self._process.stdout.readline()
        if not line:
            raise NoPeer("the message centre ended at once; its error is above")
        told = json.loads(line)
        self.port, self._control = told["port"], told["control"]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def counts(self) -> dict[str, Any]:
        """Tell what it was handed; `times_ms` holds the time of every submit."""
        return await self._ask("GET", "counts")

    async def clear(self) -> None:
        """Forget what it was handed."""
        await self._ask("POST", "clear")

    async def _ask(self, method: str, path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._control}/{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
            return dict(await answer.json())
