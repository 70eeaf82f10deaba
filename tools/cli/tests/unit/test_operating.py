"""Holds and accounts from the command line, over real HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.cli.tests.unit.stub import Ingest, serving
from typer.testing import CliRunner

from yizhan_cli.errors import NotFound, Refused, UsageError
from yizhan_cli.main import app

HOLD = {"kind": "shipment", "id": "S/1", "held": True, "by": "operator"}
USAGE = {
    "account_id": "shop",
    "balance": "12.5000",
    "currency": "CNY",
    "packages": {
        "domestic": {"bought": 10, "left": 7, "leased": 1, "spent": 2, "returned": 0},
    },
}


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ingest]:
    with serving() as stub:
        monkeypatch.setenv("YIZHAN_CONFIG", str(tmp_path / "none"))
        monkeypatch.setenv("YIZHAN_INGEST_URL", stub.url)
        monkeypatch.setenv("YIZHAN_INTERNAL_TOKEN", "t-1")
        yield stub


def yizhan(*arguments: str) -> str:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False).stdout


def test_something_is_stopped_and_resumed(ingest: Ingest) -> None:
    ingest.answer = HOLD
    told = yizhan("hold", "stop", "shipment", "S/1", "--cancel", "--account", "shop", "--json")
    assert json.loads(told) == [HOLD]
    assert "S/1" in yizhan("hold", "resume", "shipment", "S/1")
    stop, resume = ingest.asked
    assert stop["what"] == "POST /v1/holds"
    assert stop["body"] == {"kind": "shipment", "id": "S/1", "cancel": True, "reason": ""}
    assert stop["headers"]["Authorization"] == "Bearer t-1"
    assert stop["headers"]["Yizhan-Account"] == "shop"
    assert resume["what"] == "DELETE /v1/holds/shipment/S%2F1"
    assert "Yizhan-Account" not in resume["headers"]


def test_what_is_stopped_is_listed(ingest: Ingest) -> None:
    ingest.answer = {"holds": [HOLD]}
    assert "shipment" in yizhan("hold", "list")


def test_packages_are_bought_and_shown(ingest: Ingest) -> None:
    ingest.answer = USAGE
    told = yizhan("account", "buy", "shop", "domestic", "5", "--id", "p1")
    assert "12.5000 CNY" in told
    yizhan("account", "top-up", "shop", "--id", "e1", "--", "-2.5")
    assert json.loads(yizhan("account", "usage", "--account", "shop", "--json")) == USAGE
    bought, booked, shown = ingest.asked
    assert bought["body"] == {"package": "domestic", "quantity": 5, "purchase_id": "p1"}
    assert booked["body"] == {"amount": "-2.5", "entry_id": "e1"}
    assert {one["headers"]["Yizhan-Account"] for one in ingest.asked} == {"shop"}
    assert shown["what"] == "GET /v1/usage"


def test_accounts_are_added_changed_and_listed(ingest: Ingest) -> None:
    ingest.answer = {"id": "new", "state": "verified"}
    yizhan("account", "add", "new", "--name", "New", "--sender", "New", "--set", "locale=en")
    yizhan("account", "set", "new", "state=verified", "validity_s=60")
    added, changed = ingest.asked
    assert added["body"]["state"] == "pending"
    assert added["body"]["locale"] == "en"
    assert (changed["what"], changed["body"]) == (
        "PATCH /v1/accounts/new",
        {"state": "verified", "validity_s": 60},
    )
    ingest.answer = {"accounts": [ingest.answer]}
    assert "verified" in yizhan("account", "list")


def test_refusals_are_told_apart(ingest: Ingest) -> None:
    ingest.status, ingest.answer = 404, {"code": "hold-not-found", "what_to_do": "See the list."}
    with pytest.raises(NotFound, match="hold-not-found"):
        yizhan("hold", "resume", "account", "shop")
    ingest.status = 422
    with pytest.raises(Refused):
        yizhan("account", "set", "new", "state=x")
    with pytest.raises(UsageError, match="FIELD=VALUE"):
        yizhan("account", "set", "new", "state")
