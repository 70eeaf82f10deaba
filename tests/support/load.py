"""Messages at a steady rate over both doors, and what upstream was told of each."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from tests.support.settling import until
from tests.support.world import World
from yizhan_demo.upstream import COUNTRIES, Upstream

DOORS = 5
"""One message of so many comes in over HTTP."""


@dataclass
class Load:
    """Publishes shipment events of 30 countries, and posts messages, as fast as it is told.

    Upstream is patient: what is not acknowledged is published, or posted with the same key, again.
    """

    world: World
    events: int
    rate: float
    run: str = field(default_factory=lambda: secrets.token_hex(3))
    published: set[str] = field(default_factory=set)
    """Event ids that must be answered."""
    posted: dict[str, str] = field(default_factory=dict)
    """Message ids by idempotency key."""
    done: int = 0
    repeated_posts: int = 0

    async def send(self) -> None:
        """Send all, at the rate, each on its own: a slow answer holds up no other."""
        upstream = Upstream(secrets.randbits(32), self.run, self.events)
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number, record in enumerate(upstream.records()):
                if record.event_id:
                    self.published.add(record.event_id)
                tasks.create_task(
                    self.world.publish(record.value or None, record.key, record.headers)
                )
                if number % DOORS == 0:
                    tasks.create_task(self._post(number))
                self.done = number
                await asyncio.sleep(max(0.0, begun + (number + 1) / self.rate - time.monotonic()))

    async def _post(self, number: int) -> None:
        country = list(COUNTRIES)[number % len(COUNTRIES)]
        key = f"{self.run}-{number}"
        body = {
            "to": self.world.number(country),
            "template": "picked-up",
            "language": COUNTRIES[country],
            "variables": {"tracking_number": key},
        }
        while True:
            try:
                response = await self.world.post(body, key, account="-sms")
            except (aiohttp.ClientError, TimeoutError, ValueError):
                response = None
            if response is not None and response.status == 202:
                self.posted[key] = response.body["message_id"]
                return
            assert response is None or response.status in {409, 503}, response
            self.repeated_posts += 1
            await asyncio.sleep(0.5)

    async def past(self, share: float) -> None:
        """Wait until so much of it has been sent."""
        await until(
            lambda: self.done >= share * self.events, f"{share:.0%} of the load", within_s=60
        )

    @property
    def unanswered(self) -> set[str]:
        """Event ids that upstream has no answer for."""
        mine = f"SHP-{self.run}-"
        answered = {
            answer.event_id
            for shipment, answers in self.world.topics.answered.items()
            if shipment.startswith(mine)
            for answer in answers
        }
        return self.published - answered

    @property
    def accepted(self) -> set[str]:
        """The message ids that upstream was told of."""
        mine = f"SHP-{self.run}-"
        told = {
            message.message_id
            for shipment, answers in self.world.topics.answered.items()
            if shipment.startswith(mine)
            for answer in answers
            for message in answer.messages
            if message.message_id is not None
        }
        return told | set(self.posted.values())


@asynccontextmanager
async def load(world: World, events: int, rate: float) -> AsyncIterator[Load]:
    """Send a load while the block runs; at its end all of it has been sent and answered."""
    flow = Load(world, events, rate)
    sending = asyncio.create_task(flow.send())
    try:
        yield flow
        await asyncio.wait_for(sending, 60 + events / rate)
    finally:
        sending.cancel()
        await asyncio.wait([sending])
    await until(lambda: not flow.unanswered, "answers for all events", within_s=60)
