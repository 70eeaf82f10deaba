"""Templates and opt-outs from the command line, over real HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from yizhan_cli.errors import UsageError
from yizhan_cli.main import app

TEMPLATE = {
    "account_id": "shop",
    "id": "welcome",
    "version": 2,
    "state": "draft",
    "category": "notification",
    "languages": {"zh": "欢迎{name}"},
    "history": [{"step": "create", "by": "key k", "at": "2026-11-23T10:00:00Z", "reason": ""}],
}
PREVIEW = {
    "template": "welcome",
    "version": 2,
    "state": "draft",
    "text": "欢迎Ann",
    "language": "zh",
    "encoding": "ucs-2",
    "segments": 1,
    "charging_num": 1,
    "costs": [{"country": "CN", "package": "domestic", "quantity": 1}],
    "refusals": [{"code": "template-not-approved", "field": "template", "detail": "It is draft."}],
}
STOP = {"number": "+12015550123", "opted_out": True, "blacklisted": False}


class Ingest:
    """Answers as ingest would, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []
        self.url = ""

    async def any(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = json.loads(text) if text else None
        self.asked.append((request.method, request.path_qs, body, dict(request.headers)))
        return web.json_response(self._answer(request.method, request.path))

    def _answer(self, method: str, path: str) -> dict[str, Any]:
        if path == "/v1/preview":
            return PREVIEW
        if path.startswith("/v1/opt-outs"):
            changed = STOP | {"changed_at": "2026-11-23T10:00:00Z"}
            return {"numbers": [changed]} if method == "GET" else STOP | {"history": []}
        if path == "/v1/reviews":
            return {"templates": [TEMPLATE], "senders": []}
        if method == "GET":
            return {"templates": [TEMPLATE]}
        return TEMPLATE | ({"state": "pending"} if path.endswith("/submit") else {})


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ingest]:
    loop, service, stub = asyncio.new_event_loop(), web.Application(), Ingest()
    service.router.add_route("*", "/{path:.*}", stub.any)
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
    monkeypatch.setenv("YIZHAN_INTERNAL_TOKEN", "the-token")
    yield stub
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_file_is_registered_and_submitted(ingest: Ingest, tmp_path: Path) -> None:
    file = tmp_path / "welcome.yaml"
    file.write_text("id: welcome\nlanguages: { zh: '欢迎{name}' }\n", encoding="utf-8")
    assert "pending" in run("template", "submit", str(file)).output
    assert [(method, path) for method, path, _, _ in ingest.asked] == [
        ("POST", "/v1/templates"),
        ("POST", "/v1/templates/welcome/versions/2/submit"),
    ]
    assert ingest.asked[0][2] == {"id": "welcome", "languages": {"zh": "欢迎{name}"}}
    assert ingest.asked[0][3]["Authorization"] == "Bearer k.s"


def test_a_draft_goes_no_further(ingest: Ingest, tmp_path: Path) -> None:
    file = tmp_path / "welcome.json"
    file.write_text(json.dumps({"id": "welcome"}), encoding="utf-8")
    run("template", "submit", "--draft", str(file))
    assert len(ingest.asked) == 1


@pytest.mark.parametrize("content", ["- a list", "{", "7"])
def test_a_file_that_is_no_template_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "welcome.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"welcome\.yaml"):
        run("template", "submit", str(file))


@pytest.mark.parametrize("step", ["approve", "reject"])
def test_operators_decide_for_an_account(ingest: Ingest, step: str) -> None:
    named = ["--account", "shop", "--reviewer", "j.doe", "--reason", "because"]
    run("template", step, "welcome", "2", *named)
    ((method, path, body, headers),) = ingest.asked
    assert (method, path) == ("POST", f"/v1/templates/welcome/versions/2/{step}")
    assert body == {"reviewer": "j.doe", "reason": "because"}
    assert (headers["Authorization"], headers["Yizhan-Account"]) == ("Bearer the-token", "shop")


def test_a_rejection_needs_its_reason(ingest: Ingest) -> None:
    refused = run("template", "reject", "welcome", "2", "--account", "shop", "--reviewer", "j")
    assert refused.exit_code == 2
    assert ingest.asked == []


def test_templates_are_listed_and_retired(ingest: Ingest) -> None:
    assert "welcome" in run("template", "list", "--state", "draft").output
    assert "shop" in run("template", "pending").output
    run("template", "retire", "welcome", "2")
    assert [path for _, path, _, _ in ingest.asked] == [
        "/v1/templates?state=draft",
        "/v1/reviews",
        "/v1/templates/welcome/versions/2/retire",
    ]


def test_a_preview_says_what_it_would_take_and_why_not(ingest: Ingest) -> None:
    shown = run("template", "preview", "welcome", "-v", "name=Ann", "--country", "CN")
    for word in ("欢迎Ann", "ucs-2", "domestic", "template-not-approved"):
        assert word in shown.output
    assert ingest.asked[0][2] == {
        "template": "welcome",
        "variables": {"name": "Ann"},
        "countries": ["CN"],
    }


def test_numbers_are_opted_out_and_in_and_never_stand_in_an_address(ingest: Ingest) -> None:
    number = "+12015550123"
    run("optout", "add", number, "--reason", "asked by phone")
    run("optout", "add", number, "--blacklist", "--everyone")
    run("optout", "remove", number)
    run("optout", "find", number)
    assert "yes" in run("optout", "list", "--since", "2026-11-23T00:00:00Z").output
    assert [path for _, path, _, _ in ingest.asked] == [
        "/v1/opt-outs",
        "/v1/opt-outs",
        "/v1/opt-outs/remove",
        "/v1/opt-outs/find",
        "/v1/opt-outs?since=2026-11-23T00:00:00Z",
    ]
    assert [body["kind"] for _, _, body, _ in ingest.asked[:3]] == [
        "opt-out",
        "blacklist",
        "opt-out",
    ]
    assert ingest.asked[0][3]["Authorization"] == "Bearer k.s"
    assert ingest.asked[1][3]["Authorization"] == "Bearer the-token"
