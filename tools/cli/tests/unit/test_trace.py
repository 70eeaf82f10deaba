"""The story of a message, over real HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from yizhan_cli.errors import NotFound, Unavailable, UsageError
from yizhan_cli.main import app

MESSAGE = "01a2073f5fb849b6f2a74de452e6b438"
STORY: dict[str, Any] = {
    "message_id": MESSAGE,
    "accepted": {
        "account_id": "acc-lumiere",
        "reference": "",
        "recipient": "+336****0042",
        "accepted_at": "2026-11-23T07:12:03.500Z",
        "policy": {"max_attempts": 3},
    },
    "settled": {"status": "delivered", "revision": 1},
    "timeline": [
        {"at": "2026-11-23T07:12:03.660Z", "what": "submitted", "n": 1, "channel": "acme-eu"},
        {"at": "2026-11-23T07:12:10Z", "what": "receipt", "n": 1, "state": "delivered", "x": "y"},
    ],
}
HEARD: dict[str, Any] = STORY | {
    "waiting_pushes": [{"status": "1", "tries": 3, "next_at": "2026-11-23T07:20:00Z"}],
    "replies": [{"received_at": "2026-11-23T07:14:00Z", "to": "10690000", "text": "谁?"}],
}
OPEN: dict[str, Any] = {"message_id": "d" * 32, "accepted": None, "settled": None, "timeline": []}


async def answer(request: web.Request) -> web.Response:
    if request.headers.get("Authorization") != "Bearer good":
        return web.json_response({}, status=401)
    known: dict[str, Any] = {
        MESSAGE: STORY,
        "b" * 32: [],
        "c" * 32: None,
        "d" * 32: OPEN,
        "e" * 32: HEARD,
    }
    found = known.get(request.match_info["message_id"])
    return web.json_response(found, status=404 if found is None else 200)


@pytest.fixture(scope="module")
def receipts_url() -> Iterator[str]:
    loop = asyncio.new_event_loop()
    service = web.Application()
    service.router.add_get("/v1/messages/{message_id}", answer)
    runner = web.AppRunner(service)

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    url = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield url
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIZHAN_INTERNAL_TOKEN", "good")


def trace(*arguments: str) -> str:
    return CliRunner().invoke(app, ["trace", *arguments], catch_exceptions=False).stdout


def test_the_story_is_told_in_its_order(receipts_url: str) -> None:
    told = trace(MESSAGE, "--receipts-url", receipts_url)
    assert "max_attempts: 3" in told
    assert told.index("+0.160 s") < told.index("+6.500 s")
    assert told.index("submitted") < told.index("x: y")
    assert json.loads(trace(MESSAGE, "--receipts-url", receipts_url, "--json")) == STORY


def test_what_waits_to_be_pushed_and_what_was_replied_stand_below(receipts_url: str) -> None:
    told = trace("e" * 32, "--receipts-url", receipts_url)
    assert told.index("submitted") < told.index("waiting pushes") < told.index("谁?")


def test_a_message_that_is_only_heard_of_is_still_open(receipts_url: str) -> None:
    assert "still open" in trace("d" * 32, "--receipts-url", receipts_url)


def test_the_running_stack_is_asked_by_default(
    receipts_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"YIZHAN_INTERNAL_TOKEN": "good"}
    services = {"receipts-1": {"service": "receipts", "url": receipts_url, "env": env}}
    (tmp_path / "stack.json").write_text(json.dumps({"services": services}))
    monkeypatch.setenv("YIZHAN_LOCAL_DIR", str(tmp_path))
    monkeypatch.delenv("YIZHAN_INTERNAL_TOKEN")
    monkeypatch.delenv("YIZHAN_RECEIPTS_URL", raising=False)
    assert MESSAGE in trace(MESSAGE)


def test_what_is_unknown_is_not_found(receipts_url: str) -> None:
    with pytest.raises(NotFound):
        trace("a" * 32, "--receipts-url", receipts_url)


def test_what_is_no_id_is_not_asked_for(receipts_url: str) -> None:
    with pytest.raises(UsageError):
        trace("nonsense", "--receipts-url", receipts_url)


def test_a_refusal_says_what_is_wanted(receipts_url: str) -> None:
    with pytest.raises(Unavailable, match="token"):
        trace(MESSAGE, "--receipts-url", receipts_url, "--token", "bad")


@pytest.mark.parametrize("message_id", ["b" * 32])
def test_an_answer_that_is_none_is_told(receipts_url: str, message_id: str) -> None:
    with pytest.raises(Unavailable):
        trace(message_id, "--receipts-url", receipts_url)


def test_a_service_that_is_away_is_told() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        trace(MESSAGE, "--receipts-url", "http://127.0.0.1:1")


def test_without_a_stack_an_address_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_LOCAL_DIR", str(tmp_path))
    monkeypatch.delenv("YIZHAN_RECEIPTS_URL", raising=False)
    with pytest.raises(UsageError, match="receipts-url"):
        trace(MESSAGE)
