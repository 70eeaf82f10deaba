"""A window's records on their way to a retry topic or the DLQ: open until durable there."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from yizhan_runtime.aside import Aside
from yizhan_runtime.clock import backoff_s
from yizhan_runtime.consuming import ConsumerContext
from yizhan_runtime.errors import Retryable
from yizhan_runtime.opened import OpenPartition, OpenRecord


class Leaving(NamedTuple):
    """A record of a partition, and what is to be written of it."""

    partition: OpenPartition
    opened: OpenRecord[Any]
    aside: Aside


class AsideQueue:
    """Writes what is to be set aside, all that there is at a time, until it is durable."""

    def __init__(
        self,
        context: ConsumerContext,
        on_durable: Callable[[Leaving], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._c = context
        self._on_durable = on_durable
        self._fail = fail
        self._queue: list[Leaving] = []
        self._writing: asyncio.Task[None] | None = None

    def put(self, leaving: Iterable[Leaving]) -> None:
        """Take records; ``on_durable`` gets each of them when it is written."""
        self._queue.extend(leaving)
        if self._queue and self._writing is None:
            self._writing = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        try:
            while self._queue:
                going, self._queue = self._queue, []
                await self._until_written([one.aside for one in going])
                for one in going:
                    self._on_durable(one)
        except Exception as error:  # noqa: BLE001 - handed to the supervisor
            self._fail(error)
        finally:
            self._writing = None

    async def _until_written(self, asides: list[Aside]) -> None:
        tries = 0
        while True:
            try:
                return await self._c.aside.put(asides)
            except Retryable:
                tries += 1
                await self._c.clock.sleep(backoff_s(tries))


def within_budget(aside: Aside, context: ConsumerContext) -> Aside:
    """Park no record for ever: one that has had its tries goes to the DLQ."""
    delay = context.aside.delay_within_budget(aside.raw, aside.delay, counts=aside.counts)
    return replace(aside, delay=delay, group=aside.raw.group or context.group)
