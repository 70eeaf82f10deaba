"""Carriers, customers and the voice provider of a stack: what they counted, how they behave."""

from typing import Any, NamedTuple

import aiohttp

from yizhan_demo.parties import Parties

PROVIDER = "lyra-voice"


class HandOver(NamedTuple):
    """One message as a carrier took it."""

    carrier: str
    ref: str
    story: dict[str, Any]

    @property
    def is_delivered(self) -> bool:
        return bool(self.story["final"] == "delivered")


class OtherEnds(Parties):
    """The demo's parties, asked for one message, and for all of them at once."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        super().__init__(url, http)
        self._touched: set[tuple[str, str]] = set()

    async def behave(self, kind: str, name: str, behaviour: dict[str, Any]) -> None:
        """Change how a party behaves until `calm`."""
        self._touched.add((kind, name))
        await super().behave(kind, name, behaviour)

    async def carrier(self, name: str, **behaviour: Any) -> None:
        """Change how a carrier behaves."""
        await self.behave("carriers", name, behaviour)

    async def cut(self, carrier: str) -> None:
        """Break off every bind of a carrier."""
        async with self._session.post(f"{self._url}/control/carriers/{carrier}/cut") as answer:
            answer.raise_for_status()

    async def calm(self) -> None:
        """Let everybody behave well again."""
        for kind, name in self._touched:
            url = f"{self._url}/control/{kind}/{name}"
            async with self._session.delete(url) as answer:
                answer.raise_for_status()
        self._touched.clear()

    async def handed(self, message_id: str) -> list[HandOver]:
        """Give all hand-overs of a message, in order of time, by all carriers' records."""
        names = (await self.carriers())["carriers"]
        found = [
            HandOver(name, ref, story)
            for name in names
            for ref, stories in (await self._by_ref(name, message_id)).items()
            for story in stories
        ]
        return sorted(found, key=lambda one: str(one.story["at"]))

    async def arrivals(self, customer: str, message_id: str) -> list[dict[str, Any]]:
        """Give what a customer was pushed about a message, in order."""
        record = await self._get(f"/records/customers/{customer}?sms_id={message_id}")
        found: list[dict[str, Any]] = record["by_sms_id"].get(message_id, {}).get("arrivals", [])
        return found

    async def customer(self, name: str) -> dict[str, Any]:
        """Give what a customer counted."""
        return await self._get(f"/records/customers/{name}?detail=1")

    async def rings(self, message_id: str) -> list[dict[str, Any]]:
        """Give the calls that the provider made about a message."""
        record = await self._get(f"/records/providers/{PROVIDER}?ref={message_id}")
        return [ring for rings in record["by_ref"].values() for ring in rings]

    async def all_handed(self) -> list[HandOver]:
        """Give all hand-overs of all carriers."""
        return [
            HandOver(name, ref, story)
            for name in (await self.carriers())["carriers"]
            for ref, stories in (await self.hand_overs(name)).items()
            for story in stories
        ]

    async def _by_ref(self, carrier: str, ref: str) -> dict[str, list[dict[str, Any]]]:
        record = await self._get(f"/records/carriers/{carrier}?ref={ref}")
        found: dict[str, list[dict[str, Any]]] = record["by_ref"]
        return found
