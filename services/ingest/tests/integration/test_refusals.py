"""What must be told apart is: each cause has a code of its own, on real servers."""

import json
from pathlib import Path
from typing import Any

import pytest
from services.ingest.tests.integration.conftest import Corner
from services.ingest.tests.unit.asgi import call
from services.ingest.tests.unit.making import ACCOUNTS, SECRET, SECRET_SHA256, US

from ingest.app import Role

pytestmark = pytest.mark.integration

WORDS = Path(__file__).parents[4] / "deploy/config/words"
_POOR = """  - id: {name}
    name: {name}
    state: verified
    sender: Yizhan
    keys: [{{ key: {name}-key, secret_sha256: {sha256} }}]
    packages: {{ {packages} }}
    balance: {balance}
    templates: *templates
"""
PLENTY = "domestic: 10, international: 10"
DELIVERED = {"template": "delivered", "variables": {"tracking_number": "T1"}}
MARKETING = {"template": "delivered", "variables": {"tracking_number": "50% discount"}}
CASES: list[tuple[str, dict[str, Any], int, list[str]]] = [
    ("waiting", DELIVERED, 403, ["account-not-verified"]),
    ("send-and-read", {"template": "unapproved"}, 422, ["template-not-approved"]),
    ("send-and-read", DELIVERED | {"sender": "72345"}, 422, ["sender-not-approved"]),
    ("send-and-read", DELIVERED | {"sender": "Nobody"}, 422, ["sender-unknown"]),
    ("rejected", DELIVERED, 422, ["sender-not-approved"]),
    ("send-and-read", MARKETING, 422, ["content-marketing"]),
    ("unpacked", DELIVERED, 402, ["package-empty"]),
    ("penniless", DELIVERED, 402, ["balance-empty"]),
    ("nothing", DELIVERED, 402, ["package-empty", "balance-empty"]),
]


def _poor(name: str, packages: str, balance: int) -> str:
    return _POOR.format(name=name, sha256=SECRET_SHA256, packages=packages, balance=balance)


@pytest.fixture
def told_apart(corner: Corner) -> Corner:
    accounts = (
        ACCOUNTS
        + _poor("unpacked", "domestic: 10", 5)
        + _poor("penniless", PLENTY, 0)
        + _poor("nothing", "domestic: 10", 0)
        + _poor("rejected", PLENTY, 5)
        + "    senders: [{ value: 驿站, state: rejected }]\n"
    )
    corner.settings.ingest_accounts_file.write_text(accounts, encoding="utf-8")
    corner.settings = corner.settings.model_copy(update={"ingest_words_dir": WORDS})
    return corner


async def test_each_cause_has_its_code(told_apart: Corner) -> None:
    service = await told_apart.start([Role.API])
    for key, body, status, codes in CASES:
        name = key if key == "send-and-read" else f"{key}-key"
        reply = await call(
            service.http,
            "POST",
            "/v1/messages",
            headers={"Authorization": f"Bearer {name}.{SECRET}"},
            body=json.dumps({"to": US} | body).encode(),
        )
        found = [error["code"] for error in reply.json()["errors"]]
        assert (reply.status, found) == (status, codes), key
    assert await told_apart.messages() == []
