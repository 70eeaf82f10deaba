"""A service as small as can be, as a process: relays voice.requested to voice.finished.

``python -m libs.runtime.tests.program``, told what to do through YIZHAN_PROGRAM_... variables.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from yizhan_contracts.topics import VOICE_FINISHED, VOICE_REQUESTED
from yizhan_runtime import (
    BatchRoute,
    OpenRecord,
    Outgoing,
    Parked,
    RawRecord,
    Record,
    RuntimeSettings,
    Service,
    WindowRoute,
    run,
)

GROUP = "voice-fallback"


class Settings(RuntimeSettings):
    """What the program is told."""

    program_mode: Literal["batches", "window", "idle"] = "batches"
    program_delay_s: float = 0.0
    program_mongo: bool = False


def parse(raw: RawRecord) -> bytes:
    return raw.value or b""


def build() -> Service:
    settings = Settings()
    service = Service(GROUP, settings)
    service.needs([VOICE_FINISHED])
    if settings.program_mongo:
        service.mongo()
    relay = Relay(service, settings.program_delay_s)
    topics = (VOICE_REQUESTED.name,)
    if settings.program_mode == "window":
        service.consume_window(GROUP, [WindowRoute(topics, parse)], relay.intake)
    else:
        service.consume_batches(GROUP, [BatchRoute(topics, parse, relay.handle)], max_records=100)
    return service


class Relay:
    """Publishes what it is given, after a while."""

    def __init__(self, service: Service, delay_s: float) -> None:
        self._service = service
        self._delay_s = delay_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, records: Sequence[Record[bytes]]) -> Iterable[Parked]:
        await asyncio.sleep(self._delay_s)
        await self._publish(records)
        return ()

    def intake(self, records: Sequence[OpenRecord[bytes]]) -> None:
        for opened in records:
            task = asyncio.ensure_future(self._work(opened))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, opened: OpenRecord[bytes]) -> None:
        await asyncio.sleep(self._delay_s)
        await self._publish([opened.record])
        opened.finish()

    async def _publish(self, records: Sequence[Record[Any]]) -> None:
        out = [Outgoing(VOICE_FINISHED.name, one.raw.key, one.event) for one in records]
        await self._service.publisher.publish_records(out)


if __name__ == "__main__":
    run(build)
