"""What the tests share: time by hand, a carrier without sockets, a webhook with faults."""

import asyncio
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from aiohttp import web

from yizhan_simulators.carriers.carrier import Carrier
from yizhan_simulators.carriers.handed import Receipt, Submission
from yizhan_simulators.carriers.records import CarrierBook
from yizhan_simulators.carriers.replies import Reply
from yizhan_simulators.countries import Countries
from yizhan_simulators.journal import Journal, NoJournal
from yizhan_simulators.repeats import KEPT


class ManualClock:
    """Time that passes when the test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Bench:
    """A carrier with its book and the receipts it owes, and no sockets."""

    def __init__(
        self,
        behaviour: dict[str, Any] | None = None,
        *,
        seed: int = 1,
        journal: Journal | None = None,
        kept: int = KEPT,
    ) -> None:
        self.clock = ManualClock()
        self.book = CarrierBook(journal or NoJournal(), kept)
        self.owed: list[Receipt] = []
        self.said: list[Reply] = []
        self.carrier = Carrier(
            "alpha",
            book=self.book,
            owe=self.owed.extend,
            say=self.said.extend,
            country_of=Countries().of,
            rng=Random(seed),
            clock=self.clock,
        )
        self.carrier.revise(behaviour or {})

    @property
    def summary(self) -> dict[str, Any]:
        return self.book.of("alpha").summary()


def submission(ref: str = "m-1", to: str = "+8613800138000", text: str = "hello") -> Submission:
    return Submission(ref, to, "YIZHAN", text, 300, "http://127.0.0.1:1/receipts/token")


def submissions(count: int, to: str = "+8613800138000") -> list[Submission]:
    return [submission(f"m{number}-1", to) for number in range(count)]


class Webhook:
    """Takes callbacks; answers with the statuses given, the last one for ever."""

    def __init__(self, statuses: Sequence[int] = (200,)) -> None:
        self.statuses = list(statuses)
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def receipts(self) -> list[dict[str, Any]]:
        return [receipt for body in self.bodies for receipt in body.get("receipts", ())]

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        self.url = f"http://127.0.0.1:{self._port}/receipts/token"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        status = self.statuses[0] if len(self.statuses) == 1 else self.statuses.pop(0)
        body = json.loads(await request.read())
        if status == 200:
            self.bodies.append(body)
            self.paths.append(request.path)
        return web.Response(status=status)


async def until(met: Callable[[], object], within_s: float = 5) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not met():
            await asyncio.sleep(0.01)
