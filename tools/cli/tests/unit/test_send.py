"""Sending from the command line, over real HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.cli.tests.unit.stub import Ingest, serving
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


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ingest]:
    with serving() as stub:
        stub.status, stub.answer = 202, ACCEPTED
        monkeypatch.setenv("YIZHAN_CONFIG", str(tmp_path / "none"))
        monkeypatch.setenv("YIZHAN_INGEST_URL", stub.url)
        monkeypatch.setenv("YIZHAN_KEY", "k")
        monkeypatch.setenv("YIZHAN_SECRET", "s")
        yield stub


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
