"""Exports over real HTTP and MongoDB, by two instances of which the first is killed."""

import asyncio
import csv
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import openpyxl
import pytest
from services.receipts.tests.integration.conftest import TOKEN, Corner, count, until
from services.receipts.tests.unit.making import NOON, message, message_id_of

from receipts.ledger import documents as docs
from receipts.ledger.adapters.mongo import MongoLedger
from yizhan_contracts import ids
from yizhan_local.process import free_port
from yizhan_runtime import Mongo, SystemClock

pytestmark = pytest.mark.integration

EARLIER = NOON - timedelta(days=7)
"""The messages lie in two weeks."""
MESSAGES_SENT = 41_000
"""Three parts."""
NEVER = NOON + timedelta(days=365)
"""Nothing falls due: the ledger leaves them as they are."""


def id_of(number: int) -> str:
    shift_ms = int((NOON - EARLIER).total_seconds() * 1000) if number % 2 else 0
    at_ms = ids.created_ms_of(message_id_of(number)) - shift_ms
    return ids.new_message_id("+8613800001111", at_ms, lambda _bits: number)


async def fill(mongo: Mongo, messages: int) -> None:
    """Put in so many of acme's, every third settled, and some of another account's."""
    ledger = MongoLedger(mongo, SystemClock())
    await ledger.prepare()
    for begin in range(0, messages, 5000):
        numbers = range(begin, min(messages, begin + 5000))
        sent = [message(id_of(n), reference=f"SF{n}", text=f"text {n}") for n in numbers]
        documents = [docs.message_document(one, NEVER) for one in sent]
        others = [
            document | {"_id": f"{document['_id'][:-1]}f", "account_id": "other"}
            for document in documents[::10]
        ]
        await ledger.insert_messages(documents + others)
        await ledger.insert_contents([docs.content_document(one, b"{}") for one in sent])
        settled = [settled_of(id_of(n)) for n in numbers if n % 3 == 0]
        await ledger.insert_settled(settled)


def settled_of(message_id: str) -> dict[str, Any]:
    told = {"status": "delivered", "channel": "a", "via": "sms", "attempts": 1, "reason": ""}
    by = {"account_id": "acme", "settled_by": "record", "settled_at": NOON}
    return {"_id": message_id, **told, **by}


class Edge:
    """One instance's API, as an operator."""

    def __init__(self, port: int) -> None:
        self.url = self._url = f"http://127.0.0.1:{port}"
        self._headers = {"Authorization": f"Bearer {TOKEN}"}

    async def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.request(method, self._url + path, json=body or None) as answer,
        ):
            told: dict[str, Any] = await answer.json()
            assert answer.status < 300, told
            return told

    async def read(self, export_id: str) -> bytes:
        path = f"{self._url}/v1/exports/{export_id}/file"
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.get(path) as answer,
        ):
            answer.raise_for_status()
            return await answer.read()

    async def done(self, export_id: str) -> dict[str, Any]:
        async def is_done() -> bool:
            told = await self.ask("GET", f"/v1/exports/{export_id}")
            return bool(told["state"] == "done")

        await until(is_done)
        return await self.ask("GET", f"/v1/exports/{export_id}")

    async def is_ready(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{self._url}/ready") as answer,
            ):
                status: int = answer.status
                return status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def process(corner: Corner, **changes: str) -> AsyncIterator[tuple[Edge, int]]:
    """Run an instance in a process of its own."""
    port = free_port()
    env = os.environ | corner.environment() | {"YIZHAN_HTTP_PORT": str(port)} | changes
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "receipts", env=env, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        edge = Edge(port)
        await until(edge.is_ready)
        yield edge, child.pid
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


@pytest.mark.timeout(180)
async def test_an_export_of_a_killed_instance_is_carried_on_and_equals_the_store(
    corner: Corner,
) -> None:
    slow = {"YIZHAN_RECEIPTS_EXPORT_SHARE": "0.3", "YIZHAN_RECEIPTS_EXPORT_LEASE_S": "2"}
    async with AsyncExitStack() as stack:
        mongo = corner.mongo()
        stack.callback(mongo.close)
        await fill(mongo, MESSAGES_SENT)
        first, pid = await stack.enter_async_context(process(corner, **slow))
        begun = await first.ask(
            "POST", "/v1/exports", account_id="acme", since="2026-11-01T00:00:00Z",
            until="2026-12-31T00:00:00Z", personal=True, text=True,
        )  # fmt: skip
        assert begun["estimated"] == MESSAGES_SENT

        async def has_begun() -> bool:
            return await count(mongo, "export_parts") >= 1

        await until(has_begun)
        os.kill(pid, signal.SIGKILL)
        assert await count(mongo, "exports", state="running") == 1
        second, _ = await stack.enter_async_context(process(corner, **slow))
        told = await second.done(begun["export_id"])
        content = await second.read(begun["export_id"])
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    expected = sorted(map(id_of, range(MESSAGES_SENT)))
    assert [row[0] for row in rows] == expected
    assert told["rows"] == len(expected)
    assert told["parts"] > 1
    by_id = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert by_id[id_of(6)]["status"] == "delivered"
    assert by_id[id_of(8)]["status"] == "open"
    assert by_id[id_of(8)] | {"phone": "'+8613800001111", "text": "text 8"} == by_id[id_of(8)]


@pytest.mark.timeout(180)
async def test_filters_workbook_cancelling_and_refusals(corner: Corner) -> None:
    async with AsyncExitStack() as stack:
        mongo = corner.mongo()
        stack.callback(mongo.close)
        await fill(mongo, 300)
        edge, _ = await stack.enter_async_context(process(corner))
        asked = {"account_id": "acme", "since": "2026-11-01T00:00:00Z"}
        begun = await edge.ask("POST", "/v1/exports", format="xlsx", status=["delivered"], **asked)
        export_id = begun["export_id"]
        await edge.done(export_id)
        book = openpyxl.load_workbook(io.BytesIO(await edge.read(export_id)), read_only=True)
        (_, *rows) = book.worksheets[0].iter_rows(values_only=True)
        delivered = sorted(id_of(n) for n in range(0, 300, 3))
        assert [row[0] for row in rows] == delivered
        assert all(str(row[2]).count("*") >= 4 for row in rows)
        assert (await edge.ask("DELETE", f"/v1/exports/{export_id}"))["state"] == "cancelled"
        assert await count(mongo, "export_parts") == 0
        with pytest.raises(aiohttp.ClientResponseError, match="410"):
            await edge.read(export_id)
        listed = await edge.ask("GET", "/v1/exports?account_id=acme")
        assert [one["export_id"] for one in listed["exports"]] == [export_id]
        until_long_ago = {"until": "2020-01-01T00:00:00Z"}
        for wrong in ({"zone": "Mars/Base"}, until_long_ago, {"country": ["China"]}):
            with pytest.raises(AssertionError, match=r"zone|since|country"):
                await edge.ask("POST", "/v1/exports", **(asked | wrong))


@pytest.mark.timeout(180)
async def test_the_command_fetches_an_export_and_shows_the_proof_of_an_erasure(
    corner: Corner, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        mongo = corner.mongo()
        stack.callback(mongo.close)
        await fill(mongo, 30)
        secret = {"YIZHAN_RECEIPTS_ERASURE_KEY": "a-key", "YIZHAN_RECEIPTS_ERASURE_LAG_S": "0"}
        edge, _ = await stack.enter_async_context(process(corner, **secret))
        out = tmp_path / "messages.csv"
        since = ("--since", "2026-11-01T00:00:00+08:00")
        await command(edge, "export", "start", "acme", *since, "--status", "delivered", "-o", out)
        rows = list(csv.reader(io.StringIO(out.read_text("utf-8-sig"), newline="")))
        assert len(rows) == 1 + 10
        told = await command(edge, "erase", "start", "--phone", "+8613800001111", "--json")
        erasure_id = json.loads(told)["erasure_id"]

        async def is_waiting() -> bool:
            proof = json.loads(await command(edge, "erase", "proof", erasure_id, "--json"))
            # A third has settled; the others are open, and waited for.
            assert proof["removed"][0]["store"] == "messages"
            told = (proof["removed"][0]["found_and_removed"], proof["state"])
            return told == (10, "waiting")

        await until(is_waiting)
        shown = await command(edge, "erase", "proof", erasure_id)
        assert "found and removed" in shown
        assert await count(mongo, "export_parts") == 0
        with pytest.raises(AssertionError, match="erased"):
            await command(edge, "export", "fetch", (await exported(mongo)), "-o", out)


async def exported(mongo: Mongo) -> str:
    (export,) = await mongo.find("exports", {})
    return str(export["_id"])


async def command(edge: Edge, *arguments: object) -> str:
    """Run the operators' command against an instance."""
    env = {"YIZHAN_RECEIPTS_URL": edge.url, "YIZHAN_INTERNAL_TOKEN": TOKEN}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "yizhan_cli", *map(str, arguments), env=os.environ | env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, errors = await child.communicate()
    assert child.returncode == 0, errors.decode()
    return told.decode()
