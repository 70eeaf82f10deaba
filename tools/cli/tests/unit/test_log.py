"""The message log, replies and conversations from the command line, over real HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools.cli.tests.unit.stub import Ingest, serving
from typer.testing import CliRunner

from yizhan_cli.errors import Refused
from yizhan_cli.main import app

AS_OF = {"complete_until": "2026-11-29T08:00:00Z", "unread": 0, "set_aside": 0, "note": ""}
ROW = {
    "accepted_at": "2026-11-29T07:00:00Z",
    "message_id": "a" * 32,
    "phone": "+861******1111",
    "country": "CN",
    "status": "failed",
    "channel": "cn-a",
    "meaning": "The number is not assigned to anybody: remove it from your records.",
    "text": None,
}
PAGE: dict[str, Any] = {"messages": [ROW], "next": "more", "complete": True, "as_of": AS_OF}
REPLY = {
    "received_at": "2026-11-29T07:00:00Z",
    "phone": "+861******1111",
    "to": "10690000",
    "account_id": "acme",
    "reference": "SF1",
    "message_id": "a" * 32,
    "text": "好的",
}


@pytest.fixture
def receipts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ingest]:
    with serving() as stub:
        monkeypatch.setenv("YIZHAN_CONFIG", str(tmp_path / "none"))
        monkeypatch.setenv("YIZHAN_RECEIPTS_URL", stub.url)
        monkeypatch.setenv("YIZHAN_INTERNAL_TOKEN", "t-1")
        yield stub


def yizhan(*arguments: str) -> tuple[str, str]:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return done.stdout, done.stderr


def test_a_row_says_why_and_the_answer_says_as_of_when(receipts: Ingest) -> None:
    receipts.answer = PAGE
    told, said = yizhan("log", "--phone", "+8613800001111", "--status", "failed")
    assert "The number is not assigned to anybody" in told
    assert "complete as of: 2026-11-29T08:00:00Z" in said
    assert "--all" in said
    (asked,) = receipts.asked
    assert asked["what"] == "GET /v1/log?phone=%2B8613800001111&status=failed&limit=50"
    assert asked["headers"]["Authorization"] == "Bearer t-1"


def test_all_pages_are_one_list(receipts: Ingest) -> None:
    receipts.answers = [PAGE, PAGE | {"next": None}]
    told, _ = yizhan("log", "--account", "acme", "--all", "--json", "--unmasked", "--with-text")
    assert json.loads(told) == PAGE | {"messages": [ROW, ROW], "next": None}
    first, second = (one["what"] for one in receipts.asked)
    assert second == f"{first}&cursor=more"
    assert "with=text&unmasked=true" in first


def test_an_incomplete_answer_says_what_to_do(receipts: Ingest) -> None:
    receipts.answer = PAGE | {
        "complete": False,
        "advice": "narrow the range",
        "searched_until": "2026-11-01T00:00:00Z",
    }
    _, said = yizhan("log", "--account", "acme", "--text", "包裹")
    assert "not complete: narrow the range" in said
    assert "2026-11-01" in said


def test_a_refusal_is_told_in_the_services_words(receipts: Ingest) -> None:
    receipts.status = 422
    receipts.answer = {"detail": "since must be before until"}
    with pytest.raises(Refused, match="since must be before until"):
        yizhan("log", "--account", "acme")


def test_replies_and_conversations_are_shown(receipts: Ingest) -> None:
    page = {"next": None, "complete": True, "as_of": AS_OF}
    receipts.answer = page | {"replies": [REPLY]}
    told, _ = yizhan("replies", "--message", "a" * 32, "--with-text")
    assert "好的" in told
    entry = {"at": "2026-11-29T07:00:00Z", "conversation_id": "c", "ours": "10690000"}
    entries = [
        entry | {"direction": "received", "message": None, "reply": REPLY},
        entry | {"direction": "sent", "message": ROW, "reply": None},
    ]
    receipts.answer = page | {"entries": entries}
    told, _ = yizhan("conversation", "+8613800001111", "--account", "acme", "--sender", "10690000")
    assert "reply" in told
    assert "failed" in told
    assert receipts.asked[-1]["what"].startswith("GET /v1/conversations?phone=%2B8613800001111")
