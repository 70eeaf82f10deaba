"""The other ends: what the simulated carriers, customers and the voice provider counted.

And how they behave.
"""

from dataclasses import dataclass
from typing import Any

import aiohttp

CUSTOMERS = ("demo", "demo-sms")
_TIMEOUT = aiohttp.ClientTimeout(total=20)


@dataclass(frozen=True)
class Push:
    """The last status that a customer was pushed for a message."""

    status: str
    reason: str
    times: int


class Parties:
    """Reads and steers the simulators by their own API."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def carriers(self) -> dict[str, Any]:
        """Read what all carriers together were handed."""
        return await self._get("/records/carriers")

    async def hand_overs(self, carrier: str) -> dict[str, list[dict[str, Any]]]:
        """Read a carrier's own story of every attempt that it took."""
        detail: dict[str, list[dict[str, Any]]] = (
            await self._get(f"/records/carriers/{carrier}?detail=1")
        )["by_ref"]
        return detail

    async def pushes(self) -> dict[str, Push]:
        """Read what the customers were pushed, by message."""
        found: dict[str, Push] = {}
        for customer in CUSTOMERS:
            detail = (await self._get(f"/records/customers/{customer}?detail=1"))["by_sms_id"]
            for sms_id, story in detail.items():
                last = story["arrivals"][-1]
                found[sms_id] = Push(last["status"], last["resp_message"], len(story["arrivals"]))
        return found

    async def pushed_count(self) -> int:
        """Count the messages of which a customer has heard."""
        records = [await self._get(f"/records/customers/{customer}") for customer in CUSTOMERS]
        return sum(record["sms_ids"] for record in records)

    async def calls(self, provider: str) -> dict[str, Any]:
        """Read how often the voice provider rang, by reference."""
        return await self._get(f"/records/providers/{provider}?detail=1")

    async def behave(self, kind: str, name: str, behaviour: dict[str, Any]) -> None:
        """Change how a carrier, provider or customer behaves from now on."""
        url = f"{self._url}/control/{kind}/{name}"
        async with self._session.put(url, json=behaviour, timeout=_TIMEOUT) as answer:
            answer.raise_for_status()

    async def _get(self, path: str) -> dict[str, Any]:
        async with self._session.get(self._url + path, timeout=_TIMEOUT) as answer:
            answer.raise_for_status()
            body: dict[str, Any] = await answer.json()
            return body
