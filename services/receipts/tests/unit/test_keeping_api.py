"""Who may export and erase, and what is told: the HTTP edge of both, over memory."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from services.receipts.tests.unit.exporting import MemoryExports, MemoryRows
from services.receipts.tests.unit.making import NOON, RECIPIENT
from services.receipts.tests.unit.world import Steps, TurnedClock

from receipts.access import Access
from receipts.erasure.api import make_erasures_router
from receipts.erasure.domain import Erasure, Planned, State
from receipts.erasure.service import Erasures
from receipts.exports.api import make_exports_router
from receipts.exports.service import Exports
from receipts.retention.api import make_retention_router
from receipts.retention.policy import Policies, Policy
from yizhan_runtime.tokens import BadToken, Holder, TokenReader

OPERATOR = "a-token-for-tests"
ASKED = {"account_id": "acme", "since": "2026-11-01T00:00:00Z"}


class FakeTokens(TokenReader):
    """Tokens that are their account and scopes."""

    async def read(self, token: str) -> Holder:
        account_id, _, scopes = token.partition("|")
        if not scopes:
            raise BadToken("no token")
        return Holder(account_id, frozenset(scopes.split()))


class MemoryErasures:
    """Implements ErasureStore, as far as those who ask come to it."""

    def __init__(self) -> None:
        self.all: dict[str, Erasure] = {}

    async def add(self, erasure: Erasure, key: str) -> bool:
        is_new = key not in self.all
        self.all.setdefault(key, erasure)
        return is_new

    async def under(self, key: str) -> Erasure | None:
        return self.all.get(key)

    async def load(self, erasure_id: str) -> Erasure | None:
        return next((one for one in self.all.values() if one.erasure_id == erasure_id), None)

    async def claim(self, owner: str, now: datetime, until: datetime) -> Erasure | None:
        return None

    async def plan(self, erasure_id: str, planned: Planned, until: datetime) -> None: ...
    async def count(self, erasure_id: str, planned: Planned, export_ids: Collection[str]) -> None:
        """Nothing is counted here."""

    async def count_beside(
        self, erasure_id: str, replies: int, export_ids: Collection[str]
    ) -> None:
        """Nothing is counted here."""

    async def wait(self, erasure_id: str, until: datetime, waiting_ids: Collection[str]) -> None:
        """Nobody waits here."""

    async def finish(self, erasure_id: str, left: Mapping[str, int], at: datetime) -> None:
        """Nothing is finished here."""


class MemoryPolicies:
    """Keeps policies: the part of KeptBeside that the edge uses."""

    def __init__(self) -> None:
        self.own: dict[str, Policy] = {}

    async def policies(self) -> dict[str, Policy]:
        return dict(self.own)

    async def save_policy(self, account_id: str, policy: Policy | None) -> None:
        if policy is None:
            self.own.pop(account_id, None)
        else:
            self.own[account_id] = policy


class Edge:
    """All routers, and a client that shows a token."""

    def __init__(self, key: str = "a-key") -> None:
        self.clock, steps = TurnedClock(), Steps()
        self.store = MemoryExports(steps)
        self.erasures = MemoryErasures()
        exports = Exports(self.store, MemoryRows(3, steps), self.clock, timedelta(days=7))
        access = Access(SecretStr(OPERATOR), FakeTokens("", self.clock))
        erasures = Erasures(self.erasures, self.clock, SecretStr(key))
        self._app = FastAPI()
        self._app.include_router(make_exports_router(exports, access, self.clock))
        self._app.include_router(make_erasures_router(erasures, access))
        of_file = Policies(accounts={"brief": Policy(contents_days=10)})
        self._app.include_router(make_retention_router(MemoryPolicies(), of_file, access))

    async def ask(
        self, method: str, path: str, body: Any = None, token: str = OPERATOR
    ) -> tuple[int, Any]:
        sent: list[dict[str, Any]] = []
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [
                (b"authorization", f"Bearer {token}".encode()),
                (b"content-type", b"application/json"),
            ],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(body).encode()}

        async def send(part: Any) -> None:
            sent.append(part)

        await self._app(scope, receive, send)
        content = b"".join(part.get("body", b"") for part in sent[1:])
        return sent[0]["status"], json.loads(content)


@pytest.mark.parametrize(
    ("token", "changes", "status"),
    [
        ("acme|read", {}, 202),
        ("acme|read", {"personal": True}, 403),
        ("acme|read", {"text": True}, 403),
        ("acme|read read:personal", {"personal": True, "text": True}, 202),
        ("other|read read:personal", {}, 403),
        ("acme|send", {}, 403),
        (OPERATOR, {"personal": True}, 202),
        (OPERATOR, {"zone": "Nowhere"}, 422),
        (OPERATOR, {"since": "2026-11-01T00:00:00"}, 422),
        (OPERATOR, {"status": ["lost"]}, 422),
        (OPERATOR, {"strange": 1}, 422),
    ],
)
async def test_who_may_export_what(token: str, changes: dict[str, Any], status: int) -> None:
    assert (await Edge().ask("POST", "/v1/exports", ASKED | changes, token))[0] == status


async def test_an_export_is_its_accounts_and_a_file_with_numbers_needs_the_scope_too() -> None:
    edge = Edge()
    _, told = await edge.ask("POST", "/v1/exports", ASKED | {"personal": True})
    path = f"/v1/exports/{told['export_id']}"
    assert (await edge.ask("GET", path, token="acme|read"))[1]["percent"] == 0
    assert (await edge.ask("GET", path, token="other|read"))[0] == 404
    assert (await edge.ask("DELETE", path, token="other|read"))[0] == 404
    assert (await edge.ask("GET", f"{path}/file", token="acme|read"))[0] == 403
    status, answer = await edge.ask("GET", f"{path}/file", token="acme|read read:personal")
    assert status == 409
    assert "not done" in answer["detail"]
    assert (await edge.ask("GET", "/v1/exports?account_id=acme", token="acme|read"))[0] == 200


async def test_the_same_query_is_one_export_until_now_or_not() -> None:
    edge = Edge()
    first = (await edge.ask("POST", "/v1/exports", ASKED))[1]["export_id"]
    edge.clock.turn(5)
    assert (await edge.ask("POST", "/v1/exports", ASKED))[1]["export_id"] == first
    other = ASKED | {"country": ["CN"]}
    assert (await edge.ask("POST", "/v1/exports", other))[1]["export_id"] != first


@pytest.mark.parametrize(
    ("token", "body", "status"),
    [
        (OPERATOR, {"phone": RECIPIENT}, 202),
        (OPERATOR, {"account_id": "acme"}, 202),
        (OPERATOR, {}, 422),
        (OPERATOR, {"phone": "13800001111"}, 422),
        ("acme|read admin", {"account_id": "acme", "phone": RECIPIENT}, 202),
        ("acme|read admin", {"phone": RECIPIENT}, 403),
        ("acme|read admin", {"account_id": "other", "phone": RECIPIENT}, 403),
        ("acme|read", {"account_id": "acme"}, 403),
    ],
)
async def test_who_may_erase_whom(token: str, body: dict[str, str], status: int) -> None:
    told = await Edge().ask("POST", "/v1/erasures", body, token)
    assert told[0] == status
    if status == 202:
        assert RECIPIENT not in json.dumps(told[1])


async def test_an_erasure_is_told_to_whom_it_belongs_and_one_subject_has_one() -> None:
    edge = Edge()
    body = {"account_id": "acme", "phone": RECIPIENT}
    erasure_id = (await edge.ask("POST", "/v1/erasures", body))[1]["erasure_id"]
    assert (await edge.ask("POST", "/v1/erasures", body))[1]["erasure_id"] == erasure_id
    path = f"/v1/erasures/{erasure_id}"
    status, proof = await edge.ask("GET", path, token="acme|read")
    assert (status, proof["state"], proof["complete_at"]) == (200, State.RUNNING, None)
    assert datetime.fromisoformat(proof["requested_at"]) == NOON
    assert (await edge.ask("GET", path, token="other|read"))[0] == 404


async def test_without_a_key_of_the_deployment_nothing_is_erased_on_request() -> None:
    status, answer = await Edge(key="").ask("POST", "/v1/erasures", {"phone": RECIPIENT})
    assert status == 503
    assert "YIZHAN_RECEIPTS_ERASURE_KEY" in answer["detail"]


async def test_an_account_sees_how_long_it_is_kept_and_operators_change_it() -> None:
    edge, path = Edge(), "/v1/retention/acme"
    assert (await edge.ask("GET", path, token="acme|read"))[1] == {
        "account_id": "acme",
        "contents_days": 30,
        "numbers_days": 180,
        "all_days": 400,
        "given_by": "default",
    }
    assert (await edge.ask("GET", path, token="other|read"))[0] == 403
    brief = {"contents_days": 10, "numbers_days": 20, "all_days": 30}
    assert (await edge.ask("PUT", path, brief, token="acme|read admin"))[0] == 403
    assert (await edge.ask("PUT", path, brief))[1]["given_by"] == "api"
    status, answer = await edge.ask("PUT", path, brief | {"numbers_days": 5})
    assert status == 422
    assert "greater than or equal to 10" in json.dumps(answer)
    assert (await edge.ask("PUT", path, brief | {"numbers_days": 50}))[0] == 422
    assert (await edge.ask("DELETE", path))[1]["contents_days"] == 30
    assert (await edge.ask("GET", "/v1/retention/brief"))[1]["given_by"] == "file"
