"""Endpoints from the command line, over real HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.cli.tests.unit.stub import Ingest, serving
from typer.testing import CliRunner

from yizhan_cli.errors import NotFound, Refused
from yizhan_cli.main import app

ENDPOINT = {
    "account_id": "shop/1",
    "state": "active",
    "url": "https://example.com/x",
    "events_url": None,
    "concurrency": 4,
    "timeout_s": 10.0,
    "secrets": [{"secret_id": "a"}],
}


@pytest.fixture
def receipts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ingest]:
    with serving() as stub:
        monkeypatch.setenv("YIZHAN_CONFIG", str(tmp_path / "none"))
        monkeypatch.setenv("YIZHAN_RECEIPTS_URL", stub.url)
        monkeypatch.setenv("YIZHAN_INTERNAL_TOKEN", "t-1")
        stub.answer = ENDPOINT
        yield stub


def yizhan(*arguments: str) -> str:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False).stdout


def test_an_endpoint_is_set_paused_resumed_and_ended(receipts: Ingest) -> None:
    assert "https://example.com/x" in yizhan(
        "endpoint", "set", "shop/1", "--url", "https://example.com/x", "--concurrency", "2"
    )
    for command in ("show", "pause", "resume", "delete", "drop-secret"):
        yizhan("endpoint", command, "shop/1")
    assert [one["what"] for one in receipts.asked] == [
        "PUT /v1/endpoints/shop%2F1",
        "GET /v1/endpoints/shop%2F1",
        "POST /v1/endpoints/shop%2F1/pause",
        "POST /v1/endpoints/shop%2F1/resume",
        "DELETE /v1/endpoints/shop%2F1",
        "DELETE /v1/endpoints/shop%2F1/secret",
    ]
    assert receipts.asked[0]["body"] == {
        "url": "https://example.com/x",
        "events_url": None,
        "concurrency": 2,
        "timeout_s": 10.0,
    }
    assert receipts.asked[0]["headers"]["Authorization"] == "Bearer t-1"


def test_all_are_listed_page_by_page(receipts: Ingest) -> None:
    receipts.answer = {"endpoints": [ENDPOINT], "most": 2}
    assert json.loads(yizhan("endpoint", "list", "--json")) == [ENDPOINT]


def test_a_range_is_replayed_and_looked_at(receipts: Ingest) -> None:
    receipts.answer = {"replay_id": "r1", "progress": "running", "items": 0}
    told = yizhan("endpoint", "replay", "shop", "--since", "2026-11-29T00:00:00Z", "--parked")
    assert "running" in told
    assert receipts.asked[0]["body"] == {
        "since": "2026-11-29T00:00:00Z",
        "until": None,
        "about": "results",
        "status": "",
        "source": "parked",
    }
    yizhan("endpoint", "cancel-replay", "shop", "r1")
    receipts.answer = {"replays": [receipts.answer]}
    assert "r1" in yizhan("endpoint", "replays", "shop")


def test_a_sample_shows_the_answer_and_fails_when_it_is_no_acknowledgement(
    receipts: Ingest,
) -> None:
    receipts.answer = {"answer": "refused", "http_status": 200, "respCode": "E7", "body": "{}"}
    found = CliRunner().invoke(app, ["endpoint", "sample", "shop", "--about", "events"])
    assert found.exit_code == 1
    assert "E7" in found.stdout
    assert receipts.asked[0]["body"] == {"about": "events"}
    receipts.answer = {"answer": "acknowledged"}
    assert CliRunner().invoke(app, ["endpoint", "sample", "shop"]).exit_code == 0


def test_a_new_secret_alone_is_written_to_standard_output(receipts: Ingest) -> None:
    receipts.answer = {**ENDPOINT, "secret": "whsec_x"}
    assert yizhan("endpoint", "rotate-secret", "shop") == "whsec_x\n"


def test_refusals_are_told_in_the_services_own_words(receipts: Ingest) -> None:
    receipts.status = 422
    receipts.answer = {"detail": "this address is refused: the address is private"}
    with pytest.raises(Refused, match="the address is private"):
        yizhan("endpoint", "set", "shop", "--url", "https://10.0.0.1/")
    receipts.answer = {"detail": [{"loc": ["body", "since"], "msg": "not a time"}]}
    with pytest.raises(Refused, match="since: not a time"):
        yizhan("endpoint", "replay", "shop", "--since", "x")
    receipts.status, receipts.answer = 404, {"detail": "this account has no endpoint: PUT one"}
    with pytest.raises(NotFound, match="PUT one"):
        yizhan("endpoint", "show", "shop")
