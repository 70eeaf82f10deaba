"""Waiting with a deadline: what is waited for is asked again and again, never slept for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

import aiohttp

T = TypeVar("T")
LOOK_S = 0.1


@overload
async def until(
    look: Callable[[], Awaitable[T | None]],
    what: str,
    *,
    within_s: float = ...,
    every_s: float = ...,
) -> T: ...
@overload
async def until(
    look: Callable[[], T | None], what: str, *, within_s: float = ..., every_s: float = ...
) -> T: ...
async def until(
    look: Callable[[], Any], what: str, *, within_s: float = 30.0, every_s: float = LOOK_S
) -> Any:
    """Look until what is seen is true, and give it. Fails by the name of what did not come.

    A party that cannot be asked now (it was killed, it starts) is asked again.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            seen = look()
            found = await seen if isinstance(seen, Awaitable) else seen
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            found, why = None, f" (the last try: {error!r})"
        else:
            why = ""
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within_s:.0f} s: {what}{why}")
        await asyncio.sleep(every_s)
