"""Sending from the command line, over real HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from yizhan_cli.errors import NotFound, Refused, Unavailable, UsageError
from yizhan_cli.main import app

ACCEPTED = {"message_id": "a" * 32, "status": "accepted", "charging_num": 1}
PROBLEM = {
    "code": "package-empty",
    "errors": [
        {"code": "package-empty", "field": "", "detail": "", "what_to_do": "Buy more."},
        {"code": "number-format", "field": "to", "detail": "No.", "what_to_do": "Correct it."},
    ],
}


class Ingest:
    """Answers as ingest would, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status, self.answer = 202, dict[str, Any](ACCEPTED)
        self.url = ""

    async def messages(self, request: web.Request) -> web.Response:
        self.asked.append({"headers": dict(request.headers), "body": await request.json()})
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ingest]:
    loop, service, stub = asyncio.new_event_loop(), web.Application(), Ingest()
    service.router.add_post("/v1/messages", stub.messages)
    runner = web.AppRunner(service)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    monkeypatch.setenv("YIZHAN_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("YIZHAN_INGEST_URL", stub.url)
    monkeypatch.setenv("YIZHAN_KEY", "k")
    monkeypatch.setenv("YIZHAN_SECRET", "s")
    yield stub
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def send(*arguments: str) -> str:
    given = ["send", "+12015550123", "-t", "score", *arguments]
    return CliRunner().invoke(app, given, catch_exceptions=False).stdout


def test_a_message_is_sent_with_a_key_of_its_own(ingest: Ingest) -> None:
    told = send("-v", "name=A=B", "-v", "x=", "--lane", "urgent", "--json")
    assert json.loads(told) == ACCEPTED
    (asked,) = ingest.asked
    assert asked["body"] == {
        "to": "+12015550123",
        "template": "score",
        "variables": {"name": "A=B", "x": ""},
        "lane": "urgent",
    }
    assert asked["headers"]["Authorization"] == "Bearer k.s"
    send("--idempotency-key", "mine")
    keys = [one["headers"]["Idempotency-Key"] for one in ingest.asked]
    assert keys[1] == "mine" != keys[0]
    assert "a" * 32 in send()


def test_a_refusal_tells_codes_places_and_what_to_do(ingest: Ingest) -> None:
    ingest.status, ingest.answer = 402, PROBLEM
    with pytest.raises(Refused) as refused:
        send()
    told = str(refused.value)
    assert "package-empty: Buy more." in told
    assert "number-format (to): No. Correct it." in told


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (401, Unavailable)])
def test_what_is_not_there_and_who_may_not_are_told_apart(
    ingest: Ingest, status: int, error: type[Exception]
) -> None:
    ingest.status, ingest.answer = status, {}
    with pytest.raises(error):
        send()


def test_when_it_may_have_been_taken_the_key_to_repeat_with_is_told(ingest: Ingest) -> None:
    ingest.status, ingest.answer = 503, {}
    with pytest.raises(Unavailable, match="--idempotency-key k-7"):
        send("--idempotency-key", "k-7")


@pytest.mark.parametrize("value", ["name", "=x"])
def test_a_variable_is_written_as_name_and_value(ingest: Ingest, value: str) -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        send("-v", value)
    assert ingest.asked == []
