"""The simulator as the message centre: a process of its own, beside the stack's."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

_CARRIERS = ("kannel", "bench-smpp")


@asynccontextmanager
async def simulated_centre(receipt_ms: int) -> AsyncIterator[tuple[int, int]]:
    """Give the port that takes binds, and the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "yizhan_simulators", "--port", "0", "--smpp-port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None  # noqa: S101
        told = json.loads(await process.stdout.readline())
        behaviour = {"latency_ms": 0, "receipt": {"delay_ms": receipt_ms}}
        async with aiohttp.ClientSession() as http:
            for carrier in _CARRIERS:
                url = f"{told['url']}/control/carriers/{carrier}"
                async with http.put(url, json=behaviour) as answer:
                    answer.raise_for_status()
        yield told["smpp"], process.pid
    finally:
        process.terminate()
        await process.wait()
