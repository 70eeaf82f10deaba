"""Exports and erasures from the command line, over real HTTP."""

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

FILE = b"message_id\r\n" * 100_000
ERASURE = {
    "erasure_id": "e" * 24,
    "state": "done",
    "subject": {"account_id": None, "phone_hmac_sha256": "abc"},
    "removed": [{"store": "messages", "found_and_removed": 7, "found_by": "recipient"}],
    "verified_left": {"messages": 0},
    "still_open_ids": [],
    "expires_by_itself": [
        {"where": "Kafka: x.dlq", "holds": ["number"], "by": "2027-01-01", "how": "retention"},
        {"where": "ingest: stops", "holds": ["number"], "by": None, "how": ""},
    ],
}


class Receipts:
    """Answers as receipts does; each export is done the third time that it is asked for."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.asked = 0

    async def begin(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        if body["account_id"] == "other":
            return web.json_response({"detail": "this token is of another account"}, status=403)
        return web.json_response({"export_id": "a" * 24, "estimated": 7}, status=202)

    async def one(self, request: web.Request) -> web.Response:
        if request.match_info["export_id"] == "c" * 24:
            return web.json_response({"state": "failed", "percent": 100, "error": "broken"})
        self.asked += 1
        state = "done" if self.asked > 1 else "running"
        return web.json_response({"state": state, "percent": 50, "rows": 7, "error": ""})

    async def file(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["export_id"] == "b" * 24:
            answer = web.StreamResponse()
            await answer.prepare(request)
            await answer.write(FILE[:10])
            assert request.transport is not None
            request.transport.close()
            return answer
        return web.Response(body=FILE)

    async def erase(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        return web.json_response(ERASURE, status=202)

    async def proof(self, request: web.Request) -> web.Response:
        is_known = request.match_info["erasure_id"] == ERASURE["erasure_id"]
        return web.json_response(ERASURE if is_known else {}, status=200 if is_known else 404)


RECEIPTS = Receipts()


@pytest.fixture(scope="module")
def receipts_url() -> Iterator[str]:
    loop = asyncio.new_event_loop()
    service = web.Application()
    service.router.add_post("/v1/exports", RECEIPTS.begin)
    service.router.add_get("/v1/exports/{export_id}", RECEIPTS.one)
    service.router.add_get("/v1/exports/{export_id}/file", RECEIPTS.file)
    service.router.add_post("/v1/erasures", RECEIPTS.erase)
    service.router.add_get("/v1/erasures/{erasure_id}", RECEIPTS.proof)
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
def environment(monkeypatch: pytest.MonkeyPatch, receipts_url: str) -> None:
    monkeypatch.setenv("YIZHAN_INTERNAL_TOKEN", "good")
    monkeypatch.setenv("YIZHAN_RECEIPTS_URL", receipts_url)


def run(*arguments: str, told: str = "") -> str:
    return CliRunner().invoke(app, list(arguments), input=told, catch_exceptions=False).stdout


def test_an_export_is_begun_waited_for_and_fetched(tmp_path: Path) -> None:
    RECEIPTS.asked = 0
    out = tmp_path / "messages.csv"
    run(
        "export", "start", "acme", "--since", "2026-11-01T00:00:00+08:00",
        "--status", "failed", "--out", str(out),
    )  # fmt: skip
    assert out.read_bytes() == FILE
    assert RECEIPTS.bodies[-1]["format"] == "csv"
    assert RECEIPTS.bodies[-1]["status"] == ["failed"]


def test_a_file_that_breaks_off_is_not_there(tmp_path: Path) -> None:
    RECEIPTS.asked = 9
    out = tmp_path / "messages.csv"
    with pytest.raises(Unavailable, match="broke off"):
        run("export", "fetch", "b" * 24, "--out", str(out))
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_failed_says_why(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="broken"):
        run("export", "fetch", "c" * 24, "--out", str(tmp_path / "x.xlsx"))


@pytest.mark.parametrize(
    ("since", "out"), [("yesterday", "x.csv"), ("2026-11-01T00:00:00", "x.csv")]
)
def test_a_time_without_its_offset_is_asked_again(since: str, out: str) -> None:
    with pytest.raises(UsageError, match="a time is wanted"):
        run("export", "start", "acme", "--since", since, "--out", out)


def test_a_file_of_no_known_kind_and_a_refusal_are_told(tmp_path: Path) -> None:
    begin = ("export", "start", "other", "--since", "2026-11-01T00:00:00Z", "--out")
    with pytest.raises(UsageError, match=r"\.csv or \.xlsx"):
        run(*begin, "x.pdf")
    with pytest.raises(Unavailable, match="another account"):
        run(*begin, str(tmp_path / "x.csv"))


def test_a_number_is_erased_from_standard_input_and_the_proof_is_shown() -> None:
    told = run("erase", "start", "--phone", "-", told="+8613800001111\n")
    assert RECEIPTS.bodies[-1] == {"phone": "+8613800001111", "account_id": ""}
    assert "+8613800001111" not in told
    for part in ("messages", "7", "Kafka: x.dlq", "no bound"):
        assert part in told
    assert json.loads(run("erase", "proof", "e" * 24, "--json")) == ERASURE


def test_nobody_is_erased_by_mistake() -> None:
    for wrong in ([], ["--account", "acme"], ["--phone", "+4915112345678", "--everyone"]):
        with pytest.raises(UsageError, match="everyone"):
            run("erase", "start", *wrong)
    with pytest.raises(NotFound):
        run("erase", "proof", "f" * 24)
