"""A stack with several routers on servers of its own, and its carriers in hand."""

import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from yizhan_demo.parties import Parties
from yizhan_local.servers import PrivateServers
from yizhan_local.stack import Stack

CHANNELS = ("alpha", "beta", "gamma")
CONFIG = Path("deploy/config")
OWN = Path(__file__).parent / "channels.yaml"
WORK = Path(".local/failover")
BRIEF = "delivered"
"""The milestone whose messages are valid for a short time only."""
BRIEF_VALIDITY_S = 30


@dataclass
class House:
    """A running stack. ``alpha`` is the channel that is preferred."""

    stack: Stack
    parties: Parties
    http: aiohttp.ClientSession

    @property
    def kafka(self) -> tuple[str, str]:
        """The address of Kafka and the namespace."""
        return self.stack.servers.kafka_url, self.stack.plan.namespace

    @property
    def routers(self) -> list[str]:
        return [name for name in self.stack.names if name.startswith("router")]

    async def behave(self, carrier: str, behaviour: dict[str, Any]) -> None:
        """Break a carrier, or mend it: None is how it was."""
        await self.parties.behave("carriers", carrier, behaviour)

    async def operate(self, channel: str, what: str) -> None:
        """Drain, disable or enable a channel as an operator does, by any one router."""
        await self._ask("POST", self.routers[-1], f"/v1/channels/{channel}/{what}")

    async def channel(self, router: str, channel: str) -> dict[str, Any]:
        """Ask one router how it sees a channel."""
        return await self._ask("GET", router, f"/v1/channels/{channel}")

    async def _ask(self, method: str, instance: str, path: str) -> dict[str, Any]:
        env = self.stack.state()["services"][instance]["env"]
        headers = {"Authorization": f"Bearer {env['YIZHAN_INTERNAL_TOKEN']}"}
        url = self.stack.url(instance) + path
        async with self.http.request(method, url, headers=headers) as answer:
            answer.raise_for_status()
            body: dict[str, Any] = await answer.json()
            return body


@asynccontextmanager
async def open_house(routers: int, alpha_tps: int = 500) -> AsyncIterator[House]:
    """Start everything afresh."""
    shutil.rmtree(WORK, ignore_errors=True)
    async with AsyncExitStack() as rest:
        servers = PrivateServers(WORK / "servers")
        await rest.enter_async_context(servers)
        stack = Stack(
            _configuration(alpha_tps),
            WORK,
            servers=servers,
            namespace=f"failover-{secrets.token_hex(3)}.",
            instances={"router": routers},
        )
        await rest.enter_async_context(stack)
        http = await rest.enter_async_context(aiohttp.ClientSession())
        yield House(stack, Parties(stack.simulators_url, http), http)


def _configuration(alpha_tps: int) -> Path:
    source = WORK / "source"
    source.mkdir(parents=True)
    for file in CONFIG.glob("*.yaml"):
        shutil.copy(file, source)
    accounts = source / "accounts.yaml"
    rule = "delivered: { template: delivered, validity_s: "
    accounts.write_text(
        accounts.read_text().replace(f"{rule}3600 }}", f"{rule}{BRIEF_VALIDITY_S} }}")
    )
    text = OWN.read_text().replace("tps: 500", f"tps: {alpha_tps}", 1)
    (source / "channels.yaml").write_text(text)
    return source
