"""Every route of the OpenAPI document, asked by somebody else and by nobody: nothing is told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from services.ingest.tests.integration.conftest import Corner
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.making import AUTHORIZATION, SECRET
from services.ingest.tests.unit.test_api import BODY

from ingest.app import Role
from yizhan_runtime.service import Service

pytestmark = pytest.mark.integration

MINE = "onlymine"
"""A word of the owner's: in no answer to anybody else."""
STRANGERS = f"Bearer other-key.{SECRET}"
PUBLIC = {"/.well-known/jwks.json"}


async def ask(
    service: Service, method: str, path: str, authorization: str = "", body: Any = None
) -> Reply:
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": authorization} if authorization else {}
    sent = b"" if body is None else json.dumps(body).encode()
    return await call(service.http, method, path, headers=headers, body=sent)


def operations(service: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in service.http.openapi()["paths"].items():
        for method, operation in methods.items():
            if path not in PUBLIC:
                yield method.upper(), path, operation


async def own_something(service: Service) -> dict[str, str]:
    """Give the owner one of each, by the names that paths have for them."""
    message = await ask(service, "POST", "/v1/messages", AUTHORIZATION, {**BODY, "reference": MINE})
    key = await ask(service, "POST", "/v1/keys", AUTHORIZATION, {"name": MINE})
    template = {"id": MINE, "languages": {"zh": f"【Yizhan】{MINE}"}, "category": "notification"}
    made = await ask(service, "POST", "/v1/templates", AUTHORIZATION, template)
    assert (message.status, key.status, made.status) == (202, 201, 201), made.body
    return {
        "message_id": message.json()["message_id"],
        "key": key.json()["key"],
        "secret_id": key.json()["secrets"][0]["secret_id"],
        "template_id": MINE,
        "version": "1",
    }


def filled(path: str, owned: dict[str, str]) -> str:
    """Put what the owner has into a path; names that are not known here get the owner's own id."""
    for part in path.split("/"):
        name = part.strip("{}").partition(":")[0]
        if part.startswith("{"):
            path = path.replace(part, owned.get(name, "shop"))
    return path


@pytest.fixture
async def service(corner: Corner) -> Service:
    vault = {
        "ingest_vault_keys": SecretStr("material-of-the-test"),
        "internal_token": SecretStr("the-operators-token"),
    }
    corner.settings = corner.settings.model_copy(update=vault)
    return await corner.start([Role.API])


async def test_no_route_tells_anybody_what_is_not_theirs(service: Service) -> None:
    owned = await own_something(service)
    asked = 0
    for method, path, operation in operations(service):
        body: Any = {} if "requestBody" in operation else None
        reply = await ask(service, method, filled(path, owned), STRANGERS, body)
        asked += 1
        assert reply.status < 500, (method, path, reply.body)
        told = reply.body.decode()
        assert MINE not in told.replace(filled(path, owned), ""), (method, path)
        if "{" in path:
            assert reply.status in {400, 403, 404, 422}, (method, path, reply.status)
            assert owned["message_id"] not in told
    assert asked >= 9
    shown = await ask(service, "GET", f"/v1/messages/{owned['message_id']}", AUTHORIZATION)
    kept = await ask(service, "GET", "/v1/keys", AUTHORIZATION)
    assert (shown.status, MINE in kept.body.decode()) == (200, True)


async def test_no_route_lets_anybody_in_without_credentials(service: Service) -> None:
    for method, path, operation in operations(service):
        body: Any = {} if "requestBody" in operation else None
        for authorization in ("", "Bearer other-key.wrong", "Bearer nobody.at-all"):
            reply = await ask(service, method, filled(path, {}), authorization, body)
            assert (reply.status, reply.json()["code"]) == (401, "unauthenticated"), (method, path)


async def test_every_route_says_what_may_go_wrong_and_who_is_let_in(service: Service) -> None:
    for method, path, operation in operations(service):
        where = (method, path)
        assert operation["security"], where
        assert {"401", "403", "500", "503"} <= operation["responses"].keys(), where
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert "application/problem+json" in response["content"], (*where, status)
            if status in {"429", "503"}:
                assert "Retry-After" in response["headers"], (*where, status)
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= operation["responses"].keys(), where


HOSTILE = {
    "deep lists": b"[" * 60_000,
    "deep objects": b'{"a":' * 10_000,
    "closed and deep": b'{"name":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "half a character": b'{"name": "\\ud800", "id": "\\udfff", "reason": "\\ud800"}',
    "half a character in a name": b'{"\\ud800": 1}',
    "a NUL": b'{"name": "a\\u0000b", "id": "\\u0000", "number": "\\u0000"}',
    "huge numbers": b'{"version": 1e999, "ttl_s": -1e400, "units": ' + b"9" * 6_000 + b"}",
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "ten megabytes": b'{"name": "' + b"x" * 10_000_000 + b'"}',
    "nothing": b"",
    "a list": b"[]",
}


async def test_no_hostile_body_is_a_mistake_of_ours(service: Service) -> None:
    bodies = [path for _, path, operation in operations(service) if "requestBody" in operation]
    assert "/v1/messages/many" in bodies
    for method, path, operation in operations(service):
        for authorization in (AUTHORIZATION, "Bearer the-operators-token"):
            headers = {"Authorization": authorization, "Yizhan-Account": "shop"}
            headers["Content-Type"] = "application/json"
            for kind, body in HOSTILE.items() if "requestBody" in operation else ():
                reply = await call(
                    service.http, method, filled(path, {}), headers=headers, body=body
                )
                where = (method, path, kind)
                assert 400 <= reply.status < 500, (*where, reply.status, reply.body[:300])
                assert reply.headers["content-type"].startswith("application/problem+"), where
